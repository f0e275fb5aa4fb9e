"""What an instance refresh decides, on facts made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quartermaster.infra.local.groups import Facts, Member
from quartermaster.infra.local.refreshes import Preferences, Refresh, Turn, cancelled, turn


def member(name: str, *, old: bool = True, lifecycle: str = "InService", **facts: object) -> Member:
    values = {"zone": "a", "healthy": True, "ec2": "running", "launched_at": 0.0, **facts}
    return Member(id=name, lifecycle=lifecycle, current=not old, **values)  # type: ignore[arg-type]


OLD = tuple(member(f"i-{number}") for number in range(1, 5))
NEW = tuple(member(f"n-{number}", old=False) for number in range(1, 5))
WEB = Facts(name="web", desired=4, zones=("a",), members=OLD)
CHOSEN = frozenset(member.id for member in OLD)
BEGUN = Refresh("r-1", Preferences(min_healthy=75), target="2", status="InProgress", chosen=CHOSEN)


def next_turn(refresh: Refresh, *members: Member, now: float = 0.0, **changes: object) -> Turn:
    facts = replace(WEB, members=members or OLD, **changes)  # type: ignore[arg-type]
    return turn(refresh, facts, (), now, patience=600)


def having(**preferences: object) -> Refresh:
    return replace(BEGUN, preferences=replace(BEGUN.preferences, **preferences))  # type: ignore[arg-type]


def test_it_begins_by_choosing_whom_to_replace() -> None:
    begun = next_turn(Refresh("r-1", Preferences(), target="2")).refresh
    assert (begun.status, begun.chosen, begun.percentage) == ("InProgress", CHOSEN, 0)


def test_members_that_match_are_skipped_on_request() -> None:
    mixed = (*OLD[:1], *NEW[:3])
    begun = next_turn(Refresh("r-1", Preferences(skip_matching=True), target="2"), *mixed).refresh
    assert begun.chosen == {"i-1"}


def test_where_nothing_is_to_be_replaced_it_is_done() -> None:
    begun = next_turn(Refresh("r-1", Preferences(skip_matching=True), target="2"), *NEW).refresh
    done = next_turn(begun, *NEW).refresh
    assert (done.status, done.percentage) == ("Successful", 100)


@pytest.mark.parametrize(("least", "going"), [(75, 1), (50, 2), (0, 4), (90, 1), (100, 1)])
def test_a_batch_leaves_as_many_in_service_as_was_said_or_is_one(least: int, going: int) -> None:
    assert len(next_turn(having(min_healthy=least)).leave) == going


def test_nobody_else_leaves_before_the_new_host_serves() -> None:
    for lifecycle, facts in (("Pending", {}), ("InService", {"serving": False}), ("InService", {"healthy": False})):
        coming = member("n-1", old=False, lifecycle=lifecycle, **facts)
        assert next_turn(BEGUN, *OLD[1:], coming).leave == ()


def test_a_new_host_counts_after_its_warmup() -> None:
    coming = member("n-1", old=False, since=10.0)
    assert next_turn(having(warmup=30.0), *OLD[1:], coming, now=39).leave == ()
    after = next_turn(having(warmup=30.0), *OLD[1:], coming, now=40)
    assert len(after.leave) == 1
    assert after.refresh.percentage == 25


def test_above_hundred_percent_hosts_are_launched_first() -> None:
    first = having(min_healthy=100, max_healthy=125)
    assert next_turn(first) == Turn(first, (), 1)
    surplus = next_turn(first, *OLD, NEW[0])
    assert (len(surplus.leave), surplus.extra) == (1, 1)
    last = next_turn(first, OLD[3], *NEW)
    assert (last.leave, last.extra) == (("i-4",), 0)


def test_it_waits_at_a_checkpoint_for_its_delay() -> None:
    canary = having(checkpoints=(25, 100), checkpoint_delay=60, min_healthy=0)
    assert len(next_turn(canary).leave) == 1
    held = next_turn(canary, *OLD[1:], NEW[0], now=100)
    assert (held.leave, held.refresh.held_at) == ((), 100)
    assert next_turn(held.refresh, *OLD[1:], NEW[0], now=159).leave == ()
    free = next_turn(held.refresh, *OLD[1:], NEW[0], now=160).refresh
    assert len(next_turn(free, *OLD[1:], NEW[0], now=160).leave) == 3


def test_it_is_successful_when_all_new_hosts_serve_and_have_baked() -> None:
    baking = next_turn(having(bake=30.0), *NEW, now=5).refresh
    assert baking.status == "Baking"
    assert next_turn(baking, *NEW, now=34).refresh.status == "Baking"
    assert next_turn(baking, *NEW, now=35).refresh.status == "Successful"


@pytest.mark.parametrize(
    ("preferences", "one", "leaves"),
    [
        ({"protected": "Wait"}, {"protected": True}, False),
        ({"protected": "Refresh"}, {"protected": True}, True),
        ({"standby": "Wait"}, {"lifecycle": "Standby"}, False),
        ({"standby": "Terminate"}, {"lifecycle": "Standby"}, True),
    ],
)
def test_protected_members_and_those_in_standby_go_only_if_it_was_said(
    preferences: dict[str, object], one: dict[str, object], leaves: bool
) -> None:
    only = replace(having(min_healthy=0, **preferences), chosen=frozenset({"i-9"}))
    assert (next_turn(only, member("i-9", **one), *NEW[:3]).leave == ("i-9",)) is leaves  # type: ignore[arg-type]


def test_members_to_ignore_are_not_chosen() -> None:
    fresh = Refresh("r-1", Preferences(standby="Ignore", protected="Ignore"), target="2")
    spared = (member("i-1", protected=True), member("i-2", lifecycle="Standby"), *OLD[2:])
    assert next_turn(fresh, *spared).refresh.chosen == {"i-3", "i-4"}


def test_nothing_leaves_while_launching_is_suspended() -> None:
    assert next_turn(BEGUN, suspended=frozenset({"Launch"})).leave == ()


def test_a_cancelled_refresh_ends_when_what_it_began_serves() -> None:
    stopped = cancelled(BEGUN)
    coming = member("n-1", old=False, lifecycle="Pending")
    assert next_turn(stopped, *OLD[1:], coming).refresh.status == "Cancelling"
    ended = next_turn(stopped, *OLD[1:], NEW[0])
    assert (ended.refresh.status, ended.leave) == ("Cancelled", ())


def test_it_fails_when_it_comes_no_further() -> None:
    coming = member("n-1", old=False, lifecycle="Pending")
    failed = next_turn(BEGUN, *OLD[1:], coming, now=601).refresh
    assert (failed.status, failed.why) == ("Failed", "it came no further for 600 s")


def test_an_alarm_sends_it_back_where_there_is_a_way() -> None:
    watched = replace(having(alarms=("errors",), auto_rollback=True), before="1", done=1)
    back = turn(watched, WEB, ("errors", "other"), 0.0, patience=600).refresh
    assert (back.status, back.target, back.why) == ("RollbackInProgress", "1", "alarm errors went off")
    was_new, was_old = replace(NEW[0], current=False), [replace(m, current=True) for m in OLD[1:]]
    counted = next_turn(back, was_new, *was_old).refresh
    assert counted.chosen == {"n-1"}
    assert next_turn(counted, *(replace(m, current=True) for m in OLD)).refresh.status == "RollbackSuccessful"
    assert turn(replace(watched, before=""), WEB, ("errors",), 0.0, patience=600).refresh.status == "Failed"


def test_checkpoints_are_parts_of_the_whole_group_what_matches_counted() -> None:
    mixed = (*OLD[:2], *NEW[:2])
    begun = next_turn(Refresh("r-1", Preferences(0, skip_matching=True, checkpoints=(75, 100)), target="2"), *mixed)
    assert (begun.refresh.percentage, begun.refresh.total) == (50, 2)
    assert len(next_turn(begun.refresh, *mixed).leave) == 1  # the first of two: three of four are new then


def test_the_last_checkpoint_is_the_end_of_it() -> None:
    half = replace(having(checkpoints=(50,), min_healthy=0))
    assert len(next_turn(half).leave) == 2
    assert next_turn(half, *OLD[2:], *NEW[:2]).refresh.status == "Successful"
