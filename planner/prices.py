"""What floors cost a month, by the dated price table, beside a group that always holds the peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.prices import HOURS_A_MONTH, load_prices
from quartermaster.planner.schedule import Floor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Cost", "hour_price", "monthly"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Money for a month of 730 hours at the plan's mean; None where the table has no price for the instance."""

    per_month: float | None
    static_peak_per_month: float | None
    """The same for a group that always holds the plan's highest hour."""
    mean_instances: float
    currency: str
    instance: str
    region: str
    prices_dated: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def hour_price(instance: str, region: str) -> float | None:
    """Of an instance on demand; None where the table has none."""
    found = load_prices().instance_hour(instance, region)
    return None if found is None else float(found)


def monthly(
    schedule: Sequence[Floor],
    times: Sequence[datetime],
    interval_minutes: float,
    required: NDArray[np.int64],
    instance: str,
    region: str,
) -> Cost:
    """The price of the floors over the plan's hours."""
    end = times[-1] + timedelta(minutes=interval_minutes)
    starts = [f.starts_at for f in schedule]
    spans = [(b - a).total_seconds() for a, b in zip(starts, [*starts[1:], end], strict=True)]
    mean = sum(f.instances * s for f, s in zip(schedule, spans, strict=True)) / sum(spans)
    prices = load_prices()
    hour = hour_price(instance, region)
    month = None if hour is None else hour * HOURS_A_MONTH
    return Cost(
        per_month=None if month is None else round(mean * month, 2),
        static_peak_per_month=None if month is None else round(int(required.max()) * month, 2),
        mean_instances=mean,
        currency=prices.currency,
        instance=instance,
        region=region,
        prices_dated=prices.dated,
    )
