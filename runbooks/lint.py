"""The lint of recovery objectives: what drills measured, and the verdicts as people and machines read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from quartermaster.fleet.events import Json
from quartermaster.fleet.objectives import Measured, counting, detection_seconds, earliest_detection_seconds
from quartermaster.fleet.reach import Verdict, as_declared
from quartermaster.fleet.schema import Fleet

__all__ = ["document", "measured", "ready", "sentence"]

_LAST = 5
"""Drills that are looked back at: the slowest of them counts, as the next one may be like it."""
_LOSES_HOSTS = ("instance_loss", "zone_outage")
_READY = ("act", "converge")
"""Phases of a drill that loses hosts: from the launch of their replacements until those serve."""


def measured(results: Iterable[Mapping[str, Any]]) -> Measured:
    """What the drills of one stack measured, from their results, newest first.

    How long a host takes counts from wherever it was measured. How long databases take the local cloud shortens, so
    for those only what was proven on AWS counts.
    """
    whole = [result for result in results if result.get("rto_seconds") is not None]
    proven = [result for result in whole if result.get("evidence") == "proven"]
    return Measured(
        lead=ready(whole),
        failover=_slowest([*proven, *_hit(proven)], ("failover",), _recovered),
        restore=_slowest(proven, ("restore",), _recovered),
    )


def ready(results: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds from the launch of new hosts until they serve, by cluster: the slowest of its last drills.

    ``results`` newest first.
    """
    whole = (result for result in results if result.get("rto_seconds") is not None)
    return _slowest(whole, _LOSES_HOSTS, _until_ready)


def document(fleet: Fleet, found: Iterable[Verdict], known: Measured) -> dict[str, Json]:
    """``ops drill lint --json``."""
    objectives = [_verdict(one) for one in found]
    balancers = {name: cluster.balancer for name, cluster in fleet.clusters.items() if cluster.balancer is not None}
    return {
        "objectives": objectives,
        "unreachable": sum(one["reachable"] is False for one in objectives),
        "unproven": sum(one["reachable"] is None for one in objectives),
        "detection_seconds": {
            name: {"earliest": earliest_detection_seconds(balancer), "latest": detection_seconds(balancer)}
            for name, balancer in balancers.items()
        },
        "measured": {"lead": dict(known.lead), "failover": dict(known.failover), "restore": dict(known.restore)},
    }


def sentence(one: Verdict) -> str:
    """The sum in words."""
    if one.impossible:
        return one.impossible
    parts = [
        f"{as_declared(term.seconds)} {term.what}" + (f" ({term.basis})" if term.basis != "setting" else "")
        for term, counts in counting(one.terms)
        if counts
    ]
    return " + ".join(parts)


def _verdict(one: Verdict) -> dict[str, Json]:
    return {
        "name": one.name,
        "scope": one.scope,
        "metric": one.metric,
        "objective_seconds": one.objective_seconds,
        "best_seconds": one.best_seconds,
        "surely_seconds": one.surely_seconds,
        "reachable": one.reachable,
        "terms": [
            {"what": term.what, "seconds": term.seconds, "basis": term.basis, "setting": term.setting, "counts": counts}
            for term, counts in counting(one.terms)
        ],
        "impossible": one.impossible,
        "changes": [{"setting": c.setting, "now": c.now, "value": c.value} for c in one.changes],
        "remedy": one.remedy,
    }


def _slowest(
    results: Iterable[Mapping[str, Any]], kinds: Sequence[str], seconds: Callable[[Mapping[str, Any]], float | None]
) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for result in results:
        value = seconds(result) if result.get("kind") in kinds else None
        if value is not None:
            found.setdefault(str(result["of"]), []).append(value)
    return {name: max(values[:_LAST]) for name, values in found.items()}


def _hit(results: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """What outages of a zone tell of each that they hit, as drills of its own."""
    for result in results:
        subjects = (result.get("detail") or {}).get("subjects", {}) if result["kind"] == "zone_outage" else {}
        for name, found in subjects.items():
            if found["rto_seconds"] is not None:
                yield {**found, "kind": "failover", "of": name}


def _recovered(result: Mapping[str, Any]) -> float | None:
    return float(result["rto_seconds"])


def _until_ready(result: Mapping[str, Any]) -> float | None:
    phases = result.get("rto_phases")
    known = phases if isinstance(phases, Mapping) else {}
    taken = [float(known[phase]) for phase in _READY if isinstance(known.get(phase), int | float)]
    return sum(taken) if len(taken) == len(_READY) else None
