"""``ops metrics``: the store of metric history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.instants import instant
from quartermaster.cli.output import emit, fields, say, table, working
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.planner.sources import Query, Source
    from quartermaster.planner.sources.of_cluster import Unknown
    from quartermaster.planner.store import ImportReport
    from quartermaster.planner.sync import SeriesSync

group = Group("metrics", "Metric history: sync, import, list, show.")


@group.command("sync", example="ops metrics sync --since 2026-01-01")
def sync(
    since: Annotated[str, typer.Option(help="Look for gaps from here on: a date, or a span such as 30d.")] = "",
) -> None:
    """Read from metrics.source what the store lacks; doing it twice adds nothing."""
    from quartermaster.planner.sync import drop_minutes
    from quartermaster.planner.sync import sync as bring

    ops = session()
    begin = instant(since, ops.clock.now()) if since else None
    store, declared = ops.workspace.folder("metrics"), ops.fleet.metrics
    if declared.source.kind in ("csv", "parquet"):
        _imported(_from_file(ops))
        return
    source, queries, unknown = _source(ops)
    done = []
    with working(f"reading {len(queries)} series from {declared.source.kind}"):
        for result in bring(store, source, queries, ops.clock.now(), since=begin):
            done.append(result)
    rolled = drop_minutes(store, ops.clock.now(), declared.minutes_days) if declared.minutes_days else {}
    _synced(done, unknown, rolled)


@group.command("import", example="ops metrics import requests.parquet --as web")
def import_(
    file: Annotated[Path, typer.Argument(help="Parquet or CSV: series_id, timestamp (UTC), value, unit.")],
    name: Annotated[str, typer.Option("--as", help="Name for the file's only series, e.g. the cluster's.")] = "",
    replay: Annotated[
        bool, typer.Option("--replay", help="Shift by whole weeks so that the history ends now (demonstrations).")
    ] = False,
) -> None:
    """Add a file's rows to the store; importing it twice adds nothing."""
    from quartermaster.planner.store import import_file

    ops = session()
    until = ops.clock.now() if replay else None
    _imported(import_file(file, ops.workspace.folder("metrics"), rename=name, until=until))


@group.command("list", example="ops metrics list")
def list_() -> None:
    """List the series in the store, and at which resolutions it has them."""
    from quartermaster.planner.store import list_series

    found = list_series(session().workspace.folder("metrics"))
    rows = [
        (
            *(s.series, s.unit, s.readings, _minute(s.first), _minute(s.last)),
            *(f"{s.interval_seconds:.0f} s", _resolutions(s.tiers)),
        )
        for s in found
    ]
    text = table(["series", "unit", "#readings", "first (UTC)", "last (UTC)", "#every", "roll-ups"], rows)
    nothing = "the store holds no metrics (ops metrics sync, or ops metrics import)"
    emit({"series": [s.to_json() for s in found]}, text if rows else nothing)


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")


@group.command("show", example="ops metrics show web")
def show(series: Annotated[str, typer.Argument(help="As `ops metrics list` names it.")]) -> None:
    """Show one series: extent, resolutions, gaps, quantiles, and what cleaning finds in it."""
    from quartermaster.planner.store import show as read

    found = read(session().workspace.folder("metrics"), series)
    apart = ("value", "findings", "tiers", "gaps", "rolled")
    shown = {name: value for name, value in found.items() if name not in apart and value != ""}
    shown.update({name: f"{value:.6g}" for name, value in found["value"].items() if value is not None})
    text = fields(shown)
    tiers = [(t["name"], t["rows"], t["first"], t["last"], t["missing"]) for t in found["tiers"]]
    text += "\n" + table(["resolution", "#rows", "first", "last", "#missing"], tiers)
    text += "".join(f"\nno reading from {gap['from']} to {gap['to']}" for gap in found["gaps"])
    text += "".join(f"\n{month}: only roll-ups are left: {why}" for month, why in found["rolled"].items())
    for finding in found["findings"]:
        text += f"\nfound at {finding['where']}: {finding['detail']} ({finding['remedy']})"
    emit(found, text)


def _source(ops: Session) -> tuple[Source, Sequence[Query], Sequence[Unknown]]:
    """The declared source, what to ask it, and the clusters that it cannot be asked for."""
    declared = ops.fleet.metrics.source
    if declared.kind == "prometheus":
        from quartermaster.planner.sources.prometheus import Prometheus, prometheus_queries

        queries = prometheus_queries(ops.fleet)
        if not queries:
            raise InputError("no cluster's demand has a query", remedy="metrics.demand.CLUSTER.query in fleet.yaml")
        return Prometheus(declared.url, declared.authorization), queries, ()
    from quartermaster.planner.sources.cloudwatch import CloudWatch, client
    from quartermaster.planner.sources.of_cluster import cloudwatch_queries

    found, unknown = cloudwatch_queries(ops.fleet, ops.cloud)
    return CloudWatch(client(ops.cloud)), found, unknown


def _from_file(ops: Session) -> ImportReport:
    """The file that fleet.yaml names, beside it unless absolute."""
    from quartermaster.planner.store import import_file

    path = ops.fleet_file.resolve().parent / ops.fleet.metrics.source.path
    return import_file(path, ops.workspace.folder("metrics"))


def _imported(report: ImportReport) -> None:
    rows = [(s.series, s.unit, s.rows, s.added, s.changed, s.repeated) for s in report.series]
    text = table(["series", "unit", "#rows", "#added", "#changed", "#repeated"], rows)
    text += "".join(
        f"\n{s.series}: {s.repeated} rows are of an instant that a later row gives again: the last one is kept"
        for s in report.series
        if s.repeated
    )
    text += "".join(
        f"\n{s.series}: {s.refused} rows are of months of which only roll-ups are left: not used"
        for s in report.series
        if s.refused
    )
    emit(report.to_json(), text + (f"\n{report.note}" if report.note else ""))


def _synced(done: Sequence[SeriesSync], unknown: Sequence[Unknown], rolled: dict[str, tuple[str, ...]]) -> None:
    for cluster in unknown:
        say(f"warning: {cluster.cluster} has no metrics: {cluster.why} ({cluster.remedy})")
    document: dict[str, Any] = {
        "added": sum(s.added for s in done),
        "changed": sum(s.changed for s in done),
        "series": [s.to_json() for s in done],
        "unknown": [{"cluster": u.cluster, "why": u.why, "remedy": u.remedy} for u in unknown],
        "rolled": {name: list(months) for name, months in rolled.items()},
    }
    rows = [(s.series, s.unit, s.added, s.changed, s.asked, s.origin) for s in done]
    text = table(["series", "unit", "#added", "#changed", "#asked", "from"], rows) if rows else "nothing to read"
    for name, months in rolled.items():
        text += f"\n{name}: only roll-ups are kept of {', '.join(months)}"
    emit(document, text)


def _resolutions(tiers: Sequence[Any]) -> str:
    return ", ".join(t.name for t in tiers if t.name != "as read")


__all__ = ["group"]
