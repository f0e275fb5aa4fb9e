"""How long a cycle takes, from what earlier runs took. Pure.

Hosts of a wave work side by side, so a wave lasts as long as its slowest host: the quantile p of the slowest of n is
the quantile p**(1/n) of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from quartermaster.fleet.events import Event, StepFinished, StepStarted
from quartermaster.playbooks.patch_plan import Estimate, Wave

__all__ = ["Pace", "timed"]

_UPPER = 0.9
_APART = ("host", "drain", "reboot")
"""Steps of a host that are not part of its work: their sum, and what is counted by itself."""
_WORK = (60.0, 300.0)
_DRAIN = (10.0, 60.0)
_REBOOT = (60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that earlier runs took for each part of a host's way, in ascending order; empty: never seen."""

    work: tuple[float, ...] = ()
    """Standby, packages, converge, checks and return of one host."""
    drain: tuple[float, ...] = ()
    """Beyond the declared delay."""
    reboot: tuple[float, ...] = ()
    runs: int = 0
    launch: float = 300.0
    """From the launch of a host to its serving."""

    @classmethod
    def of(cls, runs: Iterable[Sequence[Event]]) -> Pace:
        """The pace of these runs' events. Hosts that were not patched tell nothing."""
        work: list[float] = []
        drain: list[float] = []
        reboot: list[float] = []
        count = 0
        for events in runs:
            starts = (one for one in events if one.step == "patch" and isinstance(one, StepStarted))
            declared = next((one.detail["plan"].get("drain_seconds") for one in starts), None)
            done = [one for one in events if isinstance(one, StepFinished) and one.host]
            patched = [one.host for one in done if one.step == "host" and one.detail.get("state") == "patched"]
            if declared is None or not patched:
                continue
            count += 1
            for host in dict.fromkeys(patched):
                steps = [one for one in done if one.host == host]
                work.append(sum(one.seconds for one in steps if one.step not in _APART))
                drain += [max(0.0, one.seconds - declared) for one in steps if one.step == "drain"]
                reboot += [one.seconds for one in steps if one.step == "reboot"]
        return cls(tuple(sorted(work)), tuple(sorted(drain)), tuple(sorted(reboot)), count)

    @property
    def source(self) -> str:
        """What the estimate is based on."""
        if not self.work:
            return f"no earlier run: {_WORK[0]:.0f} s of work a host assumed, {_WORK[1]:.0f} at most"
        seen = f"{self.runs} earlier run{_s(self.runs)}, {len(self.work)} host{_s(len(self.work))}"
        return seen if self.reboot else f"{seen}; no reboot seen: {_REBOOT[0]:.0f} s assumed, {_REBOOT[1]:.0f} at most"


def timed(
    waves: Iterable[Wave],
    pace: Pace,
    *,
    drain_seconds: int,
    soak_seconds: int,
    reboots: bool,
    may_reboot: bool,
    prescale: int = 0,
) -> tuple[tuple[Wave, ...], Estimate]:
    """The waves with their durations, and that of the whole.

    ``reboots``: hosts surely reboot; ``may_reboot``: their upgrade may ask for it, which only the upper bound counts.
    """
    found = tuple(
        replace(
            wave,
            seconds=_wave(pace, len(wave.hosts), 0.5, drain_seconds, reboots) + soak_seconds,
            upper_seconds=_wave(pace, len(wave.hosts), _UPPER, drain_seconds, reboots or may_reboot) + soak_seconds,
        )
        for wave in waves
    )
    before = pace.launch if prescale else 0.0
    return found, Estimate(
        round(before + sum(wave.seconds for wave in found), 1),
        round(2 * before + sum(wave.upper_seconds for wave in found), 1),
        pace.source,
    )


def _wave(pace: Pace, hosts: int, level: float, drain_seconds: int, reboots: bool) -> float:
    parts = [(pace.work, _WORK), (pace.drain, _DRAIN)] + ([(pace.reboot, _REBOOT)] if reboots else [])
    return round(drain_seconds + sum(_slowest(seen, hosts, level, assumed) for seen, assumed in parts), 1)


def _slowest(seen: Sequence[float], hosts: int, level: float, assumed: tuple[float, float]) -> float:
    """The quantile of the slowest of that many hosts, by straight lines between what was seen."""
    if not seen:
        return assumed[level > 0.5]
    place = float(level ** (1 / hosts)) * (len(seen) - 1)
    low = int(place)
    high = min(low + 1, len(seen) - 1)
    return seen[low] + (place - low) * (seen[high] - seen[low])


def _s(count: int) -> str:
    return "" if count == 1 else "s"
