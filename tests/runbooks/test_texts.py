"""What users read of a runbook of their own that cannot be followed, and of restores that cannot be: whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from quartermaster.fleet.schema import read_text
from quartermaster.fleet.write_probe import Login
from quartermaster.runbooks import restoring
from quartermaster.runbooks.backups import Backups, Restored
from quartermaster.runbooks.document import Call, parse
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.overwrite import Overwriting
from quartermaster.runbooks.probes import World, evaluate
from quartermaster.runbooks.recovery_points import COPY, RecoveryPoint, choose
from quartermaster.runbooks.restorer import Restorer
from quartermaster.runbooks.runners import TAG_RESTORED
from quartermaster.runbooks.scene import Scene
from tests.fleet.test_texts import Answering, denied
from tests.reads import reads
from tests.runbooks.stubbed import Clock

NO = "An error occurred (AccessDeniedException) when calling the Act operation: no"
NOON, NIGHT = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
LOOSE = """\
# A runbook

## 1. Look

- **Step:** `look`
- **Phase:** verify
- **Command:** `wait()`
- **Expected:** somebody looks
- **Time limit:** soon
- **Rollback:** `nothing()`
- **Colour:** red

## 3. Look again

- **Step:** `look`
- **Phase:** lunch
- **Command:** `wait()`
- **Expected:** `steady()`
- **Time limit:** 10 seconds
- **Rollback:** `nothing()`
"""


def step(number: int, name: str, phase: str) -> str:
    return (
        f"\n## {number}. Step\n\n- **Step:** `{name}`\n- **Phase:** {phase}\n- **Command:** `wait()`\n"
        "- **Expected:** `steady()`\n- **Time limit:** 10 seconds\n- **Rollback:** `nothing()`\n- **Owner:** ops\n"
    )


DISORDER = "---\nkind: mine\n---\n" + step(1, "look", "verify") + step(2, "look", "none") + step(3, "act", "act")


def point(kind: str, at: datetime, since: datetime | None = None) -> RecoveryPoint:
    return RecoveryPoint("orders-1", kind, at, since or at, "eu-west-1", 1, True, "", None, "available")


class Rds(Answering):
    """A client that has pages, and exceptions of its own."""

    exceptions = SimpleNamespace(
        ClientError=ClientError,
        DBInstanceNotFoundFault=type("DBInstanceNotFoundFault", (Exception,), {}),
        DBSnapshotAlreadyExistsFault=type("DBSnapshotAlreadyExistsFault", (Exception,), {}),
        InvalidDBInstanceStateFault=type("InvalidDBInstanceStateFault", (Exception,), {}),
    )

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: [self._answer[name]])


def backups(answer: Any) -> Backups:
    """Of a stack whose cloud answers so."""
    client = Rds(answer)
    cloud: Any = SimpleNamespace(client=lambda *_, **__: client, fleet="shop", stack="dev", region="eu-west-1")
    return Backups(cloud, {"orders": "shop-dev-orders"}, Clock())


def snapshots(*states: str) -> dict[str, Any]:
    """What RDS tells of a database with one snapshot that is so, or none."""
    arn = "arn:aws:rds:eu-west-1:1:snapshot:orders-1"
    row = {
        "SnapshotCreateTime": NOON,
        "SnapshotType": "manual",
        "DBSnapshotIdentifier": "orders-1",
        "DBSnapshotArn": arn,
    }
    return {
        "describe_db_instance_automated_backups": {"DBInstanceAutomatedBackups": []},
        "describe_db_snapshots": {"DBSnapshots": [{**row, "Status": state} for state in states]},
    }


def instance(status: str, *tags: str, **more: Any) -> dict[str, Any]:
    """What RDS tells of what is restored, and EC2 of who asks it: nobody, unless ``more`` says."""
    labels = [{"Key": tag, "Value": "shop-dev-orders"} for tag in tags]
    row = {"DBInstanceIdentifier": RESTORED, "DBInstanceStatus": status, "TagList": labels}
    nothing: dict[str, Any] = {"SecurityGroups": [], "Reservations": []}
    return {
        "describe_db_instances": {"DBInstances": [row]},
        "describe_security_groups": nothing,
        "describe_instances": nothing,
        **more,
    }


def restoring_of(*found: Restored | None) -> Restorer:
    """Of a stack of whose restore RDS says so, one look after the other."""
    looks, nobody = iter(found), cast("Any", None)
    seen: Any = SimpleNamespace(restored=lambda _: next(looks))
    return Restorer(seen, nobody, nobody, Clock())


def restores(*found: Restored | None, poll: float = 1) -> object:
    return list(restoring.restore(restoring_of(*found), "orders", Clock(), poll=poll))


def looked(restored: Restored) -> object:
    """The probe of the drill ``restore``, when that is restored."""
    now = Scene(extra={"restored": asdict(restored)})
    return evaluate(Call("restored"), World("orders", Scene(), now), KINDS["restore"].probes)


def overwriting(database: str) -> object:
    login = Login("db.example", 5432, database, "ops", "secret")
    restorer: Any = SimpleNamespace(original=lambda _: login)
    nobody: Any = None
    return Overwriting(restorer, nobody, "orders", Clock(), run="R1", poll=0)


TABLE = read_text("fleet: shop\ndatabases: {orders: {engine: dynamodb, key: id}}\n").fleet
RESTORED = "shop-dev-drill-orders"
COMING = Restored(RESTORED, "creating", "", 0, "")
FAILED = Restored(RESTORED, "restore-error", "", 0, "no such snapshot")


CASES: dict[str, tuple[Callable[[], object], str]] = {
    "a document that says nothing": (
        lambda: parse("---\nkind: mine\n---\n# Empty\n", file="mine.md"),
        "error: the runbook 'mine.md' cannot be followed\n"
        "  mine.md:1 steps: the document has no steps\n"
        "      → headings like '## 1. Title'; see documents/instance_loss.md.j2\n",
    ),
    "a loose document": (
        lambda: parse(LOOSE, file="mine.md"),
        "error: the runbook 'mine.md' cannot be followed\n"
        "  mine.md:1 kind: the document does not say its kind\n"
        "      → start it with ---, kind: …, ---\n"
        "  mine.md:3 step 1: 'Look' has no owner\n"
        "      → add '- **Owner:** …'; see documents/instance_loss.md.j2\n"
        "  mine.md:11 step 1: unknown label 'Colour'\n"
        "      → one of: Step, Phase, Command, Expected, Time limit, Rollback, Owner, By hand\n"
        "  mine.md:8 step 1: Expected: 'somebody looks' names no call\n"
        "      → such as `wait()`\n"
        "  mine.md:9 step 1: time limit 'soon' is none\n"
        "      → such as: 120 seconds\n"
        "  mine.md:13 step 3: step 3 stands at place 2\n"
        "      → number it 2\n"
        "  mine.md:13 step 3: 'Look again' has no owner\n"
        "      → add '- **Owner:** …'; see documents/instance_loss.md.j2\n"
        "  mine.md:16 step 3: unknown phase 'lunch'\n"
        "      → one of: detect, decide, act, converge, verify, none\n",
    ),
    "phases in disorder": (
        lambda: parse(DISORDER, file="mine.md"),
        "error: the runbook 'mine.md' cannot be followed\n"
        "  mine.md:15 look: two steps are called 'look'\n"
        "      → give each its own name\n"
        "  mine.md:25 act: phase act comes after verify\n"
        "      → keep the order of the phases\n"
        "  mine.md:25 act: a step without phase splits the recovery time\n"
        "      → move it\n",
    ),
    "copies in another region alone": (
        lambda: choose([point(COPY, NOON)], database="orders"),
        "error: of orders there are only copies in eu-west-1, the newest of 2026-03-01 12:00:00 UTC\n"
        "  remedy: restore it there: aws backup start-restore-job --region eu-west-1 --recovery-point-arn orders-1 "
        "--iam-role-arn ROLE --metadata FILE\n",
    ),
    "a drill's restore of a table": (
        lambda: KINDS["restore"].subjects(TABLE, "orders"),
        "error: orders is of dynamodb: only postgres is restored by drills\n  remedy: ops backup list\n",
    ),
    "nothing to restore from": (
        lambda: choose([], database="orders"),
        "error: orders has no recovery point\n  remedy: ops backup run orders\n",
    ),
    "an instant that is not covered": (
        lambda: choose([point("continuous", NOON, NIGHT)], to=datetime(2026, 1, 1, tzinfo=UTC), database="orders"),
        "error: orders cannot be restored to 2026-01-01 00:00:00 UTC\n"
        "  remedy: 2026-02-01 00:00:00 to 2026-03-01 12:00:00 UTC\n",
    ),
    "an instant of snapshots alone": (
        lambda: choose([point("manual snapshot", NOON)], to=NIGHT, database="orders"),
        "error: orders cannot be restored to 2026-02-01 00:00:00 UTC\n  remedy: it has no continuous backup\n",
    ),
    "a snapshot without rights": (
        lambda: backups(denied()).take("orders", "orders-1"),
        f"error: no snapshot of orders: {NO}\n  remedy: ops status: is it available?\n",
    ),
    "a removal without rights": (
        lambda: backups(denied())._deleted("shop-dev-orders-restored"),
        f"error: shop-dev-orders-restored cannot be deleted: {NO}\n  remedy: your rights, or delete it by hand\n",
    ),
    "a snapshot that fails": (
        lambda: backups(snapshots("failed")).taken("orders", "orders-1"),
        "error: snapshot orders-1 of orders failed\n"
        "  remedy: the events of shop-dev-orders in RDS say why; then ops backup run orders\n",
    ),
    "a snapshot that somebody deleted": (
        lambda: backups(snapshots()).taken("orders", "orders-1"),
        "error: snapshot orders-1 of orders is gone\n"
        "  remedy: the events of shop-dev-orders in RDS say why; then ops backup run orders\n",
    ),
    "a removal that never ends": (
        lambda: backups(instance("deleting", TAG_RESTORED)).remove("orders"),
        "error: shop-dev-drill-orders is still there: deleting\n  remedy: ops backup remove orders, later\n",
    ),
    "an instance of somebody else's by that name": (
        lambda: backups(instance("available")).restored("orders"),
        "error: shop-dev-drill-orders is there and was not restored by ops\n  remedy: rename or remove it\n",
    ),
    "an asking host that never ends": (
        lambda: backups(
            instance("available", describe_instances={"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}]})
        ).dismiss("orders"),
        "error: not terminated within 0:15:00: i-1, started to ask what is restored of shop-dev-orders\n"
        "  remedy: ops backup remove, later\n",
    ),
    "a restore that fails": (
        lambda: restores(COMING, FAILED),
        "error: orders could not be restored: no such snapshot\n"
        "  remedy: ops backup list orders; ops backup remove orders\n",
    ),
    "a restore that somebody removed": (
        lambda: restores(COMING, COMING, None),
        "error: orders could not be restored: the instance is gone\n"
        "  remedy: ops backup list orders; ops backup remove orders\n",
    ),
    "a restore that never ends": (
        lambda: restores(*[COMING] * 300, poll=60),
        "error: the restore of orders did not end within 4:00:00\n"
        "  remedy: run the same command again: it goes on waiting\n",
    ),
    "nothing restored to be asked": (
        lambda: restoring_of(None).reach("orders"),
        "error: nothing of orders is restored\n  remedy: ops backup restore orders\n",
    ),
    "a drill's restore that fails": (
        lambda: looked(FAILED),
        "error: orders could not be restored: no such snapshot\n  remedy: ops backup list orders\n",
    ),
    "a name to restore over that must be quoted": (
        lambda: overwriting('or"ders'),
        "error: the database of orders is called 'or\"ders', which is no plain name (a-z, 0-9, _)\n"
        "  remedy: ops backup restore orders, which restores beside it\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str) -> None:
    reads(*CASES[case])
