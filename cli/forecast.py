"""``ops forecast``: demand ahead, with quantiles and the reasons for the model chosen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.options import options
from quartermaster.cli.outfile import check_out
from quartermaster.cli.output import draw, emit, say, table, working
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from quartermaster.planner.calendar import Calendar
    from quartermaster.planner.many import Report

group = Group("forecast", "Forecasts: run, backtest.")

Metrics = Annotated[Path | None, typer.Option("--metrics", help="Parquet or CSV; default: the store.")]
Models = Annotated[str, typer.Option(help="Only these models, comma-separated; ets, mstl, sarimax on request.")]
Levels = Annotated[str, typer.Option(help="Quantile levels, comma-separated.")]


@group.command("run", example="ops forecast run --metrics requests.parquet --horizon 48 --out ahead.parquet")
def run(
    metrics: Annotated[
        Path | None, typer.Option(help="Parquet or CSV, or a folder of Parquet; else the store.")
    ] = None,
    horizon: Annotated[int, typer.Option(help="Steps ahead, in each series' own interval.")] = 48,
    levels: Levels = "0.5,0.9,0.95,0.99",
    models: Models = "",
    out: Annotated[Path | None, typer.Option(help="Parquet or CSV file to write; default: .ops/reports.")] = None,
    workers: Annotated[int, typer.Option(help="Processes on this machine; 0: one a core.", min=0)] = 0,
    dask: Annotated[str, typer.Option(help="A Dask scheduler's address, such as tcp://host:8786.")] = "",
    timezone: Annotated[
        str, typer.Option(help="Time zone of the users; default: the fleet's for the store, else inferred.")
    ] = "",
    holidays: Annotated[
        str, typer.Option(help="Country, or a part of one, with its holidays (US, US-CA); default: the fleet's.")
    ] = "",
) -> None:
    """Forecast every series: exactly HORIZON rows each, levels that never cross."""
    from quartermaster.planner import pieces
    from quartermaster.planner.forecast import check_request, forecast
    from quartermaster.planner.forecasters.registry import candidates
    from quartermaster.planner.many import cores, forecast_many

    asked = check_request(horizon, _levels(levels))
    candidates(_names(models))
    calendar = _calendar(metrics, timezone, holidays)
    out = out or session().workspace.folder("reports") / "forecast.parquet"
    check_out(out)
    with working("reading metrics"):
        if metrics is None:
            histories = pieces.of_store(session().workspace.folder("metrics"))
        else:
            histories = pieces.of_file(metrics, out.parent)
    ask = partial(forecast, horizon=horizon, levels=asked, models=_names(models), calendar=calendar)
    found = draw(forecast_many(histories, ask, out, workers=workers or cores(), dask=dask))
    assert found is not None
    for refusal in (r for part in found.parts() for r in part["refused"]):
        say(f"refused: {refusal['name']}: {refusal['reason']}")
    emit(found.to_json() if options().json else {}, _told(found) + f"\nwrote {out}")


@group.command("backtest", example="ops forecast backtest --metrics requests.parquet --horizon 48")
def backtest(
    metrics: Metrics = None,
    horizon: Annotated[int, typer.Option(help="Steps ahead.")] = 48,
    models: Models = "",
) -> None:
    """Show how each model did on the history's own past, and which one is used."""
    from quartermaster.planner.forecast import forecast

    with working("trying every model on the past"):
        found = forecast(history(metrics), horizon, models=_names(models), calendar=_calendar(metrics))
    choices = [choice.to_json() for choice in found.choices]
    rows = [(c["series"], s["model"], _number(s["relative_error"]), s["reason"]) for c in choices for s in c["scores"]]
    emit({"choices": choices}, table(["series", "model", "#error vs naive", "verdict"], rows))


def history(metrics: Path | None) -> pd.DataFrame:
    """The long frame of ``--metrics``, else of the store."""
    if metrics is not None:
        from quartermaster.planner.frame import read

        return read(metrics)
    from quartermaster.planner.store import load

    return load(session().workspace.folder("metrics"))


def _calendar(metrics: Path | None, timezone: str = "", holidays: str = "") -> Calendar:
    """What is known of the days of the store's series, or of a file's: the zone and holidays given, if any."""
    from quartermaster.fleet.holidays import checked
    from quartermaster.planner.calendar import Calendar
    from quartermaster.planner.settings import calendar_of

    known = Calendar() if metrics is not None else calendar_of(session().fleet)
    if holidays:
        try:
            known = replace(known, holidays="" if holidays == "none" else checked(holidays))
        except ValueError as exc:
            problem, _, remedy = str(exc).partition("; ")
            raise InputError(f"--holidays: {problem}", remedy=remedy) from exc
    if not timezone:
        return known
    try:
        return replace(known, zone=ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        remedy = "for example UTC, Europe/Berlin or America/New_York"
        raise InputError(f"--timezone {timezone!r} is no time zone", remedy=remedy) from exc


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _levels(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as exc:
        raise InputError(f"--levels {text!r} is no list of numbers", remedy="for example 0.5,0.9,0.95,0.99") from exc


def _told(found: Report) -> str:
    from quartermaster.planner.findings import found_lines

    choices = list(islice((c for part in found.parts() for c in part["choices"]), 40))
    rows = [(c["series"], c["model"], c["reason"], c["runner_up"]) for c in choices]
    text = table(["series", "model", "why", "runner-up"], rows)
    text += f"of {found.series:,} series\n" if found.series > len(rows) else ""
    for choice in (c for c in choices if c["confidence"] == "low"):
        text += f"low confidence in {choice['series']}: {choice['confidence_reason']}\n"
    return text + found_lines(f for part in found.parts() for f in part["findings"])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


__all__ = ["group", "history"]
