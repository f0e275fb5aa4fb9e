"""Runway: by when the peaks of days meet each limit there is, over the paths of the days ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.fleet.prices import HOURS_A_MONTH, load_prices
from quartermaster.planner.capacity import Rules, carried, instances
from quartermaster.planner.hourly import instant
from quartermaster.planner.paths import Ahead, ahead
from quartermaster.planner.prices import hour_price
from quartermaster.planner.series import Series
from quartermaster.planner.statements import amount

if TYPE_CHECKING:
    from quartermaster.planner.settings import Settings

__all__ = ["Runway", "runways"]

_DAYS = 3 * 365
_FULL = 0.9
"""Share of a disk at which it counts as full: what writes to it slows down, and alarms stand, before the end."""
_ROUNDING = 1e-9
"""Share by which demand may exceed what is carried and be rounding, not demand (as in planner/capacity.py)."""


@dataclass(frozen=True, slots=True)
class Runway:
    """Dates (ISO) by which a day's peak exceeds a limit; None with the reason."""

    limit: str
    p10: str | None
    """With a chance of one in ten it is met before."""
    p50: str | None
    p90: str | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def runways(
    series: Series,
    rules: Rules,
    settings: Settings,
    mean_instances: float,
    by_name: Mapping[str, Series],
    factor: float,
) -> tuple[Runway, ...]:
    """Of ``size.max`` first, then of every other limit that is known.

    ``mean_instances`` is what the plan holds on average, ``factor`` what its peaks exceed those of ``series`` by.
    """
    found = ahead(series, _DAYS, calendar=settings.calendar)
    counts: dict[str, tuple[int, str]] = {}
    if rules.largest is not None:
        counts["size.max"] = rules.largest, f"size.max {rules.largest}"
    shape, hour = load_prices().shape(settings.instance), hour_price(settings.instance, settings.region)
    if settings.vcpu_quota is not None and shape is not None:
        most = settings.vcpu_quota // shape.vcpu
        counts["vcpu_quota"] = most, f"{settings.vcpu_quota} vCPU, {most} of {settings.instance},"
    if settings.address_room is not None:
        counts["addresses"] = settings.address_room, f"the private subnets with room for {settings.address_room} hosts"
    out = [_of(name, found, series, carried(n, rules) / factor, told) for name, (n, told) in counts.items()]
    if "size.max" not in counts:
        out.insert(0, Runway("size.max", None, None, None, "no size.max is known"))
    if settings.budget_per_month is not None and hour is not None:
        out.append(_budget(found, series, rules, settings.budget_per_month, hour, mean_instances, factor))
    disk = by_name.get(series.id + ":disk")
    if disk is not None and disk.known:
        share = 100.0 if disk.unit.lower() in ("percent", "%") else 1.0
        full = _FULL * (settings.disk_gib if disk.unit.lower() == "gib" and settings.disk_gib else share)
        out.append(_of("disk", ahead(disk, _DAYS), disk, full, f"a disk {_FULL:.0%} full"))
    return tuple(out)


def _of(limit: str, found: Ahead | str, series: Series, most: float, told: str) -> Runway:
    if isinstance(found, str):
        return Runway(limit, None, None, None, found)
    most *= 1 + _ROUNDING
    over = found.paths > most
    first = np.where(over.any(axis=1), over.argmax(axis=1), np.inf)
    if found.level > most:
        today = _date(series, 0)
        return Runway(
            limit,
            today,
            today,
            today,
            f"a week's peak already reaches {amount(found.level)}, {told} carries {amount(most)}",
        )
    # The date of a share is the earliest by which that share of the paths is there; never, where fewer get there.
    early, middle, late = (_date(series, x) for x in np.quantile(first, [0.1, 0.5, 0.9], method="higher"))
    moves = f"a week's peak of {amount(found.level)} changes by {found.growth:+.0%} a year"
    moves += f" ({found.growth_low:+.0%} to {found.growth_high:+.0%}{'' if found.proven else ', not proven: no trend'})"
    reason = f"{moves}; {told} carries {amount(most)}"
    if early is None:
        reason = f"{moves} and stays under {amount(most)}, what {told} carries, for three years"
    return Runway(limit, early, middle, late, reason)


def _budget(
    found: Ahead | str, series: Series, rules: Rules, budget: float, hour: float, mean: float, factor: float
) -> Runway:
    """The bill grows with the peaks: what the plan holds on average stays the same share of what a peak needs."""
    if isinstance(found, str):
        return Runway("budget", None, None, None, found)
    now = max(1, instances(found.level * factor, rules))
    most = int(budget / (hour * HOURS_A_MONTH) * now / max(mean, 1e-9))
    return _of("budget", found, series, carried(most, rules) / factor, f"a budget of {budget:,.0f} a month")


def _date(series: Series, day: float) -> str | None:
    if not np.isfinite(day):
        return None
    return (instant(series.last_us) + timedelta(days=float(day))).date().isoformat()
