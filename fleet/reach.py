"""Which declared objectives the settings can meet, and which setting to change where they cannot. Pure.

A change is found by trying it: the fleet with the change is judged by the same formulas, so what is advised holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from quartermaster.fleet.objectives import SCOPES, Best, Measured, Scope, Term, best, total
from quartermaster.fleet.schema.tree import Path, dotted

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["Change", "Verdict", "as_declared", "verdicts"]

_Metric = Literal["rto", "rpo"]
_MILDEST_FIRST = (
    ("idle_seconds", (60, 45, 30, 20, 15, 10, 5)),
    ("check_seconds", (60, 30, 20, 15, 10, 5)),
    ("unhealthy_after", (5, 4, 3, 2)),
    ("drain_seconds", (120, 60, 30, 20, 10, 5, 0)),
)
"""Settings of a balancer that take part in its recovery time, each with its values."""


_IN_SECONDS = 180
"""An objective is declared in seconds up to here, and in minutes above."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting and the value that helps."""

    setting: str
    now: str
    value: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One objective against the best that its settings allow."""

    name: str
    scope: Scope
    metric: _Metric
    objective_seconds: float
    best_seconds: float | None
    """None: it cannot be recovered at all."""
    surely_seconds: float | None
    """The same without what is only assumed."""
    terms: tuple[Term, ...]
    impossible: str
    changes: tuple[Change, ...]
    """That make it reachable, all together; empty when it is, or when none do."""
    declare_seconds: float | None
    """Where no setting helps: the least objective that can be met."""
    declare_with: tuple[Change, ...] = ()
    """What that one takes of the settings."""

    @property
    def reachable(self) -> bool | None:
        """None: it hangs on what is only assumed, and a drill would tell."""
        if self.best_seconds is None or self.surely_seconds is None or self.surely_seconds > self.objective_seconds:
            return False
        return True if self.best_seconds <= self.objective_seconds else None

    @property
    def remedy(self) -> str:
        """What to do in words; empty when it is reachable."""
        if self.reachable:
            return ""
        if self.changes:
            return _listed(self.changes)
        if self.declare_seconds is None:
            return f"take recovery.{self.name}.{self.scope} out: nothing that can be set meets it"
        text = f"recovery.{self.name}.{self.scope}.{self.metric}: {as_declared(self.declare_seconds)} or more"
        text += f", with {_listed(self.declare_with)}" if self.declare_with else ""
        return text if self.reachable is False else f"measure what is assumed by a drill, or {text}"


@dataclass(frozen=True, slots=True)
class _Knob:
    """A setting with the fleets that its values would make, mildest first."""

    path: Path
    values: tuple[Any, ...]

    def turn(self, fleet: Fleet, value: Any) -> Fleet:
        changed: Fleet = _with(fleet, self.path, value)
        return changed


def verdicts(fleet: Fleet, measured: Measured | None = None) -> list[Verdict]:
    """Every declared objective, in the order of fleet.yaml."""
    known = measured or Measured()
    return [
        _judged(fleet, name, scope, metric, known)
        for name, objectives in fleet.recovery.objectives.items()
        if name in fleet.clusters or name in fleet.databases
        for scope in SCOPES
        if (objective := getattr(objectives, scope)) is not None
        for metric in (("rto", "rpo") if objective.rpo is not None and name in fleet.databases else ("rto",))
    ]


def as_declared(seconds: float) -> str:
    """As fleet.yaml writes it, rounded up."""
    whole = _rounded(seconds)
    return f"{whole // 60}m" if whole > _IN_SECONDS else f"{whole}s"


def _rounded(seconds: float) -> int:
    whole = math.ceil(seconds)
    return 60 * math.ceil(whole / 60) if whole > _IN_SECONDS else whole


def _judged(fleet: Fleet, name: str, scope: Scope, metric: _Metric, measured: Measured) -> Verdict:
    aim = getattr(getattr(fleet.recovery.objectives[name], scope), metric).total_seconds()
    found = best(fleet, name, scope, measured)
    seconds = _seconds(found, metric)
    changes, least, beside = tuple[Change, ...](), seconds, tuple[Change, ...]()
    if seconds is None or seconds > aim:
        changes, least, beside = _changes(fleet, name, scope, metric, measured, aim)
    return Verdict(
        name=name,
        scope=scope,
        metric=metric,
        objective_seconds=aim,
        best_seconds=seconds,
        surely_seconds=_seconds(found, metric, surely=True),
        terms=getattr(found, metric),
        impossible=found.impossible,
        changes=changes,
        declare_seconds=None if changes or (seconds is not None and seconds <= aim) else least,
        declare_with=beside,
    )


def _changes(
    fleet: Fleet, name: str, scope: Scope, metric: _Metric, measured: Measured, aim: float
) -> tuple[tuple[Change, ...], float | None, tuple[Change, ...]]:
    """The mildest changes that reach the aim, one setting where that does; else none, the least that any reach, and the
    mildest that reach that."""

    def reached(changed: Fleet) -> float | None:
        return _seconds(best(changed, name, scope, measured), metric)

    def meets(changed: Fleet, most: float = aim) -> bool:
        seconds = reached(changed)
        return seconds is not None and seconds <= most

    knobs = list(_knobs(fleet, name, scope))
    for knob in knobs:
        for value in knob.values:
            if meets(knob.turn(fleet, value)):
                return (_change(fleet, knob, value),), None, ()
    strongest = fleet
    for knob in knobs:
        strongest = knob.turn(strongest, knob.values[-1])
    if meets(strongest):
        return tuple(_relaxed(fleet, strongest, knobs, meets)), None, ()
    least = reached(strongest)
    if least is None:
        return (), None, ()
    return (), least, tuple(_relaxed(fleet, strongest, knobs, partial(meets, most=_rounded(least))))


def _relaxed(fleet: Fleet, turned: Fleet, knobs: Sequence[_Knob], meets: Any) -> Iterator[Change]:
    """Each setting turned back as far as the aim allows, one after the other."""
    for knob in knobs:
        back = knob.turn(turned, _at(fleet, knob.path))
        if meets(back):
            turned = back
            continue
        value = next(value for value in knob.values if meets(knob.turn(turned, value)))
        turned = knob.turn(turned, value)
        yield _change(fleet, knob, value)


def _knobs(fleet: Fleet, name: str, scope: Scope) -> Iterator[_Knob]:
    """What can be set otherwise, for a loss of this scope."""
    if scope == "region":
        yield from _region_knobs(fleet, name)
    elif name in fleet.databases:
        if scope == "zone" and not fleet.databases[name].standby and fleet.databases[name].engine == "postgres":
            yield _Knob(("databases", name, "standby"), (True,))
    elif scope == "zone" and (balanced := fleet.balancer_of(name)) is not None:
        owner, balancer = balanced
        for setting, values in _MILDEST_FIRST:
            now = getattr(balancer, setting)
            smaller = tuple(value for value in values if now == "auto" or value < now)
            # Before a network balancer the idle time is AWS's own.
            if smaller and now != "auto" and not (setting == "idle_seconds" and balancer.kind == "network"):
                yield _Knob(("clusters", owner, "balancer", setting), smaller)


def _region_knobs(fleet: Fleet, name: str) -> Iterator[_Knob]:
    from quartermaster.fleet.schema.model import Dns

    postgres = name in fleet.postgres
    copied = any(rule.copy_to for rule in fleet.backups.rules)
    daily = next((index for index, rule in enumerate(fleet.backups.rules) if rule.on is None), None)
    if postgres and not copied and daily is not None:
        yield _Knob(("backups", "rules", daily, "copy_to"), ("recovery_region",))
    if fleet.network.recovery_cidr is None and (postgres or name in fleet.clusters):
        yield _Knob(("network", "recovery_cidr"), (_apart(fleet.network.cidr),))
    if name in fleet.clusters and fleet.dns is None and fleet.balancer_of(name) is not None:
        yield _Knob(("dns",), (Dns(zone="shop.example"),))


def _apart(cidr: IPv4Network) -> IPv4Network:
    """A private range of that size that does not meet it."""
    return next(
        other
        for block in ("10.0.0.0/8", "172.16.0.0/12")
        if IPv4Network(block).prefixlen <= cidr.prefixlen
        for other in IPv4Network(block).subnets(new_prefix=cidr.prefixlen)
        if other > cidr and not other.overlaps(cidr)
    )


def _listed(changes: Sequence[Change]) -> str:
    return "; ".join(f"{change.setting}: {change.value} (now {change.now})" for change in changes)


def _change(fleet: Fleet, knob: _Knob, value: Any) -> Change:
    now = _at(fleet, knob.path)
    return Change(dotted(knob.path), "none" if now is None else _text(now), _text(value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    zone = getattr(value, "zone", None)
    return f"{{zone: {zone}}}" if zone else str(value)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = getattr(value, str(step)) if isinstance(value, BaseModel) else value[step]
    return value


def _with(value: Any, path: Path, leaf: Any) -> Any:
    """A copy in which the path leads to the leaf."""
    if not path:
        return leaf
    step, rest = path[0], path[1:]
    below = _with(_at(value, (step,)), rest, leaf)
    if isinstance(value, tuple):
        return tuple(below if index == step else item for index, item in enumerate(value))
    if isinstance(value, dict):
        return {**value, step: below}
    return value.model_copy(update={step: below})


def _seconds(found: Best, metric: _Metric, *, surely: bool = False) -> float | None:
    return None if found.impossible else total(getattr(found, metric), surely=surely)
