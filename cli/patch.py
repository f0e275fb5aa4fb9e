"""``ops patch``: upgrade a cluster's hosts, one zone at a time, without losing a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quartermaster.cli.group import Group as CommandGroup
from quartermaster.cli.outfile import check_out
from quartermaster.cli.output import confirm, emit, say, table
from quartermaster.cli.patch_way import require, way
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import InputError, OpsError, Stopped

if TYPE_CHECKING:
    from quartermaster.fleet.events import Event
    from quartermaster.fleet.hosts import Group
    from quartermaster.fleet.journal import Run, RunRow
    from quartermaster.fleet.leases import Lease
    from quartermaster.playbooks.patch_gate import Probe
    from quartermaster.playbooks.patch_run import Tools
    from quartermaster.playbooks.patch_waves import Need

group = CommandGroup("patch", "Patch cycles: plan, run, pause, abort, resume, recover, status, report.")

_RESUMED = timedelta(hours=2)
"""Hours whose need a resumed run leaves serving: a cycle rarely takes longer, and is resumed again then."""

Cluster = Annotated[str, typer.Argument(help="Cluster to patch, or PostgreSQL database.")]
Override = Annotated[bool, typer.Option("--override", help="Break window and freeze; needs --reason.")]
Reason = Annotated[str, typer.Option(help="Why; journalled.")]


@group.command("plan", example="ops patch plan web --out patch.json")
def plan(
    cluster: Cluster,
    override: Override = False,
    reason: Reason = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write the plan to a file, for `run --plan`.")] = None,
    compare: Annotated[Path | None, typer.Option("--compare", help="Show what differs from this saved plan.")] = None,
) -> None:
    """Show what is pending on each host, the waves, and the hour in which they are best done. Changes nothing."""
    from quartermaster.cli.patch_decide import show

    ops = session()
    if (other := way(ops, cluster)) is not None:
        _in_place_only(cluster, out, compare)
        other.plan(ops, cluster, _overriding(override, reason))
        return
    require(ops, cluster)
    check_out(out)
    show(ops, cluster, _overriding(override, reason), out, compare)


@group.command("run", example="ops patch run web --yes")
def run(
    cluster: Cluster,
    override: Override = False,
    reason: Reason = "",
    plan: Annotated[Path | None, typer.Option("--plan", help="Carry out this saved plan, or nothing.")] = None,
) -> None:
    """Drain, upgrade, check and return each host: a canary, then waves within one zone each."""
    from quartermaster.cli.patch_decide import decide
    from quartermaster.cli.patch_planned import plan_text
    from quartermaster.playbooks import patch_run
    from quartermaster.playbooks.patch_saved import read_plan, refuse_moved

    ops = session()
    require(ops, cluster)
    if (other := way(ops, cluster)) is not None:
        _refuse_unfinished(ops, cluster)
        _in_place_only(cluster, plan)
        other.run(ops, cluster, _overriding(override, reason))
        return
    saved = read_plan(plan) if plan is not None else None
    # To open the journal takes a while, in which hosts can answer.
    planned = decide(ops, cluster, _overriding(override, reason), meanwhile=partial(_refuse_unfinished, ops, cluster))
    if saved is not None:
        refuse_moved(saved, planned, fleet=ops.fleet.fleet, stack=ops.stack)
    if not planned.waves:
        for warning in planned.warnings:
            say(f"warning: {warning}")
        emit({"hosts": [], "state": "done", "requests": None, "run": None}, f"nothing to do on {cluster}")
        return
    confirm(f"Patch {cluster}?", plan=plan_text(planned, ops.fleet.tz, ops.clock.now()))
    with under_way(ops, cluster) as (record, lease, tools):
        _finish(ops, record, tools, lease.fenced(patch_run.run(planned, record.id, tools)))


@group.command("resume", example="ops patch resume web --yes")
def resume(cluster: Cluster, override: Override = False, reason: Reason = "") -> None:
    """Go on with a run that was cut short or stopped: finished hosts are left, half-done ones taken up."""
    from quartermaster.cli.patch_control import open_until
    from quartermaster.playbooks import patch_run

    ops = session()
    row = last_unfinished(ops, cluster)
    why = _overriding(override, reason)
    if (other := way(ops, cluster, row)) is not None:
        other.resume(ops, row, why)
        return
    hours: dict[str, Any] = {"ends_at": open_until(ops, cluster, why), "need": _need(ops, cluster), "override": why}
    events = [item.event for item in ops.journal.events(row.id)]
    say(f"{row.id} was cut short after {len(events)} events; looking at the hosts, then going on")
    with under_way(ops, cluster, resume=row.id) as (record, lease, tools):
        steps = patch_run.resume(events, record.id, tools, **hours)
        _finish(ops, record, tools, lease.fenced(steps), earlier=events)


@group.command("recover", example="ops patch recover web --yes")
def recover(cluster: Cluster) -> None:
    """Give a run up: standby and added hosts, floor, suspended processes and pins of new hosts are put back.

    Also after a run that failed: hosts that it left drained go back once they are well.
    """
    from quartermaster.playbooks.patch_recover import recover as put_back

    ops = session()
    row = last_unfinished(ops, cluster, drained=True)
    if (other := way(ops, cluster, row)) is not None:
        other.recover(ops, row)
        return
    events = [item.event for item in ops.journal.events(row.id)]
    say(f"{row.id} left things after {len(events)} events; putting them back")
    with under_way(ops, cluster, resume=row.id) as (record, lease, tools):
        steps = put_back(events, world=tools.world, machines=tools.machines, pins=tools.pins)
        _finish(ops, record, tools, lease.fenced(steps), earlier=events, ended="recovered")


def _in_place_only(cluster: str, *files: Path | None) -> None:
    if any(files):
        raise InputError("plans are kept in files only for method in_place", remedy=f"ops patch plan {cluster} alone")


def _overriding(override: bool, reason: str) -> str:
    if override and not reason.strip():
        raise InputError("--override needs a reason", remedy="--reason 'why it must be now'")
    return reason if override else ""


def _need(ops: Session, cluster: str) -> Need | None:
    """What the coming hours ask of the cluster; None without a forecast."""
    from quartermaster.cli.forecasts import outlook

    found, now = outlook(ops, cluster), ops.clock.now()
    return found.need(now, now + _RESUMED) if found else None


def _scopes(ops: Session, group: Group) -> list[str]:
    return [ops.scope("cluster", group.cluster), *(ops.scope("zone", zone) for zone in group.zones)]


@contextmanager
def under_way(ops: Session, cluster: str, *, resume: str = "") -> Iterator[tuple[Run, Lease, Tools]]:
    """A journalled run with its leases, that heeds Ctrl-C, `ops patch pause` and `ops patch abort`."""
    from quartermaster.cli.patch_control import Control

    found = ops.hosts.group(cluster)
    with ops.run("patch", subject=cluster, scopes=_scopes(ops, found), resume=resume) as (record, lease):
        control = Control(ops.journal, record.id)
        with control.listening():
            try:
                yield record, lease, replace(_tools(ops, found), asked=control)
            except (OpsError, KeyboardInterrupt):
                raise
            except Exception as exc:  # what the run left is there to be resumed or recovered
                problem = f"a fault in ops itself: {type(exc).__name__}: {exc}"
                raise Stopped(problem, remedy=f"ops patch recover {cluster}; --debug shows where") from exc


def _tools(ops: Session, found: Group) -> Tools:
    from quartermaster.cli.ssh import machines_of, stack_bucket
    from quartermaster.playbooks.patch_gate import http_probe
    from quartermaster.playbooks.patch_pins import BucketPins
    from quartermaster.playbooks.patch_run import Tools
    from quartermaster.playbooks.world import CloudWorld

    cluster, behind = found.cluster, ops.fleet.balancer_of(found.cluster)
    path = behind[1].health if behind is not None else ""

    @cache  # the address is asked for once, and not before the gate has too few requests to judge by
    def probe() -> Probe:
        return http_probe(ops.url(cluster) + path)

    return Tools(
        world=CloudWorld(ops.hosts, cluster),
        machines=machines_of(ops, found),
        counter=ops.counter if behind is not None else None,
        probe=(lambda count: probe()(count)) if path.startswith("/") else None,
        pins=BucketPins(ops.cloud.client("s3"), stack_bucket(ops)[0], cluster),
        clock=ops.clock,
    )


def _finish(
    ops: Session, record: Run, tools: Tools, steps: Iterator[Event], *, earlier: Sequence[Event] = (), ended: str = ""
) -> None:
    """Draw the steps, then close the run."""
    from quartermaster.cli.patch_board import watch

    watch(record.record(steps), tools, earlier)
    close(ops, record, ended)


def close(ops: Session, record: Run, ended: str = "") -> None:
    """Close the run with what its events came to, and exit by it."""
    document = _outcome(ops, record.id)
    state, cluster = ended or document["state"], document["cluster"]
    document["state"] = state
    record.finish(state, document)
    emit(document, _told(document))
    if state == "aborted":
        raise OpsError(f"{record.id} was aborted by hand; everything is put back", remedy=f"ops patch status {cluster}")
    if state == "stopped":
        raise Stopped(f"{record.id} stopped part-way: {document['why']}", remedy=f"ops patch resume {cluster}")
    if state == "failed":
        bad = [f"{host['id']} {host['state']}: {host['why']}" for host in document["hosts"] if host["why"]]
        raise OpsError(f"{record.id} failed: " + "; ".join([document["why"], *bad]), remedy=f"ops history {record.id}")


def _outcome(ops: Session, run_id: str) -> dict[str, Any]:
    from quartermaster.playbooks.outcomes import outcome

    return outcome([item.event for item in ops.journal.events(run_id)], run=run_id).to_json()


def _refuse_unfinished(ops: Session, cluster: str) -> None:
    if left := ops.journal.unfinished("patch", stack=ops.stack, subject=cluster):
        raise InputError(
            f"patch run {left[0].id} of {cluster} was cut short",
            remedy=f"ops patch resume {cluster} goes on; ops patch recover {cluster} puts everything back",
        )


def last_unfinished(ops: Session, cluster: str, *, drained: bool = False) -> RunRow:
    """The last run that was cut short; with ``drained`` also one that failed and left hosts drained."""
    require(ops, cluster)
    rows = ops.journal.unfinished("patch", stack=ops.stack, subject=cluster)
    if drained:
        rows += [row for row in ops.journal.runs("patch", stack=ops.stack, subject=cluster, limit=1) if _drained(row)]
    if not rows:
        raise InputError(f"no patch run of {cluster} was cut short", remedy=f"ops patch run {cluster}")
    return rows[0]


def _drained(row: RunRow) -> bool:
    hosts = (row.result or {}).get("hosts", [])
    return row.state == "failed" and any(host.get("state") == "drained" for host in hosts)


def _told(document: dict[str, Any]) -> str:
    rows = [(h["id"], h["zone"], h["state"], h["from"], h["to"], f"{h['seconds']:.1f} s") for h in document["hosts"]]
    text = table(["host", "zone", "state", "from", "to", "#took"], rows)
    requests = document["requests"]
    counted = f"{requests['failed']} of {requests['sent']} requests failed" if requests["sent"] else "no requests seen"
    return text + f"\n{document['run']}: {document['state']}; {counted} at the balancer"


__all__ = ["close", "group", "last_unfinished", "under_way"]
