"""What knowing a country's holidays is worth, and what it costs where there are none.

    python bench/occasions.py DATA_FOLDER [eia bike web] [--series N] [--origins N]

Forecasts of a week from midnights before holidays, from those soon after one, and from those far from any, each with
the right calendar, with another country's, and with none: weighted quantile loss relative to none, over all hours and
over the holidays, and the share of demand under q0.95.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from quartermaster.fleet import holidays
from quartermaster.planner import frame
from quartermaster.planner.calendar import Calendar
from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.paths import seed_of
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series

LEVELS = (0.5, 0.9, 0.95)
HORIZON = 168
SETS = {"eia": ("eia_demand_hourly", 365), "bike": ("bike_demand_hourly", 200), "web": ("web_requests_hourly", 90)}
CALENDARS = {"none": "", "US": "US", "another's (IE)": "IE"}
KINDS = ("before", "after", "far")


def zone_of(file: str, name: str) -> ZoneInfo:
    """The clock of the people; bike demand is by the local clock already."""
    if not file.startswith("eia"):
        return ZoneInfo("UTC")
    west = ("AVA", "BANC", "CHPD", "IID", "NWMT", "PACW", "PNM", "PSEI", "SRP", "TIDC", "WALC")
    return ZoneInfo(
        "America/Chicago" if name.startswith("ERCO") else "America/Los_Angeles" if name in west else "America/New_York"
    )


def kind_of(day: date, free: set[date]) -> str:
    """Which origin the midnight before this day is; nothing for those between."""
    near = [k for k in range(-28, 9) if day + timedelta(days=k) in free]
    if any(0 <= k < 7 for k in near):
        return "before"
    if not near:
        return "far"
    return "after" if any(-14 <= k < 0 for k in near) and not any(k >= 0 for k in near) else ""


def origins(series: Series, zone: ZoneInfo, first: int, most: int) -> list[tuple[int, str, date]]:
    """Steps at which forecasts start, what they are, and the day that starts there; ``most`` of a kind, at random."""
    end = datetime.fromtimestamp(series.last_us / 1e6, UTC)
    days = [end.astimezone(zone).date() - timedelta(days=d) for d in range(9, len(series.values) // 24 - first)]
    free = {d for year in {d.year for d in days} | {end.year} for d in holidays.named("US", year)}
    random = seed_of(series.id, "origins")
    out = []
    for kind in KINDS:
        some = [d for d in days if kind_of(d, free) == kind]
        for i in random.permutation(len(some))[:most]:
            midnight = datetime(some[i].year, some[i].month, some[i].day, tzinfo=zone)
            step = len(series.values) - 1 - round((series.last_us - midnight.timestamp() * 1e6) / HOUR_US)
            out.append((step, kind, some[i]))
    return out


def measured(name: str, data: Path, limit: int, most: int) -> list[str]:
    file, first = SETS[name]
    rows: dict[tuple[str, str], list[np.ndarray]] = {}
    for series in clean(frame.read(data / f"{file}.parquet")).series[:limit]:
        zone = zone_of(file, series.id)
        chosen = origins(series, zone, first, most)
        sums: dict[tuple[str, str], np.ndarray] = {}
        for told, code in CALENDARS.items():
            pasts = [
                Series(
                    series.id,
                    series.unit,
                    series.last_us - (len(series.values) - at) * HOUR_US,
                    HOUR_US,
                    series.values[:at],
                    series.lower,
                )
                for at, _, _ in chosen
            ]
            made = forecast_prepared(pasts, HORIZON, LEVELS, candidates(), Calendar(zone, code))
            for (at, kind, day), found in zip(chosen, made, strict=True):
                came = series.values[at : at + HORIZON, None]
                short = came - found.quantiles
                levels = np.array(LEVELS)
                loss = np.maximum(levels * short, (levels - 1) * short).sum(axis=1)
                free = np.repeat(
                    [day + timedelta(days=d) in holidays.named("US", (day + timedelta(days=d)).year) for d in range(7)],
                    24,
                )
                under = came[:, 0] <= found.at(0.95)
                row = np.array(
                    [np.nansum(loss), np.nansum(loss[free]), under.mean(), under[free].sum(), free.sum(), 1.0]
                )
                sums[told, kind] = sums.get((told, kind), np.zeros(6)) + row
        # Series count by the size of their demand alone: ratios of few weeks each would lean upwards.
        for key, total in sums.items():
            rows.setdefault(key, []).append(np.r_[total[:2] / max(np.nanmean(series.values), 1e-9), total[2:]])
    return [line for kind in KINDS for told in CALENDARS if (told, kind) in rows for line in [_line(kind, told, rows)]]


def _line(kind: str, told: str, rows: dict[tuple[str, str], list[np.ndarray]]) -> str:
    loss, free_loss, under, under_free, hours_free, weeks = np.sum(rows[told, kind], axis=0)
    base, free_base = np.sum(rows["none", kind], axis=0)[:2]
    line = f"  {kind:6s} {told:15s} {weeks:5.0f} weeks  loss {loss / base:.3f}  under q0.95 {under / weeks:.3f}"
    if kind == "before":
        line += f"  on the holidays: loss {free_loss / free_base:.3f}  under q0.95 {under_free / hours_free:.3f}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--series", type=int, default=10**6)
    parser.add_argument("--origins", type=int, default=8)
    args = parser.parse_args()
    for name in args.sets:
        sys.stdout.write("\n".join([name, *measured(name, args.data, args.series, args.origins)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
