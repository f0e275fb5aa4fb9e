"""How well the months ahead are foreseen: daily peaks, and the dates on which limits are met.

    python bench/long_horizon.py DATA_FOLDER [eia bike web] [--series N] [--days 90,180] [--history DAYS]

From rolling origins, the paths of ``planner/paths.py`` beside simple references, each with p10, p50 and p90: the same
weekday of last year times this month's growth, the last week again, and a robust line through weekly peaks. Loss is the
pinball loss of the three as a share of demand, averaged over series. Runways: limits that the highest days lay between
are drawn at each origin; told are the share of the dates that came before p10, p50 and p90, and of those said never to
come that came nevertheless.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from quartermaster.planner import frame
from quartermaster.planner.calendar import Calendar
from quartermaster.planner.clean import clean
from quartermaster.planner.paths import Ahead, ahead, seed_of
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series

SETS = {
    # file, hours from UTC to the people's clock, country, days between origins, days of history before the first
    "eia": ("eia_demand_hourly", -6, "US", 120, 420),
    "bike": ("bike_demand_hourly", 0, "US", 30, 420),
    "web": ("web_requests_hourly", 0, "", 15, 90),
}
LEVELS = np.array([0.1, 0.5, 0.9])
YEAR = 364
PATHS = 256


def daily(series: Series, offset: int) -> Series:
    """The highest hour of each whole local day, of the week before where none was read; stamped with its start."""
    first = (-(series.last_us // (DAY_US // 24) - len(series.values) + 1 + offset)) % 24
    whole = (len(series.values) - first) // 24
    blocks = series.values[first : first + whole * 24].reshape(whole, 24)
    last = series.last_us + offset * DAY_US // 24 - (len(series.values) - first - whole * 24) * DAY_US // 24
    peaks = np.where(np.isfinite(blocks), blocks, -np.inf).max(axis=1)
    for day in np.flatnonzero(~np.isfinite(peaks)):
        peaks[day] = peaks[day - 7]
    return replace(series, last_us=last - 23 * DAY_US // 24, interval_us=DAY_US, values=peaks)


def last_year(past: Series, days: int, _: Calendar) -> np.ndarray | None:
    """The same weekday of last year times what this month exceeded that one by, as apart as days of months were."""
    x = past.values
    if len(x) < YEAR + 28:
        return None
    errors = []
    for back in range(0, max(1, len(x) - 2 * YEAR - 28), 28):
        then = x[: len(x) - back]
        errors.append(np.log(then[-28:] / then[-28 - YEAR : -YEAR]))
    growth = errors[0]
    base = np.array([x[len(x) - YEAR + step % YEAR] for step in range(days)]) * np.exp(np.median(growth))
    spread = np.quantile(np.concatenate([e - np.median(e) for e in errors]), LEVELS)
    return base[:, None] * np.exp(spread)


def last_week(past: Series, days: int, _: Calendar) -> np.ndarray | None:
    """The last week again, with what weekdays changed by over weeks and months."""
    x = past.values
    errors = np.concatenate([np.log(x[lag:] / x[:-lag]) for lag in (7, 28, 84) if len(x) > lag + 28])
    return np.tile(x[-7:], -(-days // 7))[:days, None] * np.exp(np.quantile(errors, LEVELS))


def line(past: Series, days: int, _: Calendar) -> np.ndarray | None:
    """A robust line through weekly peaks, each day with its weekday's part, and what the line left over."""
    x = past.values[len(past.values) % 7 :].reshape(-1, 7)
    at = np.arange(1.0 - len(x), 1.0)
    first, second = np.triu_indices(len(x), 1)
    high = x.max(axis=1)
    slope = np.median((high[second] - high[first]) / (at[second] - at[first]))
    fitted = np.median(high - slope * at) + slope * at
    part = np.quantile(x / np.maximum(fitted, high.min() / 2)[:, None], LEVELS, axis=0).T
    step = np.arange(days)
    return np.maximum(fitted[-1] + slope * (1 + step // 7), 0.0)[:, None] * part[step % 7]


def drawn(past: Series, days: int, calendar: Calendar) -> np.ndarray | None:
    found = ahead(past, days, PATHS, calendar)
    return found.paths if isinstance(found, Ahead) else None


WAYS: dict[str, Callable[[Series, int, Calendar], np.ndarray | None]] = {
    "paths": drawn,
    "last year": last_year,
    "last week": last_week,
    "line": line,
}


def loss(came: np.ndarray, quantiles: np.ndarray) -> float:
    short = came[:, None] - quantiles
    return float(np.maximum(LEVELS * short, (LEVELS - 1) * short).sum(axis=1).mean() * 2 / came.mean())


def quantiles_of(made: np.ndarray, days: int) -> np.ndarray:
    """(days, levels), of paths or of what are quantiles already."""
    return np.quantile(made, LEVELS, axis=0).T if made.shape[0] == PATHS and made.shape[1] == days else made


def peaks(many: list[Series], days: int, every: int, first: int, calendar: Calendar, history: int) -> list[str]:
    scores: dict[str, list[tuple[float, float, np.ndarray]]] = {name: [] for name in WAYS}
    spent = dict.fromkeys(WAYS, 0.0)
    for series in many:
        own: dict[str, list[tuple[float, float, np.ndarray]]] = {name: [] for name in WAYS}
        for end in range(first, len(series.values) - days + 1, every):
            past = before(series, end, history)
            came = series.values[end : end + days]
            weekly = came[: days // 7 * 7].reshape(-1, 7).max(axis=1)
            for name, way in WAYS.items():
                started = time.perf_counter()
                made = way(past, days, calendar)
                spent[name] += time.perf_counter() - started
                if made is None:
                    continue
                q = quantiles_of(made, days)
                high = made[:, : days // 7 * 7].reshape(len(made), -1, 7).max(axis=2) if made is not q else None
                w = (
                    np.quantile(high, LEVELS, axis=0).T
                    if high is not None
                    else q[: days // 7 * 7].reshape(-1, 7, 3).max(axis=1)
                )
                own[name].append((loss(came, q), loss(weekly, w), (came[:, None] <= q).mean(axis=0)))
        for name, rows in own.items():
            if rows:
                scores[name].append(tuple(np.mean(part, axis=0) for part in zip(*rows, strict=True)))  # type: ignore[arg-type]
    out = []
    for name, rows in scores.items():
        if rows:
            day, week, under = (np.mean(part, axis=0) for part in zip(*rows, strict=True))
            covered = " ".join(f"p{100 * level:.0f} {share:.3f}" for level, share in zip(LEVELS, under, strict=True))
            out.append(
                f"  {days:3d} days {name:10s} {len(rows):3d} series  loss of days {100 * day:6.2f} %, of weeks"
                f" {100 * week:6.2f} %  under {covered}  {spent[name]:.1f} s"
            )
    return out


def dates(many: list[Series], days: int, every: int, first: int, calendar: Calendar, history: int) -> str:
    """Limits at random between what was reached before and 1.4 times as much: when said to be met, and when met."""
    early = np.zeros(3)
    met = unmet = surprises = 0
    chance = happened = 0.0
    for series in many:
        random = seed_of(series.id, "limits")
        for end in range(first, len(series.values) - days + 1, every):
            past = before(series, end, history)
            made = drawn(past, days, calendar)
            if made is None:
                continue
            limit = float(np.nanmax(past.values[-YEAR:])) * random.uniform(0.8, 1.2)
            came = series.values[end : end + days] > limit
            over = made > limit
            when = np.where(over.any(axis=1), over.argmax(axis=1), np.inf)
            chance, happened = chance + float(over.any(axis=1).mean()), happened + float(came.any())
            said = np.quantile(when, LEVELS, method="higher")
            if came.any():
                met += 1
                early += int(came.argmax()) <= said
                surprises += not np.isfinite(said[0])
            else:
                unmet += 1
    shares = " ".join(
        f"p{100 * level:.0f} {share:.3f}" for level, share in zip(LEVELS, early / max(met, 1), strict=True)
    )
    return (
        f"  {days:3d} days runway: {met} of {met + unmet} limits met, {chance:.0f} expected"
        f"; met by {shares}; {surprises} of those said never to be, with less than one in ten"
    )


def before(series: Series, end: int, history: int) -> Series:
    values = series.values[max(0, end - history) : end]
    return replace(series, last_us=series.last_us - (len(series.values) - end) * DAY_US, values=values)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--series", type=int, default=10**6)
    parser.add_argument("--days", default="90,180")
    parser.add_argument("--history", type=int, default=10**6)
    args = parser.parse_args()
    for name in args.sets:
        file, offset, country, every, first = SETS[name]
        many = [daily(s, offset) for s in clean(frame.read(args.data / f"{file}.parquet")).series]
        # Retired or idle series have no demand to foresee.
        many = [s for s in many if np.isfinite(s.values).all() and s.values.min() > 0][: args.series]
        first = min(first, args.history)
        for days in map(int, args.days.split(",")):
            lines = peaks(many, days, every, first, Calendar(holidays=country), args.history)
            lines.append(dates(many, days, every, first, Calendar(holidays=country), args.history))
            sys.stdout.write(f"{name}\n" + "\n".join(lines) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
