"""``ops patch`` where ``patching.CLUSTER.method`` is replace: hosts go by an instance refresh, in checkpoints."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from quartermaster.cli.output import confirm, draw, emit, say, table
from quartermaster.cli.session import Session
from quartermaster.fleet.errors import MissingPart

if TYPE_CHECKING:
    from quartermaster.fleet.journal import RunRow
    from quartermaster.playbooks.patch_run import Tools as Work
    from quartermaster.playbooks.replace_plan import ReplacePlan
    from quartermaster.playbooks.replace_run import Tools
    from quartermaster.playbooks.replace_world import CloudRefreshes

__all__ = ["plan", "recover", "replaced", "replaces", "resume", "run"]

_HOURS = timedelta(hours=2)
"""Hours whose need the group must carry throughout."""


def replaces(ops: Session, cluster: str) -> bool:
    """Whether the cluster's hosts are replaced rather than patched where they are."""
    return cluster in ops.fleet.clusters and ops.fleet.patching_of(cluster).method == "replace"


def replaced(ops: Session, row: RunRow) -> bool:
    """Whether that run replaces hosts, whatever fleet.yaml says by now."""
    from quartermaster.playbooks.replace_past import is_replacement

    return is_replacement(item.event for item in ops.journal.events(row.id))


def plan(ops: Session, cluster: str, override: str) -> None:
    """Show which hosts are not of the newest template and role bundle, and the stages in which they would go."""
    found = _plan(ops, cluster, override, ahead=True)
    emit(found.to_json(), _planned(found))


def run(ops: Session, cluster: str, override: str) -> None:
    """Replace the hosts: a canary, then waves, each judged at a checkpoint of the instance refresh."""
    from quartermaster.cli import patch
    from quartermaster.playbooks import replace_run

    found = _plan(ops, cluster, override)
    if not found.pending:
        emit({"hosts": [], "state": "done", "requests": None, "run": None}, f"nothing is pending on {cluster}")
        return
    confirm(f"Replace {len(found.pending)} hosts of {cluster}?", plan=_planned(found))
    with patch.under_way(ops, cluster) as (record, lease, tools):
        draw(record.record(lease.fenced(replace_run.run(found, _tools(ops, cluster, tools)))))
        patch.close(ops, record)


def resume(ops: Session, row: RunRow, override: str) -> None:
    """Follow the run's instance refresh where there is one, start it where there is none."""
    from quartermaster.cli import patch
    from quartermaster.cli.patch_control import open_until
    from quartermaster.playbooks import replace_run

    cluster, events = row.subject, [item.event for item in ops.journal.events(row.id)]
    ends_at = open_until(ops, cluster, override)
    say(f"{row.id} was cut short after {len(events)} events; looking at its instance refresh, then going on")
    with patch.under_way(ops, cluster, resume=row.id) as (record, lease, tools):
        steps = replace_run.resume(events, _tools(ops, cluster, tools), ends_at=ends_at)
        draw(record.record(lease.fenced(steps)))
        patch.close(ops, record)


def recover(ops: Session, row: RunRow) -> None:
    """Give the run up: its instance refresh is cancelled, the group names the version that it named before."""
    from quartermaster.cli import patch
    from quartermaster.playbooks import replace_run

    cluster, events = row.subject, [item.event for item in ops.journal.events(row.id)]
    say(f"{row.id} was cut short after {len(events)} events; putting back what it left")
    with patch.under_way(ops, cluster, resume=row.id) as (record, lease, tools):
        draw(record.record(lease.fenced(replace_run.recover(events, _tools(ops, cluster, tools)))))
        patch.close(ops, record, "recovered")


def _plan(ops: Session, cluster: str, override: str, *, ahead: bool = False) -> ReplacePlan:
    from quartermaster.cli.forecasts import outlook
    from quartermaster.cli.patch_survey import asking
    from quartermaster.infra.layout import layout
    from quartermaster.infra.refresh import stopping_alarms
    from quartermaster.playbooks import replace

    world, now = _world(ops, cluster), ops.clock.now()
    group, surveys = world.group(), None
    try:
        surveys = asking(ops, group)()
    except MissingPart as exc:  # replacing goes without a way to the hosts
        say(f"warning: of which role bundles the hosts are is unknown: {exc.message} ({exc.remedy})")
    ahead_of = outlook(ops, cluster)
    declared = stopping_alarms(ops.fleet, layout(ops.fleet, ops.stack), cluster)
    return replace.plan(
        group,
        ops.fleet,
        world.launched(),
        now,
        surveys=surveys,
        need=ahead_of.need(now, now + _HOURS) if ahead_of else None,
        alarms=_there(ops, declared),
        history=world.history(),
        override=override,
        ahead=ahead,
    )


def _there(ops: Session, names: tuple[str, ...]) -> list[str]:
    """Those of the alarms that exist: AWS refuses a refresh that names another."""
    if not names:
        return []
    answer = ops.cloud.client("cloudwatch").describe_alarms(AlarmNames=list(names))
    found = {alarm["AlarmName"] for alarm in (*answer["MetricAlarms"], *answer["CompositeAlarms"])}
    return [name for name in names if name in found]


def _world(ops: Session, cluster: str) -> CloudRefreshes:
    from quartermaster.playbooks.replace_world import CloudRefreshes

    return CloudRefreshes(ops.cloud, ops.hosts, cluster)


def _tools(ops: Session, cluster: str, of: Work) -> Tools:
    """The tools of a run over hosts, with the group's refreshes in place of its hosts."""
    from quartermaster.playbooks.replace_run import Tools

    return Tools(_world(ops, cluster), of.counter, of.probe, of.asked, of.clock)


def _planned(found: ReplacePlan) -> str:
    rows = [(host.id, host.zone, f"{host.version} {host.image}", host.why or "stays") for host in found.hosts]
    text = table(["host", "zone", "is of", "why"], rows)
    for stage in found.stages:
        kind = "canary" if stage.canary else "stage"
        text += (
            f"\n{kind} {stage.number}: {stage.hosts} replaced by its end, {stage.at_once} at once; {stage.left} serve "
            f"meanwhile, {stage.after_zone_loss} with a zone lost"
        )
        text += f", then a checkpoint at {stage.percent} %" if stage.percent < 100 else ""
    kept = found.preferences
    text += f"\nin service throughout: {kept.min_healthy} % or more" if found.stages else ""
    text += ", hosts are launched before others go" if kept.max_healthy > 100 else ""
    if found.stages and not kept.skip_matching:
        text += "\nhosts that stay are protected from scale-in meanwhile: AWS knows nothing of role bundles"
    if kept.alarms:
        text += f"\nsent back by alarms {', '.join(kept.alarms)}"
    if found.ends_at:
        text += f"\ncancelled at {found.ends_at:%a %d %b %H:%M %Z}: what is left waits for the next window"
    return text + "".join(f"\nwarning: {warning}" for warning in found.warnings)
