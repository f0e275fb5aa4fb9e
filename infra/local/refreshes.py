"""An instance refresh: the hosts of a group replaced batch by batch. A pure decision over frozen facts.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-refresh.html and
instance-refresh-overview.html, understand-instance-refresh-default-values.html,
asg-adding-checkpoints-instance-refresh.html: checkpoints are parts of the whole group, hosts that match counted.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from quartermaster.infra.local.groups import Facts, Member, victims

__all__ = ["BUSY", "Preferences", "Refresh", "Turn", "cancelled", "turn"]

BUSY = ("Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress")
"""States of a refresh that is not over; a group has one such at most."""
_NEEDED = frozenset({"InstanceRefresh", "Launch", "Terminate"})


@dataclass(frozen=True, slots=True)
class Preferences:
    """How to replace; AWS's defaults."""

    min_healthy: int = 90
    """Percent of desired that stays in service; where that is all of them, one goes at a time all the same."""
    max_healthy: int = 100
    """Above 100: so many percent may run, and hosts are launched before others are terminated."""
    warmup: float = 0.0
    """Seconds in service before a new host counts."""
    checkpoints: tuple[int, ...] = ()
    """Percentages at which to wait."""
    checkpoint_delay: float = 3600.0
    bake: float = 0.0
    skip_matching: bool = False
    standby: str = "Wait"
    protected: str = "Wait"
    auto_rollback: bool = False
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh at one instant."""

    id: str
    preferences: Preferences
    target: str
    """Template version that hosts are replaced by."""
    before: str = ""
    """Version that a rollback goes back to; empty: there is no way back."""
    status: str = "Pending"
    why: str = ""
    chosen: frozenset[str] | None = None
    """Members to replace; None until they are counted."""
    matched: int = 0
    """Members that were of the target already and stay."""
    done: int = 0
    """Of those to replace, how many are replaced by one that serves."""
    passed: int = 0
    """Checkpoints behind it."""
    held_at: float | None = None
    """When it came to the checkpoint, or to baking, at which it waits."""
    moved_at: float = 0.0
    """When it last came further."""

    @property
    def total(self) -> int:
        """Members to replace, in all."""
        return len(self.chosen or ())

    @property
    def bound(self) -> int:
        """How many are replaced in all: the last checkpoint is the end, be it 100 % or less."""
        return self.upto(self.preferences.checkpoints[-1] if self.preferences.checkpoints else 100)

    def upto(self, percent: int) -> int:
        """How many are to be replaced until so much of the whole group is new."""
        return max(0, math.ceil((self.total + self.matched) * percent / 100) - self.matched)

    @property
    def percentage(self) -> int:
        """How much of the whole group is new."""
        if self.total:
            return 100 * (self.done + self.matched) // (self.total + self.matched)
        return 100 if self.status in ("Successful", "RollbackSuccessful") else 0

    @property
    def busy(self) -> bool:
        """Is it not over?"""
        return self.status in BUSY

    def back(self, why: str, now: float) -> Refresh:
        """The same refresh on its way back."""
        preferences = replace(self.preferences, checkpoints=(), bake=0.0, skip_matching=True, alarms=())
        return replace(
            self, status="RollbackInProgress", why=why, target=self.before, preferences=preferences, chosen=None,
            matched=0, done=0, passed=0, held_at=None, moved_at=now,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turn:
    """What comes next: the refresh after it, members to terminate, and hosts wanted above desired."""

    refresh: Refresh
    leave: tuple[str, ...] = ()
    extra: int = 0


def turn(refresh: Refresh, facts: Facts, alarms: Collection[str], now: float, *, patience: float) -> Turn:
    """One turn. ``facts.members`` are current by the refresh's target; ``alarms`` are those in state ALARM.

    A refresh that comes no further for ``patience`` seconds has failed.
    """
    if refresh.chosen is None:
        status = "InProgress" if refresh.status == "Pending" else refresh.status
        chosen = frozenset(member.id for member in facts.members if _is_meant(refresh.preferences, member))
        matched = sum(member.current and member.id not in chosen for member in facts.members)
        return Turn(replace(refresh, status=status, chosen=chosen, matched=matched, moved_at=now))
    left = [m for m in facts.members if m.id in refresh.chosen and not m.lifecycle.startswith("Terminating")]
    ready = [m for m in facts.members if _is_ready(refresh, m, now)]
    missing = max(0, facts.desired - len(ready))
    done = max(0, refresh.total - len(left) - missing)
    if done != refresh.done:
        refresh = replace(refresh, done=done, moved_at=now)
    if refresh.status == "Cancelling":
        return Turn(refresh if missing else replace(refresh, status="Cancelled"))
    if ringing := sorted({*refresh.preferences.alarms} & {*alarms}):
        return _fail(refresh, f"alarm {', '.join(ringing)} went off", now)
    if refresh.done >= refresh.bound and not missing:
        return _finish(refresh, now)
    bound, held = _checkpoint(refresh, now)
    if held is not None:
        return Turn(held)
    if now - refresh.moved_at > patience:
        return _fail(refresh, f"it came no further for {patience:g} s", now)
    if facts.suspended & _NEEDED:
        return Turn(refresh)
    return _batch(refresh, facts, left, len(ready), bound)


def cancelled(refresh: Refresh) -> Refresh:
    """The refresh told to stop: it begins nothing more and ends when what it began is in service."""
    return replace(refresh, status="Cancelling", why="CancelInstanceRefresh was called")


def _is_meant(preferences: Preferences, member: Member) -> bool:
    if member.lifecycle.startswith("Terminating") or (preferences.skip_matching and member.current):
        return False
    if member.lifecycle in ("Standby", "EnteringStandby"):
        return preferences.standby != "Ignore"
    return not (member.protected and preferences.protected == "Ignore")


def _is_ready(refresh: Refresh, member: Member, now: float) -> bool:
    if member.lifecycle != "InService" or not member.healthy or not member.serving:
        return False
    new = member.current and member.id not in (refresh.chosen or ())
    return not new or now - member.since >= refresh.preferences.warmup


def _checkpoint(refresh: Refresh, now: float) -> tuple[int, Refresh | None]:
    """How many may be replaced by the next checkpoint, and the refresh while it waits there."""
    points = refresh.preferences.checkpoints[:-1]
    if refresh.passed >= len(points):
        return refresh.bound, None
    bound = refresh.upto(points[refresh.passed])
    if refresh.done < bound:
        return bound, None
    since = now if refresh.held_at is None else refresh.held_at
    if now - since < refresh.preferences.checkpoint_delay:
        why = f"waits at the checkpoint of {points[refresh.passed]} %"
        return bound, replace(refresh, held_at=since, moved_at=now, why=why)
    further = replace(refresh, passed=refresh.passed + 1, held_at=None, moved_at=now, why="")
    return bound, further


def _batch(refresh: Refresh, facts: Facts, left: list[Member], ready: int, bound: int) -> Turn:
    preferences = refresh.preferences
    open_ = min(len(left), bound - (refresh.total - len(left)))
    """Those that may still be told to leave before the next checkpoint."""
    surplus = max(1, facts.desired * preferences.max_healthy // 100 - facts.desired)
    extra = min(surplus, open_) if preferences.max_healthy > 100 else 0
    room = ready - math.ceil(facts.desired * preferences.min_healthy / 100)
    if room <= 0 and not extra and ready >= facts.desired:
        room = 1  # else a group that keeps all its hosts in service would never begin
    able = [_freed(preferences, member) for member in left if _may_leave(preferences, member)]
    going = victims(able, max(0, min(room, open_)))
    return Turn(refresh, tuple(member.id for member in going), min(extra, open_ - len(going)))


def _may_leave(preferences: Preferences, member: Member) -> bool:
    if member.lifecycle == "Standby":
        return preferences.standby == "Terminate"
    return member.lifecycle == "InService" and (not member.protected or preferences.protected == "Refresh")


def _freed(preferences: Preferences, member: Member) -> Member:
    """``victims`` spares protected members; here the refresh has been told not to."""
    return replace(member, protected=False) if preferences.protected == "Refresh" else member


def _finish(refresh: Refresh, now: float) -> Turn:
    if refresh.status == "RollbackInProgress":
        return Turn(replace(refresh, status="RollbackSuccessful"))
    since = now if refresh.status != "Baking" or refresh.held_at is None else refresh.held_at
    if now - since < refresh.preferences.bake:
        return Turn(replace(refresh, status="Baking", held_at=since, moved_at=now, why=""))
    return Turn(replace(refresh, status="Successful", why=""))


def _fail(refresh: Refresh, why: str, now: float) -> Turn:
    if refresh.status == "RollbackInProgress":
        return Turn(replace(refresh, status="RollbackFailed", why=why))
    if refresh.preferences.auto_rollback and refresh.before:
        return Turn(refresh.back(why, now))
    return Turn(replace(refresh, status="Failed", why=why))
