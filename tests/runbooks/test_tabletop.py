"""A table-top asks what the fleet gives reason to ask, keeps the answers with their time, and touches nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import MissingPart
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.runbooks import drill
from quartermaster.runbooks.document import parse
from quartermaster.runbooks.evidence import DrillResult
from quartermaster.runbooks.kinds.tabletop import questions
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.scene import Scene
from tests.runbooks.rehearsal import finish, hands
from tests.runbooks.world import MONDAY, FakeWorld

TEXT = """\
fleet: shop
recovery_region: eu-central-1
stacks: {dev: {target: local}}
clusters: {web: {size: {min: 6, max: 12}, balancer: {}, uses: [orders]}, jobs: {size: {min: 3, max: 3}}}
databases: {orders: {engine: postgres, version: "16", instance: db.m6i.large, storage_gib: 20}}
notify: [{kind: webhook, url: secret:NOTIFY_URL}]
recovery:
  web: {zone: {rto: 5m}}
  orders: {zone: {rto: 5m, rpo: 0s}, data_loss: {rto: 120m, rpo: 5m}, region: {rto: 60m, rpo: 15m}}
  checks: {orders: ["select 1"]}
"""


class Table:
    """Answers everything, a minute each."""

    people = ("Ada", "Ben")

    def __init__(self, world: FakeWorld) -> None:
        self.answers: dict[str, Any] = {}
        self._world = world

    def ask(self, question: Mapping[str, str], limit_seconds: float) -> None:
        self._world.sleep(60)
        self.answers[question["id"]] = {"answer": f"of {question['title']}", "seconds": 60.0}


def a_fleet() -> Fleet:
    return read_text(TEXT).fleet


def a_plan(of: str) -> DrillPlan:
    return drill.plan("tabletop", of, scene=Scene(), fleet=a_fleet(), stack="dev", now=MONDAY)


def run(of: str, journal: Journal, world: FakeWorld) -> DrillResult:
    tools = replace(hands(world), table=Table(world))
    return finish(drill.run(a_plan(of), journal=journal, leases=Leases(journal.engine), hands=tools))[1]


def test_a_table_without_people_says_how_to_sit_down(journal: Journal) -> None:
    tools = hands(FakeWorld())
    with pytest.raises(MissingPart) as refused:
        finish(drill.run(a_plan("web"), journal=journal, leases=Leases(journal.engine), hands=tools))
    told = "error: nobody sits at the table\n  remedy: run it in a terminal, or give --answers FILE\n"
    assert render(refused.value) == told


def test_each_scope_with_an_objective_has_its_questions() -> None:
    assert [question.id for question in questions(a_fleet(), "orders")] == [
        "called", "document", "zone_alarm", "zone_left", "zone_command", "loss_age", "loss_command",
        "region_decide", "region_command", "change",
    ]  # fmt: skip
    assert not any(question.id.startswith(("loss", "region")) for question in questions(a_fleet(), "web"))


def test_an_address_that_the_file_says_is_woken_by_alarms() -> None:
    told = read_text(TEXT.replace("secret:NOTIFY_URL", "https://hooks.shop.example/x")).fleet
    assert "alarms wake webhook; " in questions(told, "web")[0].known


def test_of_the_fleet_all_with_objectives_are_asked_about() -> None:
    asked = [question.id for question in questions(a_fleet(), "shop")]
    assert asked[:3] == ["called", "document", "web_zone_alarm"]
    assert {"web_zone_left", "orders_zone_left", "orders_region_command"} < set(asked)
    assert len(asked) == len(set(asked))
    assert [step.name for step in parse(a_plan("shop").document).steps] == asked


def test_without_an_objective_the_loss_of_a_zone_is_asked_about() -> None:
    assert "zone_alarm" in {question.id for question in questions(a_fleet(), "jobs")}


@pytest.mark.parametrize(
    ("of", "question", "says"),
    [
        ("web", "called", "alarms wake nobody: fleet.yaml subscribes no one"),
        ("web", "called", "of its own runs `ops` tells webhook"),
        ("web", "zone_alarm", "web-errors (more than 1 % answered with a 5xx) within 5 minutes, then web-unhealthy"),
        ("orders", "zone_alarm", "web-errors (more than 1 % answered with a 5xx) within 5 minutes, then orders-cpu"),
        ("web", "zone_left", "4 of 6 hosts at least, in 2 of 3 zones"),
        ("orders", "zone_left", "the standby in another zone"),
        ("orders", "zone_command", "the standby takes over; `ops status` shows it: within 5 minutes"),
        ("orders", "loss_age", "5 minutes may be lost"),
        ("orders", "loss_command", "checked by 1 queries of `recovery.checks`: within 120 minutes"),
        ("orders", "region_decide", "whoever does has within 60 minutes"),
        ("orders", "region_command", "eu-central-1; `ops runbook run region_failover orders`; at most 15 minutes"),
    ],
)
def test_what_the_fleet_says_is_read_from_it(of: str, question: str, says: str) -> None:
    known = {item.id: item.known for item in questions(a_fleet(), of)}[question]
    assert says in known


def test_every_question_is_a_step_of_the_document_and_no_answer_stands_in_it() -> None:
    plan = a_plan("orders")
    asked = questions(a_fleet(), "orders")
    assert [step.name for step in parse(plan.document).steps] == [question.id for question in asked]
    assert not [question.known for question in asked if question.known and question.known in plan.document]


def test_answers_and_their_time_stay_in_the_journal_and_prove_no_objective(journal: Journal) -> None:
    world = FakeWorld()
    result = run("orders", journal, world)
    assert (result.rto_seconds, result.rpo_seconds, result.objective_met, result.restored) == (None, None, None, True)
    assert result.failed == ""
    assert result.detail["people"] == ["Ada", "Ben"]
    assert [answer["id"] for answer in result.detail["answers"]] == [
        question.id for question in questions(a_fleet(), "orders")
    ]
    row = journal.run(result.run)
    assert (row.kind, row.state) == ("drill", "done")
    assert row.result is not None and row.result["detail"]["answers"][0]["seconds"] == 60.0
    assert [event.event.seconds for event in journal.events(row.id) if event.event.kind == "finished"] == [60.0] * 10


def test_nothing_is_looked_at_touched_or_leased(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan("web")
    assert (plan.scopes, plan.before, plan.refused) == ((), Scene(), ())
    result = run("web", journal, world)
    assert (world.killed, world.terminated, result.touched) == ({}, [], ())


def test_cut_short_it_is_closed_without_an_act(journal: Journal) -> None:
    world = FakeWorld()
    tools = replace(hands(world), table=Table(world))
    events = drill.run(a_plan("web"), journal=journal, leases=Leases(journal.engine), hands=tools)
    for _ in range(3):
        next(events)
    events.close()
    (row,) = drill.unfinished(journal)
    recovered = finish(drill.recover(row, journal=journal, leases=Leases(journal.engine), hands=hands(world)))[1]
    assert recovered.restored
    assert [answer["id"] for answer in recovered.detail["answers"]] == ["called"]
    assert drill.unfinished(journal) == []


def test_commands_in_what_the_fleet_says_stand_in_code() -> None:
    said = " ".join(question.known for of in ("web", "orders") for question in questions(a_fleet(), of))
    assert re.findall(r"(?<!`)\bops [a-z]+", said) == []
