"""``ops capacity whatif``: the plan beside itself under other assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quartermaster.cli.forecast import Metrics, history
from quartermaster.cli.output import emit, table, working
from quartermaster.cli.session import session
from quartermaster.fleet.errors import Fault, InputError

if TYPE_CHECKING:
    from quartermaster.planner.whatif import Column, Scenario

__all__ = ["whatif"]

_Many = list[str] | None


def whatif(
    metrics: Metrics = None,
    unit_capacity: Annotated[
        float | None, typer.Option("--unit-capacity", help="Demand one instance carries at target utilisation.")
    ] = None,
    growth: Annotated[_Many, typer.Option(help="All demand grows by this share: 20%.")] = None,
    launch: Annotated[
        _Many, typer.Option(help="Demand grows from a day (YYYY-MM-DD), or a day of the plan, on: 5d:+30%.")
    ] = None,
    lost_tenant: Annotated[_Many, typer.Option(help="This share of the demand goes away: 15%.")] = None,
    zones: Annotated[
        list[int] | None, typer.Option(help="Number of zones that the group is spread over.", min=1, max=6)
    ] = None,
    survive: Annotated[list[int] | None, typer.Option(help="Number of zones that may be lost at once.", min=0)] = None,
    instance: Annotated[_Many, typer.Option(help="Plan with another instance type: m7g.large.")] = None,
    quantile: Annotated[list[float] | None, typer.Option(help="Quantile of demand to plan for.")] = None,
    utilisation: Annotated[list[float] | None, typer.Option(help="Target utilisation to plan for: 0.7.")] = None,
    days: Annotated[int | None, typer.Option(help="Days to look ahead; default: as planned.", min=1)] = None,
) -> None:
    """Show the plan under other assumptions, side by side with its cost: a column for each, and all together."""
    asked = _asked(growth, launch, lost_tenant, zones, survive, instance, quantile, utilisation)
    from quartermaster.planner.whatif import compare, together

    repeated = [
        options for options in (zones, survive, instance, quantile, utilisation) if options and len(options) > 1
    ]
    scenarios = [*asked, together(asked)] if len(asked) > 1 and not repeated else asked
    found = _plans(metrics, unit_capacity, days, quantile or ())
    columns = {name: compare(item, scenarios) for name, item in found.clusters.items()}
    text = "\n".join(_table(name, shown) for name, shown in columns.items())
    for refusal in found.refused:
        text += f"\nrefused: {refusal.name}: {refusal.reason}"
    clusters = {name: {"columns": [c.to_json() for c in shown]} for name, shown in columns.items()}
    emit({"clusters": clusters, "refused": [r.to_json() for r in found.refused]}, text)


def _plans(metrics: Path | None, unit: float | None, days: int | None, levels: Sequence[float]) -> Any:
    from dataclasses import replace

    from quartermaster.cli.capacity import settings_for
    from quartermaster.planner.plan import plan
    from quartermaster.planner.settings import Settings

    ops = session()
    frame = history(metrics)
    settings = settings_for(ops, metrics)
    own = Settings()
    if days is not None:
        settings = {series: (name, replace(given, horizon_days=days)) for series, (name, given) in settings.items()}
        own = replace(own, horizon_days=days)
    # Of the store only clusters' demand is asked about; of a file, all it holds.
    there = set(frame["series_id"])
    only = () if metrics is not None else tuple(name for series, (name, _) in settings.items() if series in there)
    if metrics is None and not only:
        raise InputError("the store knows no cluster's demand", remedy="ops metrics import FILE --as CLUSTER")
    now = None if metrics is not None else ops.clock.now()
    with working("forecasting, and planning under each assumption"):
        return plan(frame, settings, default=own, unit=unit, only=only, now=now, levels=levels)


def _asked(
    growth: _Many,
    launch: _Many,
    lost_tenant: _Many,
    zones: list[int] | None,
    survive: list[int] | None,
    instance: _Many,
    quantile: list[float] | None,
    utilisation: list[float] | None = None,
) -> list[Scenario]:
    """A scenario for each value given. Raises InputError with every fault of them."""
    from quartermaster.planner.whatif import Scenario

    faults: list[Fault] = []
    out = [Scenario(f"growth {text}", growth=1 + _share("growth", text, faults)) for text in growth or ()]
    for text in launch or ():
        day, _, share = text.partition(":")
        try:
            days = day.removesuffix("d")
            at = timedelta(days=int(days)) if days != day and days.isdecimal() else date.fromisoformat(day)
        except (ValueError, OverflowError):
            remedy = "a date, or days after the plan's first: 5d:+30%"
            faults.append(Fault("launch", f"{text!r} starts with no day", remedy))
            continue
        out.append(Scenario(f"launch {text}", launches=((at, 1 + _share("launch", share, faults)),)))
    out += [
        Scenario(f"tenant lost {text}", growth=1 - _share("lost-tenant", text, faults)) for text in lost_tenant or ()
    ]
    out += [Scenario(f"{n} zones", zones=n) for n in zones or ()]
    out += [Scenario(f"survive {n} zones", lost_zones=n) for n in survive or ()]
    out += [Scenario(name, instance=name) for name in instance or ()]
    for level in quantile or ():
        if not 0 < level < 1:
            faults.append(Fault("quantile", f"{level:g} is no probability between 0 and 1", "for example 0.95"))
        out.append(Scenario(f"quantile {level:g}", quantile=level))
    for target in utilisation or ():
        if not 0 < target < 1:
            faults.append(Fault("utilisation", f"{target:g} is no share between 0 and 1", "for example 0.7"))
        out.append(Scenario(f"utilisation {target:g}", utilisation=target))
    least = {s.name: min(s.growth, *(factor for _, factor in s.launches)) if s.launches else s.growth for s in out}
    faults += [
        Fault(name.replace("tenant lost", "lost-tenant"), "leaves no demand", "a share below 100%")
        for name, factor in least.items()
        if factor <= 0
    ]
    if faults:
        raise InputError("; ".join(f"--{f.where}: {f.problem}" for f in faults), faults, remedy=faults[0].remedy)
    if not out:
        raise InputError("no assumption to change", remedy="for example --growth 20% --zones 4")
    return out


def _share(option: str, text: str, faults: list[Fault]) -> float:
    """``20%``, ``+30%`` or ``0.2`` as a share."""
    bare = text.strip()
    try:
        value = float(bare.removesuffix("%")) / (100 if bare.endswith("%") else 1)
    except ValueError:
        value = float("nan")
    if not -10 < value < 10:
        faults.append(Fault(option, f"{text!r} is no share", "for example 20%, or 0.2"))
        return 0.0
    return value


def _table(name: str, columns: Sequence[Column]) -> str:
    from quartermaster.planner.statements import amount, of_to

    rows: list[tuple[object, ...]] = []

    def row(what: str, values: list[object]) -> None:
        rows.append((what, *values))

    row("instance", [c.instance for c in columns])
    row("zones, of which lost", [f"{c.zones}, {c.lost_zones}" for c in columns])
    row("target utilisation", [f"{c.target_utilisation:g}" for c in columns])
    row("highest demand", [amount(c.peak_demand) for c in columns])
    row("instances", [of_to(c.instances_least, c.instances_most) for c in columns])
    row("hours over size.max", [c.over_max or "" for c in columns])
    row(
        f"{columns[0].currency} a month",
        ["" if c.cost_per_month is None else f"{c.cost_per_month:,.0f}" for c in columns],
    )
    row("against the plan", ["" if not c.cost_delta else f"{c.cost_delta:+,.0f}" for c in columns])
    row("size.max met by", [c.runways[0].p50 or "no date" for c in columns])
    notes = {note for c in columns for note in c.notes}
    shown = table(["", *(f"#{c.scenario}" for c in columns)], rows, title=name)
    return shown + "".join(f"  {note}\n" for note in sorted(notes))
