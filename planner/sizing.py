"""Which instance type: least regret over what demand may become and what an instance may turn out to carry.

In each of many worlds (a path of the months ahead, and a unit capacity within its interval) every type has a price for
carrying the same hours by the same rules. Its regret is how much dearer it is than the type that would have been
cheapest in that world; chosen is the type with the least regret on average (Savage 1951). Worlds are a sample, so the
standard error of each mean is told, and the choice is called open where the runner-up lies within two of them.

A vCPU is taken to carry the same in every family; a type is refused where that would be a leap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.fleet.prices import HOURS_A_MONTH, Prices, load_prices
from quartermaster.planner.capacity import Rules, requirement
from quartermaster.planner.paths import seed_of
from quartermaster.planner.unit import UnitCapacity

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Candidate", "Choice", "Refused", "choose", "scaled_unit", "worlds"]

_HOURS = 24
"""Levels of demand that stand for all hours of a plan: the means of as many equal parts of them, in order."""
_BURSTABLE = "t"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One type that could carry it."""

    instance: str
    regret_per_month: float
    """Mean over the worlds."""
    error: float
    """Standard error of that mean."""
    cost_per_month: float
    """Mean over the worlds."""
    best_share: float
    """Share of the worlds in which no other is cheaper."""
    instances_least: int
    instances_most: int
    """In the plan's own hours."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A type that is not considered, and why."""

    instance: str
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What was found; the first candidate is the choice."""

    candidates: tuple[Candidate, ...]
    refused: tuple[Refused, ...]
    worlds: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "instance": self.candidates[0].instance if self.candidates else None}


def worlds(
    name: str, scales: NDArray[np.float64], unit: UnitCapacity, count: int = 1024
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What demand is multiplied by, and what an instance carries, in each world. Deterministic.

    ``scales`` are possible levels of the months ahead, relative to now. The unit is normal within its 95 % interval.
    """
    random = seed_of(name, "worlds")
    spread = max(unit.high - unit.low, 0.0) / 3.92
    carries = unit.value + spread * random.standard_normal(count)
    return random.choice(scales, count), np.clip(carries, min(unit.low, unit.value), max(unit.high, unit.value))


def choose(
    demand: NDArray[np.float64],
    rules: Rules,
    declared: str,
    region: str,
    scale: NDArray[np.float64],
    unit: NDArray[np.float64],
    types: Sequence[str] = (),
) -> Choice:
    """The types of the price table, or those given, by regret. ``demand`` is what each hour of the plan provides for;
    ``scale`` and ``unit`` are its factor and the declared type's unit capacity in each world."""
    prices = load_prices()
    fit, refused = [], []
    for instance in types or sorted(prices.instance_types()):
        reason = _refusal(prices, instance, declared, region)
        fewest = int(
            requirement(
                [demand.max(initial=0.0)], replace(rules, unit=scaled_unit(prices, rules.unit, declared, instance) or 1)
            )[0]
        )
        if not reason and rules.lost and fewest < rules.zones:
            reason = f"{fewest} of them carry the peak: fewer than the {rules.zones} zones"
        if reason:
            refused.append(Refused(instance, reason))
        else:
            fit.append(instance)
    if not fit:
        priced = any(prices.instance_hour(instance, region) is not None for instance in prices.instance_types())
        why = "no type fits" if priced else f"no type has a price in {region}"
        return Choice((), tuple(refused), len(scale), f"{why}: {declared} stays")
    hours = np.array([part.mean() for part in np.array_split(np.sort(demand), min(_HOURS, len(demand)))])
    asked = hours[None, :] * scale[:, None]
    costs = np.empty((len(fit), len(scale)))
    least = max(1, rules.zones if rules.lost else 1)
    for i, instance in enumerate(fit):
        ratio = (scaled_unit(prices, 1.0, declared, instance) or 1.0) * unit / rules.unit
        price = float(prices.instance_hour(instance, region) or 0) * HOURS_A_MONTH
        # Rules are those of one unit; a world where an instance carries more is one where demand is less.
        counts = np.maximum(requirement(asked / ratio[:, None], rules), least)
        costs[i] = counts.mean(axis=1) * price
    regret = costs - costs.min(axis=0)
    order = np.lexsort((costs.mean(axis=1), regret.mean(axis=1)))
    error = regret.std(axis=1, ddof=1) / np.sqrt(len(scale))
    out = []
    for i in order:
        own = replace(rules, unit=scaled_unit(prices, rules.unit, declared, fit[i]) or rules.unit)
        counts = np.maximum(requirement(demand, own), least)
        out.append(
            Candidate(
                fit[i],
                round(float(regret[i].mean()), 2),
                round(float(error[i]), 2),
                round(float(costs[i].mean()), 2),
                float((regret[i] <= 0).mean()),
                int(counts.min()),
                int(counts.max()),
            )
        )
    return Choice(tuple(out), tuple(refused), len(scale), _told(out, regret[order[:2]], len(scale)))


def scaled_unit(prices: Prices, unit: float, declared: str, instance: str) -> float | None:
    """What another type carries, by its vCPUs; None for an unknown type."""
    own, other = prices.shape(declared), prices.shape(instance)
    return None if own is None or other is None else unit * other.vcpu / own.vcpu


def _refusal(prices: Prices, instance: str, declared: str, region: str) -> str:
    own, shape = prices.shape(declared), prices.shape(instance)
    if own is None:
        return f"the size of the declared {declared} is not known"
    if shape is None or prices.instance_hour(instance, region) is None:
        return f"no price in {region}"
    if instance == declared:
        return ""
    if shape.architecture != own.architecture:
        return f"{shape.architecture}, and nothing says that the hosts' software is built for it"
    if instance.startswith(_BURSTABLE) and not declared.startswith(_BURSTABLE):
        return "burstable: above its baseline it is throttled or costs more"
    memory, needed = (s.memory_gib / Decimal(s.vcpu) for s in (shape, own))
    if memory < needed:
        least = f"{needed.normalize():f}"
        return f"{memory.normalize():f} GiB a vCPU, and nothing measured says that less than {least} is enough"
    return ""


def _told(found: Sequence[Candidate], regret: NDArray[np.float64], count: int) -> str:
    first = found[0]
    least = f"{first.regret_per_month:,.2f} ± {first.error:,.2f}"
    text = f"{first.instance} has least regret, {least} a month over {count} worlds"
    if len(found) < 2:
        return text + ", and no rival"
    apart = regret[1] - regret[0]
    error = float(apart.std(ddof=1) / np.sqrt(count))
    text += f"; {found[1].instance} is {apart.mean():,.2f} ± {error:,.2f} dearer"
    return text + (": within the error of the sample, so either" if apart.mean() <= 2 * error else "")
