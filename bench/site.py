"""A year on the books: `ops status` of 40 clusters, and the pages of `ops serve`, with 500,000 events in the journal.

python bench/site.py [POSTGRESQL-URL]      an empty database, for the pages over PostgreSQL too
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.cli.site.app import make
from quartermaster.fleet.aws import connect
from quartermaster.fleet.chain import CLOSED, OPENED, digest
from quartermaster.fleet.events import StepFinished, StepStarted, to_record
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.names import physical, tags
from quartermaster.fleet.tables import events, runs
from quartermaster.infra.local import client

CLUSTERS = 40
RUNS, EVENTS = 12_500, 40
KINDS = ("patch", "drill", "provision_up", "configure", "job")
_HOST = {"zone": "eu-west-1a", "state": "patched", "from": "nginx=1.22", "to": "nginx=1.24", "seconds": 30.0, "why": ""}
RESULTS: Mapping[str, dict[str, Any]] = {
    "drill": {
        **{"kind": "instance_loss", "of": "c00", "target": "local"},
        **{"rto_seconds": 52.0, "objective_met": True, "evidence": "rehearsed"},
    },
    "patch": {
        "state": "done",
        "hosts": [{"id": f"i-{host:017x}", **_HOST} for host in range(6)],
        "requests": {"sent": 90_000, "failed": 0},
    },
}
TIMES = 15
OPS = str(Path(sys.executable).with_name("ops"))


def fill(journal: Journal) -> None:
    """Write a year of runs into an empty journal, chained as the journal itself would. Writes 500,000 events."""
    began = datetime.now(UTC) - timedelta(days=365)
    prior, run_rows, event_rows = "", [], []
    for number in range(RUNS):
        at = began + timedelta(days=365) * number / RUNS
        kind, of = KINDS[number % len(KINDS)], f"c{number % CLUSTERS:02}"
        subject = f"instance_loss {of}" if kind == "drill" else of
        run = f"{kind}-{at:%Y%m%dT%H%M%S}-{number:04x}"
        result = RESULTS.get(kind, {})
        lines: list[Mapping[str, Any]] = [{"kind": OPENED, "inputs": {}}]
        for step in range((EVENTS - 2) // 2):
            shared: dict[str, Any] = {"step": f"step-{step}", "title": f"Step {step}", "host": f"i-{step:017x}"}
            lines += [to_record(StepStarted(**shared)), to_record(StepFinished(**shared, seconds=1.0))]
        lines.append({"kind": CLOSED, "state": "done", "result": result})
        for second, line in enumerate(lines):
            stamp = (at + timedelta(seconds=second)).isoformat(timespec="microseconds")
            record = json.dumps(line, sort_keys=True)
            hashed = digest(prior, run, stamp, record)
            event_rows.append({"run": run, "at": stamp, "record": record, "prior_hash": prior, "hash": hashed})
            prior = hashed
        ended = (at + timedelta(seconds=EVENTS)).isoformat(timespec="microseconds")
        run_rows.append(
            {
                "id": run, "kind": kind, "stack": "dev", "subject": subject, "state": "done", "owner": "root",
                "started_at": at.isoformat(timespec="microseconds"), "ended_at": ended, "host": "elsewhere", "pid": 1,
                "pid_started": "1", "inputs": {}, "result": result,
            }
        )  # fmt: skip
    with journal.engine.begin() as db:
        for start in range(0, len(event_rows), 10_000):
            db.execute(events.insert(), event_rows[start : start + 10_000])
        db.execute(runs.insert(), run_rows)


def groups(ops: Session) -> None:
    """Give every cluster a group behind a target group, without hosts: each is one more answer to wait for."""
    cloud = connect(ops.fleet, ops.stack, ops.workspace)
    ec2, elb, scaling = (cloud.client(name) for name in ("ec2", "elbv2", "autoscaling"))
    vpc = ec2.create_vpc(CidrBlock="10.250.0.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.250.0.0/25", AvailabilityZone="eu-west-1a")["Subnet"][
        "SubnetId"
    ]
    image = ec2.describe_images(Owners=["136693071363"])["Images"][0]["ImageId"]
    for cluster in ops.fleet.clusters:
        name = physical(ops.fleet.fleet, ops.stack, cluster)
        target = elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="instance")
        ec2.create_launch_template(
            LaunchTemplateName=name, LaunchTemplateData={"ImageId": image, "InstanceType": "m6i.large"}
        )
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name, MinSize=0, MaxSize=6, DesiredCapacity=0, VPCZoneIdentifier=subnet,
            LaunchTemplate={"LaunchTemplateName": name, "Version": "$Latest"},
            TargetGroupARNs=[target["TargetGroups"][0]["TargetGroupArn"]],
            Tags=[{"Key": k, "Value": v, "PropagateAtLaunch": True} for k, v in tags("bench", "dev", cluster).items()],
        )  # fmt: skip


def pages(ops: Session) -> Iterator[tuple[str, float]]:
    """Each page with its median time, seconds, once what it shows was read."""
    site = make(ops, names=["localhost"]).test_client()
    newest = ops.journal.runs("drill", limit=1)[0].id
    middle = (datetime.now(UTC) - timedelta(days=180)).isoformat()
    shown = ("/", "/report", "/cost", "/calendar", "/history", "/history?kind=drill")
    for path in (*shown, f"/history?before={middle}", f"/history/{newest}"):
        while b"being read" in site.get(path.replace("+", "%2B")).data:
            time.sleep(0.1)
        taken = []
        for _ in range(TIMES):
            began = time.perf_counter()
            assert site.get(path.replace("+", "%2B")).status_code == 200
            taken.append(time.perf_counter() - began)
        yield path, statistics.median(taken)


def main() -> None:
    print(", ".join(f"{name} {version(name)}" for name in ("sqlalchemy", "flask", "moto", "boto3")))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "fleet.yaml")
        names = ", ".join(f"c{number:02}: {{}}" for number in range(CLUSTERS))
        drills = ", ".join(f"{{kind: instance_loss, of: c{number:02}}}" for number in range(CLUSTERS))
        file.write_text(f"fleet: bench\nregion: eu-west-1\nclusters: {{{names}}}\nrecovery: {{drills: [{drills}]}}\n")
        ops = Session(Options(fleet=file))
        client.ensure_running(ops.workspace, "bench", "instant")
        try:
            fill(ops.journal)
            groups(ops)
            taken = []
            for _ in range(TIMES):
                began = time.perf_counter()
                subprocess.run([OPS, "status", "--json", "--fleet", str(file)], capture_output=True, check=True)
                taken.append(time.perf_counter() - began)
            print(
                f"{CLUSTERS} clusters, {RUNS * EVENTS:,} events: ops status {statistics.median(taken):.2f} s (bar 1.5)"
            )
            stores = {"SQLite": ops}
            if sys.argv[1:]:
                shared = Session(Options(fleet=file))
                shared.__dict__["journal"] = Journal.at(sys.argv[1])
                fill(shared.journal)
                stores["PostgreSQL"] = shared
            for store, session in stores.items():
                for path, seconds in pages(session):
                    shown = path if not path.startswith("/history/") else "/history/RUN"
                    print(f"  {store:<10} {shown.partition('T')[0]:<28} {seconds * 1000:6.1f} ms (bar 200)")
        finally:
            client.down(ops.workspace)


if __name__ == "__main__":
    main()
