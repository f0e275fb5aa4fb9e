"""A person walks a runbook: steps are confirmed, skipped, stopped at, taken up again, taken back; all is journalled."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import pytest

from quartermaster.fleet.errors import LeaseLost, OpsError, Stopped
from quartermaster.fleet.events import Event, StepFinished, StepStarted
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.runbooks import drill, walk
from quartermaster.runbooks.document import Step, parse
from quartermaster.runbooks.execute import HEAL
from quartermaster.runbooks.walk import Answer
from tests.runbooks.rehearsal import a_plan, assert_whole, finish, hands, start
from tests.runbooks.world import FakeWorld, a_group
from tests.runbooks.zone_world import ZoneWorld
from tests.runbooks.zone_world import a_plan as zone_plan
from tests.runbooks.zone_world import hands as zone_hands

STEPS = ["steady_before", "lose", "give_up", "launch", "converge", "whole", "stays"]
Result = Mapping[str, Any]


class Scripted:
    """Lets ops do what there is to do, but for the steps that it has other answers to."""

    def __init__(self, **answers: list[Answer | Callable[[], Answer]]) -> None:
        self.answers = answers
        self.seen: list[tuple[str, str]] = []

    def asked(self, step: Step, trouble: str) -> Answer:
        self.seen.append((step.name, trouble))
        given = self.answers.get(step.name)
        if not given:
            return Answer("ops" if step.command.name == "kill_host" else "done")
        answer = given.pop(0)
        return answer if isinstance(answer, Answer) else answer()


def begin(world: FakeWorld, journal: Journal, person: Scripted) -> Generator[Event, None, Result]:
    plan = a_plan(world)
    return walk.walk(plan, journal=journal, leases=Leases(journal.engine), hands=hands(world), person=person)


def again(world: FakeWorld, journal: Journal, person: Scripted) -> Generator[Event, None, Result]:
    (row,) = walk.unfinished(journal, stack="dev")
    return walk.go_on(row, journal=journal, leases=Leases(journal.engine), hands=hands(world), person=person)


def ended(events: Generator[Event, None, Result]) -> tuple[list[Event], Result]:
    return finish(events)  # type: ignore[arg-type,return-value]


def done(journal: Journal, run: str) -> list[tuple[str, str]]:
    """Finished steps and who did them."""
    events = [recorded.event for recorded in journal.events(run)]
    return [(event.step, event.detail.get("by", "")) for event in events if isinstance(event, StepFinished)]


def test_a_walk_leaves_the_events_of_a_drill_and_says_who_did_what(journal: Journal) -> None:
    world = FakeWorld()
    _, result = ended(begin(world, journal, Scripted()))
    assert done(journal, result["run"]) == [(step, "ops" if step == "lose" else "person") for step in STEPS]
    drilled, _ = finish(start(a_plan(other := FakeWorld()), other, journal))
    walked = [recorded.event for recorded in journal.events(result["run"])]
    assert [(event.kind, event.step) for event in walked] == [(event.kind, event.step) for event in drilled]
    assert (result["by"], result["skipped"], result["restored"]) == ("person", [], True)
    assert result["rto_seconds"] == pytest.approx(sum(result["rto_phases"].values()))
    assert journal.broken_at() is None


def test_a_walk_is_no_drill(journal: Journal) -> None:
    _, result = ended(begin(FakeWorld(), journal, Scripted()))
    row = journal.run(result["run"])
    assert (row.kind, row.state) == ("runbook", "done")
    assert journal.runs(drill.RUN_KIND) == []


def test_what_a_person_does_by_hand_ops_does_not_do_and_the_clock_runs_meanwhile(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)

    def by_hand() -> Answer:
        world.sleep(40)  # looks for the cable
        world.kill_host(plan.host)
        return Answer("done")

    _, result = ended(begin(world, journal, Scripted(lose=[by_hand])))
    assert ("lose", "person") in done(journal, result["run"])
    assert result["rto_phases"]["detect"] == pytest.approx(40 + world.noticed_after, abs=1)


def test_a_skipped_step_keeps_its_reason_and_there_is_no_recovery_time(journal: Journal) -> None:
    world = FakeWorld()
    world.kill_host(a_plan(world).host)  # it happened for real, that is why somebody walks
    person = Scripted(steady_before=[Answer("skip", "it burns")], lose=[Answer("skip", "it is lost already")])
    _, result = ended(begin(world, journal, person))
    assert result["skipped"] == [
        {"step": "steady_before", "reason": "it burns"},
        {"step": "lose", "reason": "it is lost already"},
    ]
    assert (result["rto_seconds"], result["objective_met"], result["restored"]) == (None, None, True)
    assert journal.run(result["run"]).state == "done"


def test_stopped_it_goes_on_from_that_step_and_nothing_is_done_twice(journal: Journal) -> None:
    world = FakeWorld()
    with pytest.raises(Stopped, match=r"^stopped at step 4: The group launches another$"):
        ended(begin(world, journal, Scripted(launch=[Answer("stop")])))
    (row,) = walk.unfinished(journal, stack="dev")
    left = walk.left_at(row, journal)
    assert left is not None and left.name == "launch"
    person = Scripted()
    _, result = ended(again(world, journal, person))
    assert [step for step, _ in person.seen] == STEPS[3:]
    assert [step for step, _ in done(journal, row.id)] == STEPS
    assert (result["rto_seconds"], result["restored"]) == (None, True)
    assert journal.run(row.id).state == "done"
    assert walk.unfinished(journal) == []


@pytest.mark.parametrize("cut", range(1, 14, 3))
def test_cut_short_anywhere_it_goes_on_and_kills_once(cut: int, journal: Journal) -> None:
    world = FakeWorld()
    events = begin(world, journal, Scripted())
    for _ in range(cut):
        next(events)
    events.close()
    _, result = ended(again(world, journal, Scripted(lose=[Answer("done" if world.killed else "ops")])))
    assert (len(world.killed), result["restored"], result["rto_seconds"]) == (1, True, None)
    assert_whole(world, a_plan(FakeWorld()))


def test_a_night_between_two_steps_is_no_recovery_time(journal: Journal) -> None:
    world = FakeWorld()
    events = begin(world, journal, Scripted())
    while next(events).step != "give_up":
        pass
    while not isinstance(next(events), StepFinished):
        pass
    events.close()
    world.sleep(36_000)
    _, result = ended(again(world, journal, Scripted()))
    assert (result["rto_seconds"], result["restored"]) == (None, True)


def test_ctrl_c_at_the_question_leaves_a_walk_to_be_taken_up(journal: Journal) -> None:
    def interrupted() -> Answer:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ended(begin(FakeWorld(), journal, Scripted(give_up=[interrupted])))
    (row,) = walk.unfinished(journal)
    assert row.state == "stopped"
    assert not Leases(journal.engine).held()


def test_a_probe_that_does_not_hold_in_time_is_told_and_asked_about_again(journal: Journal) -> None:
    world = FakeWorld(noticed_after=200.0, given_up_after=210.0, launched_after=215.0)  # the limit is 120 s
    person = Scripted(lose=[Answer("ops"), Answer("done")])
    _, result = ended(begin(world, journal, person))
    (_, first), (_, second) = [seen for seen in person.seen if seen[0] == "lose"]
    assert first == ""
    assert "did not hold within 120 s" in second
    assert (len(world.killed), result["rto_seconds"]) == (1, None)


def test_taken_back_everything_is_as_before(journal: Journal) -> None:
    world = FakeWorld()
    events, result = ended(begin(world, journal, Scripted(give_up=[Answer("back")])))
    assert [event.step for event in events if isinstance(event, StepStarted)][-1] == HEAL
    assert (result["restored"], journal.run(result["run"]).state) == (True, "recovered")
    assert_whole(world, a_plan(FakeWorld()))


def test_where_a_guard_refuses_ops_does_nothing_and_the_person_may(journal: Journal) -> None:
    world = FakeWorld(now_group=a_group(1))
    lost = a_plan(world).host

    def by_hand() -> Answer:
        world.kill_host(lost)
        return Answer("done")

    person = Scripted(lose=[Answer("ops"), by_hand])
    ended(begin(world, journal, person))
    assert person.seen[2][1] == "a guard refuses the drill now, so ops does no step of it itself"
    assert list(world.killed) == [lost]


def test_what_ops_does_for_a_person_is_asked_of_the_world_first(journal: Journal) -> None:
    world = FakeWorld()
    lost = a_plan(world).host

    def too_late() -> Answer:
        world.kill_host(lost)
        world.sleep(30)
        return Answer("ops")

    person = Scripted(lose=[too_late, Answer("done")])
    ended(begin(world, journal, person))
    assert "the world has moved since the plan" in person.seen[2][1]


def test_whoever_thought_until_the_lease_was_broken_lets_ops_do_nothing(journal: Journal) -> None:
    def thoughtful() -> Answer:
        Leases(journal.engine).break_scope("dev/cluster/web", reason="nobody answers there")
        return Answer("ops")

    world = FakeWorld()
    with pytest.raises(LeaseLost):
        ended(begin(world, journal, Scripted(lose=[thoughtful])))
    assert world.killed == {}
    assert len(walk.unfinished(journal)) == 1


@pytest.mark.parametrize("back", ["", "give_up", "serve"])
def test_a_zone_is_walked_by_its_own_commands_and_connected_again(back: str, journal: Journal) -> None:
    world = ZoneWorld()
    ours = {"cut_off": [Answer("ops")], "as_before": [Answer("ops")]} | ({back: [Answer("back")]} if back else {})
    person = Scripted(**ours)
    tools = zone_hands(world)
    _, result = ended(
        walk.walk(zone_plan(world), journal=journal, leases=Leases(journal.engine), hands=tools, person=person)
    )
    assert (result["restored"], world.heals) == (True, 1)
    assert journal.run(result["run"]).state == ("recovered" if back else "done")
    assert {trouble for _, trouble in person.seen} == {""}


def test_two_do_not_walk_one_cluster(journal: Journal) -> None:
    world = FakeWorld()
    first = begin(world, journal, Scripted())
    next(first)
    with pytest.raises(OpsError, match="dev/cluster/web"):
        ended(begin(world, journal, Scripted()))
    first.close()


def test_the_step_says_all_that_is_shown_to_the_person() -> None:
    lose = parse(a_plan(FakeWorld()).document).step("lose")
    assert lose.by_hand == f"`ops local fail host {a_plan(FakeWorld()).host}`"
    assert lose.expected_words.startswith("the balancer no longer calls it healthy")
