"""When a cycle may start, and when it best does: the hour in which demand least likely exceeds what its waves leave.

Window and freezes are rules. Within them a start is better when the cycle is expected to end before the window does,
when it stays clear of backups, drills and windows of the databases that the cluster uses, then by risk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.windows import parse_clock
from quartermaster.playbooks.outlook import Outlook
from quartermaster.playbooks.patch_plan import Estimate, Start
from quartermaster.playbooks.patch_waves import Need, Shape

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["Busy", "Taken", "again", "at_once", "best", "busy", "ends_at", "open_stretches", "time_faults"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(minutes=30)
_BACKUP = timedelta(hours=1)
"""Reserved for a backup from its start on."""
_AHEAD = (timedelta(days=8), timedelta(days=36))
"""How far ahead a start is looked for: a week, which holds each window once; where a freeze takes that, five."""


@dataclass(frozen=True, slots=True)
class Busy:
    """A stretch in which something else works on what the cluster stands on."""

    starts_at: datetime
    ends_at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What a cycle would take if it started then."""

    shape: Shape
    estimate: Estimate


_Rank = tuple[float, bool, float, int, float, datetime]
Taker = Callable[[Need], Taken]
"""The cycle's shape and duration under a need. Raises GuardRefused where max does not allow it."""


def open_stretches(fleet: Fleet, name: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches in UTC, whole, that the window of a cluster or database leaves outside freezes. Pure."""
    left = fleet.patching_of(name).window.occurrences(start, end, fleet.tz)
    for freeze in fleet.freezes:
        first = datetime.combine(freeze.from_, time(), fleet.tz).astimezone(UTC)
        after = datetime.combine(freeze.to + timedelta(days=1), time(), fleet.tz).astimezone(UTC)
        left = [
            part for opens, closes in left for part in ((opens, min(closes, first)), (max(opens, after), closes))
            if part[0] < part[1]
        ]  # fmt: skip
    return sorted(set(left))


def time_faults(fleet: Fleet, name: str, now: datetime) -> list[str]:
    """Why this is no time to work on the cluster, or database: its window is shut, a freeze holds. Pure."""
    window = fleet.patching_of(name).window
    faults = []
    if not window.contains(now, fleet.tz):
        upcoming = open_stretches(fleet, name, now, now + _AHEAD[1])
        following = f"; the next opens {upcoming[0][0].astimezone(fleet.tz):%a %d %b %H:%M}" if upcoming else ""
        faults.append(f"it is outside the window {str(window)!r}{following}")
    today = now.astimezone(fleet.tz).date()
    faults += [
        f"the freeze from {freeze.from_} to {freeze.to} holds ({freeze.why or 'no reason given'})"
        for freeze in fleet.freezes
        if freeze.from_ <= today <= freeze.to
    ]
    return faults


def ends_at(fleet: Fleet, name: str, now: datetime) -> datetime | None:
    """When window or a coming freeze ends work that goes on now; None without an end in sight. Pure."""
    window = fleet.patching_of(name).window
    starts = (datetime.combine(freeze.from_, time(), fleet.tz).astimezone(UTC) for freeze in fleet.freezes)
    ends = [start for start in starts if start > now]
    if not window.always:
        ends += [stop for start, stop in window.occurrences(now, now + _AHEAD[0], fleet.tz) if start <= now]
    return min(ends, default=None)


def busy(fleet: Fleet, cluster: str, start: datetime, end: datetime) -> list[Busy]:
    """Backups and patch windows of the databases that the cluster uses, in order. Pure."""
    uses = [name for name in fleet.clusters[cluster].uses if name in fleet.databases]
    found = []
    for name in uses:
        if name in fleet.patching and not fleet.patching[name].window.always:
            stretches = fleet.patching[name].window.occurrences(start, end, fleet.tz)
            found += [Busy(*stretch, f"the patch window of {name}") for stretch in stretches]
    day = start.astimezone(fleet.tz).date() - timedelta(days=1)
    while uses and day <= end.astimezone(fleet.tz).date():
        for rule in fleet.backups.rules:
            if rule.on in (None, day.day):
                at = (datetime.combine(day, time(), fleet.tz) + parse_clock(rule.at)).astimezone(UTC)
                found.append(Busy(at, at + _BACKUP, f"the backup {rule.name}"))
        day += timedelta(days=1)
    return sorted(found, key=lambda one: one.starts_at)


def at_once(fleet: Fleet, cluster: str, now: datetime, outlook: Outlook | None, take: Taker) -> tuple[Start, Taken]:
    """A start at once, whether or not the window is open, with what it takes. Raises GuardRefused. Pure."""
    start, taken = _at(now, ends_at(fleet, cluster, now), outlook, take)
    return replace(start, why="now"), taken


def again(start: Start, outlook: Outlook | None, take: Taker) -> tuple[Start, Taken]:
    """The same start for another cycle, with what that takes. Raises GuardRefused. Pure."""
    found, taken = _at(start.starts_at, start.closes_at, outlook, take)
    return replace(start, risk=found.risk, prescale=found.prescale), taken


def best(
    fleet: Fleet, cluster: str, now: datetime, outlook: Outlook | None, take: Taker, others: Sequence[Busy] = ()
) -> tuple[Start, Taken]:
    """The best start from now on, its reason and its runner-up, with what it takes. ``others``: drills and the like.

    Raises GuardRefused when window and freezes leave no start, or none at which enough hosts would serve. Pure.
    """
    for ahead in _AHEAD:
        if stretches := open_stretches(fleet, cluster, now, now + ahead):
            break
    else:
        raise GuardRefused(
            f"window {str(fleet.patching_of(cluster).window)!r} and freezes leave no start within {ahead.days} days",
            remedy=f"another patching.{cluster}.window, or --override with --reason, if it must be now",
        )
    taken_by = [*busy(fleet, cluster, now, now + ahead), *others]
    endless = fleet.patching_of(cluster).window.always
    rated: list[tuple[_Rank, Start, Taken, str]] = []
    refused: list[GuardRefused] = []
    for at, closes in _starts(stretches, now):
        try:
            closing = None if endless and closes >= now + ahead else closes
            start, taken = _at(at, closing, outlook, take)
        except GuardRefused as refusal:
            refused.append(refusal)
            continue
        ends = at + timedelta(seconds=taken.estimate.seconds)
        clash = next((one.what for one in taken_by if one.starts_at < ends and at < one.ends_at), "")
        over = max(0.0, (ends - closing).total_seconds()) if closing else 0.0
        # Chances below one in ten thousand are alike: adding no hosts, then quiet, then soon decides.
        rank = (over, bool(clash), round(start.risk or 0.0, 4), start.prescale, _demand(outlook, at, ends), at)
        rated.append((rank, start, taken, clash))
    if not rated:
        raise refused[0]
    rated.sort(key=lambda one: one[0])
    chosen, *other = (replace(start, why=_why(start, rank, clash)) for rank, start, _, clash in rated[:2])
    why = f"{chosen.why}; the best of {len(rated)} starts" if other else chosen.why
    return replace(chosen, why=why, runner_up=other[0] if other else None), rated[0][2]


def _starts(stretches: Sequence[tuple[datetime, datetime]], now: datetime) -> Iterator[tuple[datetime, datetime]]:
    for opens, closes in stretches:
        at = max(opens, now)
        while at < closes:
            yield at, closes
            at += _STEP - (at - _EPOCH) % _STEP


def _at(at: datetime, closes: datetime | None, outlook: Outlook | None, take: Taker) -> tuple[Start, Taken]:
    if outlook is None:
        taken = take(Need())
        return Start(at, closes, None, taken.shape.prescale, ""), taken
    ends = at
    while True:  # a longer cycle meets more hours, whose need may make it longer: needs are finitely many
        taken = take(outlook.need(at, ends))
        if (later := at + timedelta(seconds=taken.estimate.seconds)) <= ends:
            break
        ends = later
    risk = outlook.risk(at, ends, taken.shape.rooms)
    return Start(at, closes, round(risk, 9), taken.shape.prescale, ""), taken


def _demand(outlook: Outlook | None, start: datetime, end: datetime) -> float:
    return max(hour.demand for hour in outlook.between(start, end)) if outlook else 0.0


def _why(start: Start, rank: _Rank, clash: str) -> str:
    over, _, _, _, demand, _ = rank
    if start.risk is None:
        parts = ["no forecast, so the risk is unknown"]
    else:
        chance = "below 0.01%" if start.risk < 1e-4 else f"of {start.risk:.2%}"
        parts = [f"demand exceeds what a wave leaves with a chance {chance}, at {demand:.0%} of its highest"]
    if start.prescale:
        parts.append(f"{start.prescale} more host{'s' if start.prescale > 1 else ''} first")
    if clash:
        parts.append(f"at the same time as {clash}")
    if over:
        parts.append("it does not end within the window")
    return "; ".join(parts)
