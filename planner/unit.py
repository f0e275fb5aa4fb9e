"""Unit capacity: the demand that one instance carries at target utilisation, learned from utilisation against load.

The history is told by companion series beside the demand ``web``: ``web:utilisation`` (a share, or percent by its unit)
and ``web:instances``; ``web:latency`` shows how near an instance is to its end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.fleet.errors import InputError
from quartermaster.planner.series import Series
from quartermaster.planner.statements import amount
from quartermaster.planner.within_hour import FINER

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["COMPANIONS", "UnitCapacity", "erlang_c", "given", "is_companion", "knee", "learn", "period_seconds"]

COMPANIONS = (":utilisation", ":instances")
LATENCY = ":latency"
_OTHERS = (LATENCY, ":errors", ":rejected", ":surge", ":disk", *FINER)
_FEWEST = 48
_OVERLOADED = 0.9
"""Busier than that, what is read is no longer all that was asked for."""
_LEAST_CORRELATION = 0.5
_RESAMPLES = 200
_BLOCK = 24
_PAIRS = 1000


@dataclass(frozen=True, slots=True)
class UnitCapacity:
    """Demand per instance at target utilisation."""

    value: float
    low: float
    high: float
    """95 % interval; equal to the value where it was given."""
    source: str
    """``given`` or ``learned``."""
    why: str

    def told(self) -> str:
        """For people."""
        sure = f", {amount(self.low)} to {amount(self.high)} at 95 %" if self.source == "learned" else ""
        return f"{amount(self.value)} an instance{sure} ({self.why})"

    def to_json(self) -> dict[str, float | str]:
        return asdict(self)


def is_companion(series: str) -> bool:
    """Whether the series tells of another one rather than of demand."""
    return series.endswith((*COMPANIONS, *_OTHERS))


def period_seconds(unit: str) -> float:
    """Seconds that a reading in this unit counts over: 1 for ``x/s``, 3600 for ``x/h``, 300 for ``x/5min``.

    1 for a unit without a period: a level, or a rate whose source does not say.
    """
    match = re.search(r"/\s*(\d*)\s*(s|sec|second|min|m|minute|h|hour|d|day)s?$", unit.strip().lower())
    if match is None:
        return 1.0
    length = {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2][0]]
    return float(int(match[1] or 1) * length)


def given(value: float) -> UnitCapacity:
    """The figure that the user wrote."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"unit capacity {value:g} carries nothing", remedy="give --unit-capacity a number above 0")
    return UnitCapacity(value, value, value, "given", "given by hand")


def learn(demand: Series, by_name: Mapping[str, Series], target_utilisation: float, vcpu: int = 2) -> UnitCapacity:
    """Learn it by a robust line of utilisation over demand per instance, held below the knee where latency is known.

    Raises InputError that says what is missing: then ``--unit-capacity`` has to give it.
    """
    utilisation, count = (by_name.get(demand.id + suffix) for suffix in COMPANIONS)
    missing = [s for s, found in zip(COMPANIONS, (utilisation, count), strict=True) if found is None]
    if utilisation is None or count is None:
        wanted = " and ".join(demand.id + s for s in missing)
        raise _cannot(demand.id, f"there is no history {wanted}")
    load, busy, many = _aligned(demand, utilisation, count)
    if utilisation.unit.lower() in ("percent", "%"):
        busy = busy / 100
    whole = np.isfinite(load) & np.isfinite(busy) & np.isfinite(many) & (many >= 1) & (busy > 0)
    usable = whole & (busy <= _OVERLOADED)
    each, busy = load[usable] / many[usable], busy[usable]
    if len(each) < _FEWEST:
        why = f"only {len(each)} readings have demand, utilisation and instances (needs {_FEWEST})"
        over = int((whole & ~usable).sum())
        if over:
            why += f"; {over} more are over {_OVERLOADED:g} busy (readings in percent need the unit percent)"
        raise _cannot(demand.id, why)
    low, high = np.quantile(each, [0.05, 0.95])
    if high <= 1.2 * low:
        raise _cannot(demand.id, f"demand per instance hardly moves ({low:.3g} to {high:.3g})")
    correlation = float(np.corrcoef(each, busy)[0, 1]) if busy.std() > 0 else 0.0
    if correlation < _LEAST_CORRELATION:
        raise _cannot(demand.id, f"utilisation does not follow demand (correlation {correlation:.2f})")
    value, low, high, idle = _line(each, busy, target_utilisation)
    if not math.isfinite(value) or target_utilisation <= idle:
        raise _cannot(demand.id, "the line of utilisation over demand does not reach the target utilisation")
    why = f"{len(each)} readings, correlation {correlation:.2f}, idle utilisation {max(idle, 0):.2f}"
    if value > 1.5 * float(each.max()):
        why += f"; beyond the {each.max():.3g} an instance was ever seen to carry: an extrapolation"
    found = UnitCapacity(value, min(low, value), max(high, value), "learned", why)
    slow = by_name.get(demand.id + LATENCY)
    return found if slow is None else _before_the_knee(found, demand, count, slow, vcpu)


def erlang_c(servers: int, utilisation: float) -> float:
    """The chance that a request waits at so many servers (Erlang 1917; by the recursion of his B formula)."""
    offered, blocked = servers * utilisation, 1.0
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    return blocked / (1 - utilisation * (1 - blocked))


def knee(servers: int, slowdown: float = 2.0) -> float:
    """The utilisation at which waiting makes the mean response that many times the service time, in M/M/c."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        slower = 1 + erlang_c(servers, middle) / (servers * (1 - middle))
        low, high = (middle, high) if slower <= slowdown else (low, middle)
    return low


def _before_the_knee(found: UnitCapacity, demand: Series, count: Series, slow: Series, vcpu: int) -> UnitCapacity:
    """Not more than an instance carries until its latency doubles, where latency shows how near its end it is.

    With many requests at a time latency is about S / (1 - load / most): its inverse falls on a line, to 0 at the most
    that an instance can carry at all.
    """
    load, many, latency = _aligned(demand, count, slow)
    usable = np.isfinite(load) & np.isfinite(many) & np.isfinite(latency) & (many >= 1) & (latency > 0)
    each = load[usable] / np.where(usable, many, 1.0)[usable]
    if usable.sum() < _FEWEST or np.ptp(each) == 0:
        return found
    speed = 1 / latency[usable]
    if speed.std() == 0 or float(np.corrcoef(each, speed)[0, 1]) > -_LEAST_CORRELATION:
        return replace(found, why=found.why + "; latency does not rise with demand yet")
    most, low, high, _ = _line(each, -speed, 0.0)
    share = knee(vcpu)
    if not math.isfinite(most) or share * most >= found.value:
        return found
    limit = share * most
    why = f"{found.why}; held to {limit:.4g}, where latency doubles at {vcpu} vCPU (Erlang C; {most:.4g} is the end)"
    return UnitCapacity(limit, min(found.low, share * low, limit), max(limit, share * high), "learned", why)


def _line(each: NDArray[np.float64], busy: NDArray[np.float64], target: float) -> tuple[float, float, float, float]:
    """Demand at which a robust line (Theil-Sen) reaches the target, its 95 % interval, and the idle utilisation.

    The interval resamples whole days (24 readings in a row), as errors of neighbouring hours are alike (Künsch 1989).
    """
    # Pairs grow with the square of the hours: some hundred hours spread over the history are enough for the slope.
    some = np.linspace(0, len(each) - 1, min(len(each), 960)).astype(int)
    x, y = each[some], busy[some]
    random = np.random.default_rng(len(each))
    starts = random.integers(0, len(x), (_RESAMPLES, -(-len(x) // _BLOCK)))
    rows = ((starts[:, :, None] + np.arange(_BLOCK)) % len(x)).reshape(_RESAMPLES, -1)[:, : len(x)]
    rows = np.concatenate([np.arange(len(x))[None], rows])
    first, second = random.integers(0, len(x), (2, _PAIRS))
    run, rise = x[rows[:, second]] - x[rows[:, first]], y[rows[:, second]] - y[rows[:, first]]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.nanmedian(np.where(run != 0, rise / run, np.nan), axis=1)
        idle = np.median(y[rows] - slope[:, None] * x[rows], axis=1)
        at = np.where(slope > 0, (target - idle) / slope, np.inf)
    low, high = np.quantile(at[1:], [0.025, 0.975], method="nearest")
    return float(at[0]), float(low), float(high), float(idle[0])


def _aligned(*series: Series) -> tuple[np.ndarray, ...]:
    """Values of all at the instants of the first."""
    first = series[0]
    times = first.last_us - first.interval_us * np.arange(len(first.values) - 1, -1, -1)
    out = []
    for s in series:
        step = np.floor_divide(times - (s.last_us - s.interval_us * (len(s.values) - 1)), s.interval_us)
        inside = (step >= 0) & (step < len(s.values))
        out.append(np.where(inside, s.values[np.clip(step, 0, len(s.values) - 1)], np.nan))
    return tuple(out)


def _cannot(name: str, why: str) -> InputError:
    return InputError(
        f"unit capacity of {name} cannot be learned: {why}",
        remedy=f"give --unit-capacity X (demand one instance carries at target utilisation), "
        f"or capacity.{name}.unit in fleet.yaml",
    )
