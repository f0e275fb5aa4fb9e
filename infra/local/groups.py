"""What an auto-scaling group does next: a pure decision over frozen facts.

States and their order follow https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
and lifecycle-hooks-overview.html: a terminating instance is deregistered and drained first, its hook comes after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Facts", "Hook", "Member", "Step", "decide", "emptiest_zone", "victims"]

_COUNTED = ("Pending", "Pending:Wait", "Pending:Proceed", "InService")
_GONE = ("terminated", "gone")


@dataclass(frozen=True, slots=True)
class Hook:
    """A lifecycle hook under way at a member, or declared by the group."""

    name: str
    deadline: float = 0.0
    default: str = "ABANDON"
    result: str = ""
    """CONTINUE or ABANDON once someone completed it."""


@dataclass(frozen=True, slots=True)
class Member:
    """An instance of the group."""

    id: str
    zone: str
    lifecycle: str
    healthy: bool
    ec2: str
    """The instance's EC2 state; ``gone`` when EC2 knows it no more."""
    launched_at: float
    current: bool = True
    """Made from the template version that the group names now."""
    protected: bool = False
    from_standby: bool = False
    draining: bool = False
    """Some target group's deregistration delay still runs for it."""
    hook: Hook | None = None
    since: float = 0.0
    """When it came to its lifecycle state."""
    serving: bool = True
    """Every balancer that the group is behind calls it healthy."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A group at one instant."""

    name: str
    desired: int
    zones: tuple[str, ...]
    """Zones in which it may launch now: those cut off are left out, as a launch there fails."""
    members: tuple[Member, ...] = ()
    suspended: frozenset[str] = frozenset()
    launch_hooks: tuple[Hook, ...] = ()
    terminate_hooks: tuple[Hook, ...] = ()
    rebalancing: bool = False
    """A surplus instance was launched to even out the zones and is not in service yet."""
    extra: int = 0
    """So many above desired, while a replacement of hosts launches before it terminates."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the group does."""

    kind: str
    """launch (``to`` = zone), move (``to`` = lifecycle state), hook (``to`` = hook name), terminate, remove,
    rebalance (``to`` = zone) or rebalanced."""
    member: str = ""
    to: str = ""
    why: str = field(default="", compare=False)


def decide(facts: Facts, now: float) -> list[Step]:
    """The group's next steps; steps of one call concern different members. Pure."""
    steps: list[Step] = []
    for member in facts.members:
        step = _advance(facts, member, now)
        if step is not None:
            steps.append(step)
    leaving = {step.member for step in steps if step.to.startswith("Terminating")}
    return steps + _size(facts, leaving)


def emptiest_zone(zones: Sequence[str], counted: Counter[str]) -> str:
    """The zone with the fewest counted members, the first of those in the group's order."""
    return min(zones, key=lambda zone: (counted[zone], zones.index(zone)))


def victims(members: Sequence[Member], surplus: int) -> list[Member]:
    """Whom scale-in takes: the fullest zone first, in it old template versions, then the longest running.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html (default policy)
    """
    left = [member for member in members if not member.protected]
    taken: list[Member] = []
    while left and len(taken) < surplus:
        zones = Counter(member.zone for member in left)
        chosen = min(left, key=lambda member: (-zones[member.zone], member.current, member.launched_at, member.id))
        left.remove(chosen)
        taken.append(chosen)
    return taken


def _advance(facts: Facts, member: Member, now: float) -> Step | None:
    state = member.lifecycle
    if state.startswith("Terminating"):
        return _terminating(facts, member, now)
    if member.ec2 in _GONE and state in ("Standby", "EnteringStandby"):
        return Step("remove", member.id, why="its EC2 instance is gone")
    if state == "EnteringStandby":
        return None if member.draining else Step("move", member.id, "Standby", why="drained")
    if state == "Standby":
        return None
    if "Terminate" in facts.suspended and state == "InService":
        return None
    if not member.healthy and "ReplaceUnhealthy" not in facts.suspended:
        return Step("move", member.id, "Terminating", why="it was taken out of service in response to a health check")
    if state.startswith("Pending"):
        return _pending(facts, member, now)
    return None


def _pending(facts: Facts, member: Member, now: float) -> Step | None:
    if member.ec2 in ("shutting-down", "stopping", "stopped", *_GONE):
        return Step("move", member.id, "Terminating", why=f"its launch failed: the instance is {member.ec2}")
    if member.lifecycle == "Pending":
        if member.ec2 != "running":
            return None
        if facts.launch_hooks and not member.from_standby:
            return Step("hook", member.id, facts.launch_hooks[0].name)
        return Step("move", member.id, "InService", why="it is running")
    if member.lifecycle == "Pending:Wait" and member.hook is not None:
        result = member.hook.result or (member.hook.default if now >= member.hook.deadline else "")
        if result == "ABANDON":
            how = "was abandoned" if member.hook.result else "ran into its heartbeat timeout"
            return Step("move", member.id, "Terminating", why=f"lifecycle hook {member.hook.name} {how}")
        if result == "CONTINUE":
            names = [hook.name for hook in facts.launch_hooks]
            at = names.index(member.hook.name) + 1 if member.hook.name in names else len(names)
            return Step("hook", member.id, names[at]) if at < len(names) else Step("move", member.id, "Pending:Proceed")
        return None
    return Step("move", member.id, "InService", why="its launch hooks are complete")


def _terminating(facts: Facts, member: Member, now: float) -> Step | None:
    if member.ec2 in _GONE:
        return Step("remove", member.id, why="terminated")
    if member.lifecycle == "Terminating:Wait" and member.hook is not None:
        done = member.hook.result or now >= member.hook.deadline
        return Step("move", member.id, "Terminating:Proceed") if done else None
    if member.draining or member.ec2 == "shutting-down":
        return None
    if member.lifecycle == "Terminating" and facts.terminate_hooks:
        return Step("hook", member.id, facts.terminate_hooks[0].name)
    return Step("terminate", member.id)


def _size(facts: Facts, leaving: set[str]) -> list[Step]:
    wanted = facts.desired + facts.extra
    counted = [m for m in facts.members if m.lifecycle in _COUNTED and m.id not in leaving]
    zones = Counter(member.zone for member in counted)
    waiting = any(member.lifecycle.startswith("Pending") for member in counted)
    if len(counted) < wanted:
        if "Launch" in facts.suspended or not facts.zones:
            return []
        steps = []
        for _ in range(wanted - len(counted)):
            zone = emptiest_zone(facts.zones, zones)
            zones[zone] += 1
            why = f"the group has {len(counted)} of {wanted} instances"
            steps.append(Step("launch", to=zone, why=why))
        return steps
    if len(counted) > wanted:
        if facts.rebalancing and waiting:
            return []
        if facts.rebalancing:
            return [Step("rebalanced")]
        if "Terminate" in facts.suspended:
            return []
        why = f"the group has {len(counted)} of {wanted} instances"
        surplus = victims(counted, len(counted) - wanted)
        return [Step("move", member.id, "Terminating", why=why) for member in surplus]
    return _rebalance(facts, zones, waiting)


def _rebalance(facts: Facts, zones: Counter[str], waiting: bool) -> list[Step]:
    if facts.rebalancing:
        return [Step("rebalanced")]
    if waiting or len(facts.zones) < 2 or facts.suspended & {"AZRebalance", "Launch", "Terminate"}:
        return []
    low = emptiest_zone(facts.zones, zones)
    if max(zones[zone] for zone in facts.zones) - zones[low] < 2:
        return []
    return [Step("rebalance", to=low, why="instances were not balanced across Availability Zones")]
