"""What a patch plan is decided from, gathered here, and the plan as it is told, written and compared."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from quartermaster.cli.output import emit, say

if TYPE_CHECKING:
    from pathlib import Path

    from quartermaster.cli.session import Session
    from quartermaster.playbooks.patch_estimate import Pace
    from quartermaster.playbooks.patch_plan import PatchPlan
    from quartermaster.playbooks.patch_start import Busy

__all__ = ["decide", "show"]

_RUNS = 10
"""Earlier runs that durations are learned from."""


def show(ops: Session, cluster: str, override: str, out: Path | None, compare: Path | None) -> None:
    """Decide on a plan; write it, tell it, tell in what it differs from a saved one."""
    from quartermaster.cli.patch_planned import changes_text, plan_text
    from quartermaster.playbooks.patch_saved import differences, read_plan, write_plan

    saved = read_plan(compare) if compare is not None else None
    found = decide(ops, cluster, override, ahead=not override)
    document, text = found.to_json(), plan_text(found, ops.fleet.tz, ops.clock.now())
    if out is not None:
        write_plan(out, found, fleet=ops.fleet.fleet, stack=ops.stack, now=ops.clock.now())
        say(f"wrote {out}: `ops patch run {cluster} --plan {out}` carries it out, or nothing")
    if saved is not None:
        changes = differences(saved.plan, found)
        document["changes"] = [change.to_json() for change in changes]
        text += changes_text(changes, saved.made_at)
    emit(document, text)


def decide(
    ops: Session, cluster: str, override: str, *, ahead: bool = False, meanwhile: Callable[[], None] = lambda: None
) -> PatchPlan:
    """The plan for a start now, or ``ahead`` for the best hour of its window. Asks cloud and hosts.

    ``meanwhile`` is called while hosts answer; what it raises ends it.
    """
    from quartermaster.cli.patch_survey import asking, with_drags

    found = ops.hosts.group(cluster)
    answers = asking(ops, found)
    meanwhile()
    # Hosts take their time: what else is to be read, and to be imported for the run, is so meanwhile.
    from quartermaster.cli import patch_board  # noqa: F401
    from quartermaster.cli.forecasts import outlook
    from quartermaster.playbooks import patch, patch_run  # noqa: F401

    planned = partial(
        patch.plan,
        found,
        ops.fleet,
        now=ops.clock.now(),
        drain_seconds=ops.hosts.drain_seconds(found),
        outlook=outlook(ops, cluster),
        pace=_pace(ops, cluster),
        others=_drills(ops, cluster) if ahead else (),
        refresh_running=ops.hosts.refresh_running(found),
        override=override,
        ahead=ahead,
    )
    surveys = answers()
    first = planned(surveys)
    # Where all that is pending is approved nothing else can be dragged along.
    mixed = {host.id: first.pins for host in first.hosts if host.updates and host.withheld}
    return planned(with_drags(ops, found, surveys, mixed)) if mixed else first


def _pace(ops: Session, cluster: str) -> Pace:
    """How long earlier runs over this cluster took; where there are none, those over others of the stack."""
    from quartermaster.playbooks.patch_estimate import Pace

    rows = [row for row in ops.journal.runs("patch", stack=ops.stack) if row.ended_at]
    own = [row for row in rows if row.subject == cluster] or rows
    return Pace.of([item.event for item in ops.journal.events(row.id)] for row in own[:_RUNS])


def _drills(ops: Session, cluster: str) -> list[Busy]:
    """Scheduled drills that touch the cluster. Those of a declared window are none: the schedule stays clear of it."""
    from quartermaster.cli.forecasts import drill_plan
    from quartermaster.playbooks.patch_start import Busy

    touched = {cluster, *ops.fleet.clusters[cluster].uses}
    declared = cluster in ops.fleet.patching and not ops.fleet.patching[cluster].window.always
    if declared or not touched & {drill.of for drill in ops.fleet.recovery.drills}:
        return []
    return [
        Busy(drill.starts_at, drill.ends_at, f"the drill {drill.kind} of {drill.of}")
        for drill in drill_plan(ops, 14).drills
        if drill.of in touched
    ]
