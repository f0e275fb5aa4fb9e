"""What AWS refuses of an auto-scaling group, each with its source in tests/aws_facts.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.kind import Given

__all__ = ["refuse_group"]

_HEARTBEAT = range(30, 7201)
_TRANSITIONS = ("autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING")
_RESULTS = ("ABANDON", "CONTINUE")
_HOOKS = 50


def refuse_group(given: Given) -> Iterator[tuple[str, str]]:
    """(input, reason) of what AWS would not take. Values may be unknown."""
    low, high = given.get("minSize"), given.get("maxSize")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield "minSize", f"min {low} is above max {high}"
    grace = given.get("healthCheckGracePeriod")
    if isinstance(grace, int) and grace < 0:
        yield "healthCheckGracePeriod", f"{grace} seconds are none"
    if given.get("metricsGranularity", "1Minute") != "1Minute":
        yield "metricsGranularity", "1Minute is the only one there is"
    hooks = given.get("initialLifecycleHooks")
    for reason in _hooks(hooks) if isinstance(hooks, list) else ():
        yield "initialLifecycleHooks", reason
    pool = given.get("warmPool")
    for reason in _pool(pool) if isinstance(pool, dict) else ():
        yield "warmPool", reason


def _hooks(hooks: list[Any]) -> Iterator[str]:
    if len(hooks) > _HOOKS:
        yield f"{len(hooks)} hooks are more than {_HOOKS}"
    for hook in hooks:
        if (seconds := hook.get("heartbeatTimeout")) is not None and seconds not in _HEARTBEAT:
            yield f"a heartbeat timeout of {seconds} s is not {_HEARTBEAT.start} to {_HEARTBEAT.stop - 1}"
        if hook.get("lifecycleTransition") not in _TRANSITIONS:
            yield f"{hook.get('lifecycleTransition')!r} is none of {', '.join(_TRANSITIONS)}"
        if hook.get("defaultResult", "ABANDON") not in _RESULTS:
            yield f"{hook['defaultResult']!r} is none of {', '.join(_RESULTS)}"


def _pool(pool: dict[str, Any]) -> Iterator[str]:
    if pool.get("minSize", 0) < 0:
        yield f"a warm pool of at least {pool['minSize']}"
    if pool.get("maxGroupPreparedCapacity", -1) < -1:
        yield f"maxGroupPreparedCapacity {pool['maxGroupPreparedCapacity']} is less than -1"
    if pool.get("poolState", "Stopped") not in ("Hibernated", "Running", "Stopped"):
        yield f"{pool['poolState']!r} is none of Hibernated, Running, Stopped"
