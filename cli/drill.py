"""``ops drill``: choose the hours, run the drills, keep the evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from quartermaster.cli import drill_export, schedule
from quartermaster.cli.drill_plan import drawn, hands, planned
from quartermaster.cli.group import Confirm, Group, How
from quartermaster.cli.output import confirm, draw, emit, say, table
from quartermaster.cli.session import session
from quartermaster.fleet.durations import measured
from quartermaster.fleet.errors import InputError

__all__ = ["group"]

group = Group("drill", "Recovery drills: schedule, run, recover, list.")
drill_export.attach(group)
schedule.attach(group)


@group.command("run", example="ops drill run instance_loss web --now")
def run(
    kind: Annotated[str, typer.Argument(help="Kind of drill, e.g. instance_loss.")],
    of: Annotated[str, typer.Argument(help="Cluster or database.")],
    now: Annotated[bool, typer.Option("--now", help="Run now rather than in its hours; other guards hold.")] = False,
    how: How = "",
    override: Annotated[str, typer.Option(help="A guard to break, with --reason: freeze or hours.")] = "",
    reason: Annotated[str, typer.Option(help="Why; journalled.")] = "",
    confirm_stack: Confirm = "",
    answers: Annotated[
        Path | None, typer.Option(help="YAML file with the answers to a tabletop that nobody attends.")
    ] = None,
) -> None:
    """Lose something on purpose, measure the recovery, put everything back."""
    from quartermaster.cli.tabletop import seated, talk, told
    from quartermaster.runbooks import drill

    ops = session()
    drill.accept(kind, of, ops.fleet, how)
    ops.typed_confirmation(confirm_stack)
    overrides = _overrides(override, reason)
    people = seated(ops, kind, of, answers)
    pending = drill.unfinished(ops.journal, stack=ops.stack)
    if pending:
        raise InputError(f"drill {pending[0].id} was cut short and is not put right", remedy="ops drill recover")
    plan = planned(ops, kind, of, way=how, now=now, overrides=overrides)
    plan.require()
    for warning in plan.warnings:
        say(f"warning: {warning}")
    confirm(f"Run {kind} of {of} on stack {ops.stack}?", plan=f"will touch {plan.loss.what}: {plan.loss.why}")
    tools = replace(hands(ops), table=people)
    result = drawn(ops, plan, tools, talk if people else draw)
    emit(result.to_json(), (told if people else _told)(result.to_json()))


@group.command("recover", example="ops drill recover --yes")
def recover() -> None:
    """Put right what an interrupted drill left, and close its run."""
    from quartermaster.runbooks import drill

    ops = session()
    rows = drill.unfinished(ops.journal, stack=ops.stack)
    if not rows:
        emit({"recovered": []}, "nothing to recover: no drill was cut short")
        return
    done: list[dict[str, Any]] = []
    for row in rows:
        say(f"{row.id} ({row.subject}) was cut short: reading what it had done, then taking it back")
        result = draw(drill.recover(row, journal=ops.journal, leases=ops.leases, hands=hands(ops)))
        assert result is not None
        done.append(dict(result.to_json()))
    emit({"recovered": done}, "\n".join(_told(item) for item in done))


@group.command("list", example="ops drill list --json")
def list_() -> None:
    """List past drills with what they measured."""
    from quartermaster.cli.history import state_of

    ops = session()
    rows = [(row, row.result or {}) for row in ops.journal.runs("drill", stack=ops.stack)]
    shown = [
        (row.id, row.subject, state_of(row), measured(result.get("rto_seconds")), _yes(result.get("objective_met")))
        for row, result in rows
    ]
    text = table(["run", "drill", "state", "#RTO", "objective met"], shown) if rows else "no drill was run yet"
    emit({"drills": [{"run": row.id, "state": state_of(row), **result} for row, result in rows]}, text)


def _overrides(guard: str, reason: str) -> dict[str, str]:
    """The reason by the guard that it breaks. Raises InputError for one that nothing breaks, and without a reason."""
    from quartermaster.runbooks.guards import OVERRIDABLE

    if not guard:
        return {}
    if guard not in OVERRIDABLE:
        raise InputError(f"no override breaks {guard!r}", remedy=f"--override with one of: {', '.join(OVERRIDABLE)}")
    if not reason.strip():
        raise InputError(f"--override {guard} needs a reason", remedy="--reason 'why it must be now'")
    return {guard: reason}


def _told(result: dict[str, Any]) -> str:
    phases = " + ".join(f"{name} {measured(seconds)}" for name, seconds in result["rto_phases"].items())
    requests = result["requests"]
    text = f"{result['kind']} of {result['of']} on {result['target']}: "
    text += _recovered(result["rto_seconds"]) + (f" ({phases})\n" if phases else "\n")
    text += f"requests: {requests['failed']} of {requests['sent']} failed at the balancer"
    if result.get("failing_seconds"):
        begun, ended = result["failing_seconds"]
        text += f", from {begun:.1f} to {ended:.1f} s after the fault"
    for name, found in result.get("detail", {}).get("subjects", {}).items():
        met = _yes(found["objective_met"])
        text += f"\n{name}: {_recovered(found['rto_seconds'])}; objective met: {met}"
    if result["rpo_seconds"] is not None:
        text += f"\ndata lost: {measured(result['rpo_seconds'])} of confirmed writes"
    text += "\n"
    text += f"objective met: {_yes(result['objective_met'])}; everything as before: {_yes(result['restored'])}"
    return text + (" (rehearsed: local evidence)" if result["target"] == "local" else "")


def _recovered(seconds: float | None) -> str:
    return "recovery not measured" if seconds is None else f"recovered in {measured(seconds)}"


def _yes(value: bool | None) -> str:
    return "none declared" if value is None else "yes" if value else "no"
