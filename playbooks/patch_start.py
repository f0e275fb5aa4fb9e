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

__all__ = ["Busy", "Taken", "Taker", "at_once", "best", "busy", "ends_at", "open_stretches", "time_faults"]

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
    clashes = busy(fleet, cluster, now, now + _AHEAD[0])
    _, start, taken = _rate(now, ends_at(fleet, cluster, now), outlook, take, clashes)
    return replace(start, why=f"now: {start.why}"), taken


def best(
    fleet: Fleet,
    cluster: str,
    now: datetime,
    outlook: Outlook | None,
    take: Taker,
    take_at: Callable[[datetime], Taker],
    others: Sequence[Busy] = (),
) -> tuple[Start, Taken]:
    """The best start from now on, its reason and its runner-up, with what it takes. ``others``: drills and the like.

    Starts are compared by ``take``, every host that may have to be worked on; ``take_at`` counts those of the start
    that is chosen. Raises GuardRefused when window and freezes leave no start, or none at which enough hosts would
    serve. Pure.
    """
    for ahead in _AHEAD:
        if stretches := open_stretches(fleet, cluster, now, now + ahead):
            break
    else:
        raise GuardRefused(
            f"window {str(fleet.patching_of(cluster).window)!r} and freezes leave no start within {ahead.days} days",
            remedy=f"another patching.{cluster}.window, or --override with --reason, if it must be now",
        )
    clashes = [*busy(fleet, cluster, now, now + ahead), *others]
    endless = fleet.patching_of(cluster).window.always
    rated: list[tuple[_Rank, Start]] = []
    refused: list[GuardRefused] = []
    for at, closes in _starts(stretches, now):
        try:
            closing = None if endless and closes >= now + ahead else closes
            rated.append(_rate(at, closing, outlook, take, clashes)[:2])
        except GuardRefused as refusal:
            refused.append(refusal)
    if not rated:
        raise refused[0]
    rated.sort(key=lambda one: one[0])
    (_, chosen), *rest = rated
    _, start, taken = _rate(chosen.starts_at, chosen.closes_at, outlook, take_at(chosen.starts_at), clashes)
    if rest:
        start = replace(start, why=f"{start.why}; the best of {len(rated)} starts", runner_up=rest[0][1])
    return start, taken


def _starts(stretches: Sequence[tuple[datetime, datetime]], now: datetime) -> Iterator[tuple[datetime, datetime]]:
    for opens, closes in stretches:
        at = max(opens, now)
        while at < closes:
            yield at, closes
            at += _STEP - (at - _EPOCH) % _STEP


def _rate(
    at: datetime, closes: datetime | None, outlook: Outlook | None, take: Taker, clashes: Sequence[Busy]
) -> tuple[_Rank, Start, Taken]:
    """How good that start is, less being better, with its reason and what it takes. Raises GuardRefused."""
    taken, ends = _taken(at, outlook, take)
    risk = round(outlook.risk(at, ends, taken.shape.rooms), 9) if outlook else None
    demand = max(hour.demand for hour in outlook.between(at, ends)) if outlook else 0.0
    clash = next((one.what for one in clashes if one.starts_at < ends and at < one.ends_at), "")
    over = max(0.0, (ends - closes).total_seconds()) if closes else 0.0
    start = Start(at, closes, risk, taken.shape.prescale, _why(risk, demand, taken.shape.prescale, clash, over))
    # Chances below one in ten thousand are alike: adding no hosts, then quiet, then soon decides.
    return (over, bool(clash), round(risk or 0.0, 4), start.prescale, demand, at), start, taken


def _taken(at: datetime, outlook: Outlook | None, take: Taker) -> tuple[Taken, datetime]:
    """What the cycle takes under the need of all the hours it meets, and when it is expected to end."""
    ends = at
    while True:  # a longer cycle meets more hours, whose need may make it longer: needs are finitely many
        taken = take(outlook.need(at, ends) if outlook else Need())
        later = at + timedelta(seconds=taken.estimate.seconds)
        if outlook is None or later <= ends:
            return taken, later
        ends = later


def _why(risk: float | None, demand: float, prescale: int, clash: str, over: float) -> str:
    if risk is None:
        parts = ["no forecast, so the risk is unknown"]
    else:
        chance = "below 0.01%" if risk < 1e-4 else f"of {risk:.2%}"
        parts = [f"demand exceeds what a wave leaves with a chance {chance}, at {demand:.0%} of its highest"]
    if prescale:
        parts.append(f"{prescale} more host{'s' if prescale > 1 else ''} first")
    if clash:
        parts.append(f"at the same time as {clash}")
    if over:
        parts.append("it does not end within the window")
    return "; ".join(parts)
