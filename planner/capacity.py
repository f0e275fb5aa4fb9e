"""Instances for a demand: the smallest group that carries it, also without its fullest zones.

    N carries d when             N * unit >= d
    and survives k zones when    left(N, k) * unit * at_utilisation / target_utilisation >= d

where ``unit`` is the demand one instance carries at target utilisation, and ``left`` what stays of a group that is
spread over the zones round-robin (the first ``N mod zones`` zones hold one more) when its k fullest zones are lost.
Four zones, two of them lost, three needed after: seven instances, not six, as six are spread 2-2-1-1 and leave two.

Where the balancer does not spread requests across zones, each zone gets an equal share of the demand and must carry it
alone: every zone holds as many as its share needs, before and after the loss.
https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/how-elastic-load-balancing-works.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.fleet.errors import Fault, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rules", "carried", "instances", "left_after", "requirement", "smallest_leaving", "tracking_count"]

_MOST = 2.0**53
_ROUNDING = 1e-9
"""Demand that exceeds a whole number of instances by less than this share is rounding, not demand."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a group must bear."""

    unit: float
    """Demand that one instance carries at target utilisation."""
    zones: int = 3
    lost: int = 1
    """Fullest zones that may be lost at once."""
    target_utilisation: float = 0.6
    at_utilisation: float = 0.85
    """How busy instances may be after that loss."""
    smallest: int = 0
    largest: int | None = None
    cross_zone: bool = True
    """Whether the balancer sends requests of one zone to hosts of another."""

    def __post_init__(self) -> None:
        faults = []
        if not (math.isfinite(self.unit) and self.unit > 0):
            faults.append(Fault("unit_capacity", f"{self.unit:g}", "give --unit-capacity a number above 0"))
        if self.zones < 1 or not 0 <= self.lost < self.zones:
            problem = f"{self.lost} of {self.zones} zones lost leaves nothing"
            faults.append(Fault("survive.zones", problem, f"survive at most {max(self.zones - 1, 0)}"))
        for name, share in (("target_utilisation", self.target_utilisation), ("at_utilisation", self.at_utilisation)):
            if not 0 < share <= 1:
                faults.append(Fault(name, f"{share:g}", "a share above 0 and up to 1"))
        if self.largest is not None and self.largest < max(self.smallest, 1):
            faults.append(Fault("size.max", f"{self.largest} is below min {self.smallest}", "raise size.max"))
        if faults:
            raise InputError("; ".join(f"{f.where}: {f.problem}" for f in faults), faults, remedy=faults[0].remedy)

    @property
    def surviving_unit(self) -> float:
        """Demand that one instance carries at the utilisation allowed after the loss."""
        return self.unit * self.at_utilisation / self.target_utilisation

    @property
    def least(self) -> int:
        """The smallest group that survives a loss at all (without cross-zone, in every zone), or its min."""
        return max(self.smallest, self.lost + 1 if self.cross_zone else self.zones)

    @property
    def tracking_utilisation(self) -> float:
        """How busy target tracking may keep a group, so that it survives at any size.

        Tracking knows the mean of all hosts and nothing of zones. Worst is a group with one more in each zone that may
        be lost: four in three zones have two in one of them and keep half. Larger groups are spread more evenly.
        """
        sizes = range(self.least, self.least + self.zones)
        return self.target_utilisation * min(carried(n, self) / (n * self.unit) for n in sizes)


def left_after(count: int, zones: int, lost: int) -> int:
    """Instances that stay of ``count`` when the ``lost`` fullest of ``zones`` zones go."""
    full, more = divmod(count, zones)
    return count - lost * full - min(lost, more)


def smallest_leaving(wanted: NDArray[np.int64], zones: int, lost: int) -> NDArray[np.int64]:
    """The smallest groups of which ``wanted`` instances stay: the inverse of ``left_after``.

    Within a round of ``zones`` instances the first ``lost`` land where they may be lost and add nothing to what stays.
    """
    rounds, rest = np.divmod(wanted, zones - lost)
    return np.asarray(rounds * zones + np.where(rest > 0, lost + rest, 0))


def instances(demand: float, rules: Rules) -> int:
    """The smallest group that carries the demand and survives; not clipped to the group's limits."""
    return int(requirement([demand], rules)[0])


def carried(count: int, rules: Rules) -> float:
    """The largest demand for which ``count`` instances are enough."""
    if not rules.cross_zone:
        least = count // rules.zones
        return least * min(rules.zones * rules.unit, (rules.zones - rules.lost) * rules.surviving_unit)
    return min(count * rules.unit, left_after(count, rules.zones, rules.lost) * rules.surviving_unit)


def requirement(demand: Sequence[float] | NDArray[np.float64], rules: Rules) -> NDArray[np.int64]:
    """``instances`` for each demand, in its shape; not clipped. None for a demand that is not finite."""
    asked = np.asarray(demand, dtype=np.float64)
    asked = np.where(np.isfinite(asked) & (asked > 0), asked, 0.0)
    left = rules.zones - rules.lost
    if not rules.cross_zone:
        share = np.maximum(_ceiling(asked / rules.zones / rules.unit), _ceiling(asked / left / rules.surviving_unit))
        return np.asarray(rules.zones * share)
    surviving = smallest_leaving(_ceiling(asked / rules.surviving_unit), rules.zones, rules.lost)
    return np.asarray(np.maximum(_ceiling(asked / rules.unit), surviving))


def tracking_count(demand: Sequence[float] | NDArray[np.float64], rules: Rules) -> NDArray[np.int64]:
    """Instances that target tracking asks for, for each demand; not clipped. It knows how busy hosts are, not zones."""
    asked = np.asarray(demand, dtype=np.float64)
    asked = np.where(np.isfinite(asked) & (asked > 0), asked, 0.0)
    return _ceiling(asked / rules.unit * (rules.target_utilisation / rules.tracking_utilisation))


def _ceiling(ratio: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole instances for that many, at most what an integer holds."""
    return np.minimum(np.ceil(ratio * (1 - _ROUNDING)), _MOST).astype(np.int64)
