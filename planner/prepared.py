"""Series made ready for the forecasters, and their forecasts brought back: regimes, clocks, occasions, then the engine.

Each part takes a series to one that is easier to forecast and gives the way back; the ways back are gone in reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from quartermaster.planner.calendar import Calendar
from quartermaster.planner.clock import infer, localised
from quartermaster.planner.far import seasoned
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.occasions import without
from quartermaster.planner.one import SeriesForecast, forecast_all
from quartermaster.planner.outages import bridged
from quartermaster.planner.series import Series
from quartermaster.planner.settling import settled

__all__ = ["forecast_prepared"]

Back = Callable[[SeriesForecast], SeriesForecast]


def forecast_prepared(
    many: Sequence[Series],
    horizon: int,
    levels: Sequence[float],
    forecasters: Sequence[Forecaster],
    calendar: Calendar | None = None,
) -> Iterator[SeriesForecast]:
    """``forecast_all`` with what is known of the days: ``horizon`` steps of each, in order."""
    known = calendar or Calendar()
    backs: list[tuple[Back, ...]] = []
    batches: dict[int, list[tuple[int, Series]]] = {}
    for i, series in enumerate(many):
        zone = known.zone or infer(series)
        series, back = settled(series)
        parts: list[Back] = [back]
        steps = horizon
        if zone is not None:
            local = localised(series, horizon, zone)
            series, steps = local.series, local.steps
            parts.append(local.back)
        series, back = without(series, known)
        parts.append(back)
        series, back = bridged(series)
        parts.append(back)
        backs.append(tuple(parts))
        batches.setdefault(steps, []).append((i, series))
    made: dict[int, SeriesForecast] = {}
    for steps, batch in batches.items():
        results = forecast_all([series for _, series in batch], steps, levels, forecasters)
        made.update(zip([i for i, _ in batch], results, strict=True))
    for i in range(len(many)):
        result = made[i]
        for way in reversed(backs[i]):
            result = way(result)
        yield seasoned(result, known)
