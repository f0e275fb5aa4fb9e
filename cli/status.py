"""``ops status``: the fleet on one screen, red first."""

from __future__ import annotations

import dataclasses
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from quartermaster.cli.options import options
from quartermaster.cli.output import emit, styled, table
from quartermaster.cli.session import Session, session
from quartermaster.cli.status_facts import FleetStatus, gather
from quartermaster.fleet.durations import age, measured
from quartermaster.fleet.errors import InputError
from quartermaster.fleet.status import LEVELS, ClusterFacts, DatabaseFacts, DrillFact, Level

if TYPE_CHECKING:
    from quartermaster.fleet.status import Remark, Standing

__all__ = ["register"]

_MARKS: dict[Level, str] = {"failing": "✖", "attention": "▲", "unknown": "?", "fine": "●"}
_COLOURS: dict[Level, str] = {"failing": "red", "attention": "yellow", "unknown": "dim", "fine": "green"}
_WORDS: dict[Level, str] = {"failing": "failing", "attention": "to look at", "unknown": "unknown", "fine": "fine"}


_OFTEN = "5"
"""Seconds."""


class _Watching(TyperCommand):
    """``--watch`` may stand without its seconds, which typer has no word for."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        after = args.index("--watch") + 1 if "--watch" in args else 0
        if after and (after == len(args) or args[after].startswith("-")):
            args = [*args[:after], _OFTEN, *args[after:]]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    app.command("status", epilog="Example: ops status --watch 5", cls=_Watching)(status)


def status(
    watch: Annotated[
        float, typer.Option(min=0, help="Look again every so many seconds, 5 if no number is given; 0: look once.")
    ] = 0,
) -> None:
    """Show how each cluster and database stands: health, headroom, patches, backups, drills; what is red first."""
    ops = session()
    if not watch:
        found = gather(ops)
        emit(_document(ops, found), "" if options().json else _told(ops, found))
        return
    if options().json or not sys.stdout.isatty():
        raise InputError("--watch draws on a terminal", remedy="without --watch, or `watch -n 5 ops status`")
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            live.update(Text.from_ansi(_told(ops, gather(ops))), refresh=True)
            time.sleep(watch)


def _document(ops: Session, found: FleetStatus) -> dict[str, Any]:
    standings = {standing.facts.name: standing for standing in found.standings}
    return {
        "fleet": ops.fleet.fleet,
        "stack": ops.stack,
        "target": ops.declared.target,
        "at": found.at,
        "level": _worst(found),
        "remarks": [dataclasses.asdict(remark) for remark in found.remarks],
        "clusters": {name: standings[name].to_json() for name in ops.fleet.clusters},
        "databases": {name: standings[name].to_json() for name in ops.fleet.databases},
        "leases": [dataclasses.asdict(row) for row in found.leases],
        "drift": found.drift,
        "overdue": [
            {"of": standing.facts.name, "kind": drill.kind, "due_at": drill.due_at}
            for standing in found.standings
            for drill in standing.facts.drills
            if _overdue(drill, found.at)
        ],
    }


def _told(ops: Session, found: FleetStatus) -> str:
    local = found.at.astimezone(ops.fleet.tz)
    counts = ", ".join(f"[{_COLOURS[level]}]{count} {_WORDS[level]}[/]" for level, count in found.counts if count)
    when = f"{ops.declared.target}, {local:%a %d %b %H:%M} {ops.fleet.timezone}"
    parts = [styled(f"{ops.fleet.fleet} {ops.stack}: {counts}\n{when}")]
    if said := found.said:
        parts.append(table(["", "of", "what", "what helps"], [_line(name, remark) for name, remark in said]))
    ordered = found.worst_first
    clusters = [one for one in ordered if isinstance(one.facts, ClusterFacts)]
    databases = [one for one in ordered if isinstance(one.facts, DatabaseFacts)]
    if clusters:
        columns = ["", "cluster", "#serving", "peak ahead", "size.max lasts", "patches", "next window", "last drill"]
        parts.append(table(columns, [_cluster(ops, one, found.at) for one in clusters]))
    if databases:
        columns = ["", "database", "state", "zone", "restorable to", "last restore drill", "last drill"]
        parts.append(table(columns, [_database(one, found.at) for one in databases]))
    parts.append(f"{_leases(found)}\n{_drift(found)}")
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _line(name: str, remark: Remark) -> tuple[str, ...]:
    return _mark(remark.level), name, remark.text.replace("[", r"\["), remark.remedy.replace("[", r"\[")


def _mark(level: Level) -> str:
    return f"[{_COLOURS[level]}]{_MARKS[level]}[/]"


def _cluster(ops: Session, one: Standing, now: datetime) -> tuple[str, ...]:
    facts = one.facts
    assert isinstance(facts, ClusterFacts)
    group, peak, patching = facts.group, facts.peak, facts.patching
    serving = f"{sum(host.serving for host in group.hosts)}/{group.desired} ≤{group.max}" if group else "-"
    ahead = f"{peak.at.astimezone(ops.fleet.tz):%a %H:%M} needs {peak.needed}" if peak else "-"
    runway = "-" if peak is None else str(peak.runway.get("p50") or "for years")[:10]
    patches = "never read"
    if patching["read_at"] is not None:
        age = "" if patching["oldest_days"] is None else f", {patching['oldest_days']:.0f} d"
        patches = f"{patching['pending']} pending{age}" if patching["pending"] else "none pending"
    window = patching["window"]
    opens = "none"
    if window:
        begins = datetime.fromisoformat(window["from"])
        opens = "open now" if begins <= now else f"{begins.astimezone(ops.fleet.tz):%a %d %b %H:%M}"
    return _mark(one.level), facts.name, serving, ahead, runway, patches, opens, _last(facts.drills, now)


def _database(one: Standing, now: datetime) -> tuple[str, ...]:
    facts = one.facts
    assert isinstance(facts, DatabaseFacts)
    state = facts.state
    shown = state.status if state else "-"
    zone = f"{state.zone}" + (f", standby in {state.standby_zone}" if state.standby_zone else "") if state else "-"
    restorable = _ago(facts.last_backup_at, now) if facts.last_backup_at else "-"
    restores = tuple(drill for drill in facts.drills if drill.kind == "restore")
    others = tuple(drill for drill in facts.drills if drill.kind != "restore")
    return _mark(one.level), facts.name, shown, zone, restorable, _last(restores, now), _last(others, now)


def _last(drills: tuple[DrillFact, ...], now: datetime) -> str:
    """The drill that was run last."""
    ran = [(drill.last_at, drill) for drill in drills if drill.last_at is not None]
    if not ran:
        return "never"
    at, drill = max(ran, key=lambda pair: pair[0])
    rto = "" if drill.rto_seconds is None else f" {measured(drill.rto_seconds)}"
    return f"{drill.kind.replace('_', ' ')}{rto}, {_ago(at, now)}"


def _leases(found: FleetStatus) -> str:
    return "leases: " + (", ".join(f"{row.scope} by {row.run}" for row in found.leases) or "none held")


def _drift(found: FleetStatus) -> str:
    if found.drift is None:
        return "drift: never looked for (ops provision drift)"
    return f"drift: {found.drift['properties']} properties, {_ago(found.drift['at'], found.at)}"


def _overdue(drill: DrillFact, now: datetime) -> bool:
    return drill.every_days is not None and (drill.due_at is None or drill.due_at < now)


def _worst(found: FleetStatus) -> Level:
    levels = [one.level for one in found.standings] + [remark.level for remark in found.remarks]
    return min(levels, key=LEVELS.index, default="fine")


def _ago(at: datetime, now: datetime) -> str:
    return f"{age((now - at).total_seconds())} ago"
