"""Readings are kept: the last whole, the others as numbers. Cycles are told from the journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from quartermaster.fleet.hosts import Group
from quartermaster.fleet.journal import Journal
from quartermaster.playbooks import patch, patch_run
from quartermaster.playbooks.compliance_history import Cycle, cycle, touched
from quartermaster.playbooks.compliance_store import Readings
from quartermaster.playbooks.machine import Survey, Update
from quartermaster.playbooks.patch_plan import PatchPlan
from quartermaster.playbooks.patch_result import outcome
from tests.playbooks import fakes

NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)
PAGE = Update("shop-page", "1.0", "2.0", first_seen="2026-11-09T12:00:00+00:00")
HOSTS = fakes.group(3).hosts


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path / "ops.db")


def surveys(*of: Survey) -> dict[str, Survey]:
    return {host.id: survey for host, survey in zip(HOSTS, of, strict=True)}


def test_a_reading_comes_back_as_it_was_kept(journal: Journal) -> None:
    told = surveys(Survey((PAGE,), unsaved=("shop-page",)), Survey(reboot_required=True), Survey(error="timed out"))
    Readings(journal.engine).keep("dev", "web", HOSTS, told, NOW)
    read = Readings(journal.engine).last("dev").get("web")
    assert read is not None and read.at == NOW
    assert {host.id: host.survey for host in read.hosts} == told
    assert [host.zone for host in read.hosts] == [host.zone for host in HOSTS]
    assert Readings(journal.engine).last("prod") == {}


def test_earlier_readings_stay_as_numbers(journal: Journal) -> None:
    readings = Readings(journal.engine)
    readings.keep("dev", "web", HOSTS, surveys(*[Survey((PAGE,))] * 3), NOW)
    readings.keep("dev", "web", HOSTS, surveys(Survey(), Survey(), Survey(error="gone")), NOW + timedelta(days=1))
    readings.keep("dev", "api", HOSTS, surveys(*[Survey()] * 3), NOW)
    assert [(one.pending, one.unreachable, one.oldest_days) for one in readings.trend("dev", "web")] == [
        (3, 0, 10.0),
        (0, 1, None),
    ]
    with journal.engine.begin() as db:
        whole = db.execute(sa.text("select count(hosts) from readings where cluster = 'web'")).scalar()
    assert whole == 1


def planned(group: Group) -> PatchPlan:
    return patch.plan(group, fakes.fleet(), fakes.surveys(group), NOW, drain_seconds=0)


def ran(journal: Journal, *breaks: str, until: int | None = None) -> Cycle:
    """A cycle over three hosts on a fake world, as its journal tells it; cut off after so many events."""
    world = fakes.FakeWorld(fakes.group(3, floor=1))
    machines = fakes.FakeMachines.of(world.now)
    for host in machines.values():
        host.breaks = breaks
    run = journal.start("patch", stack="dev", subject="web")
    events = run.record(
        patch_run.run(planned(world.now), run.id, patch_run.Tools(world, machines, fakes.FakeCounter()))
    )
    if until is not None:
        fakes.until(events, until)
        return cycle(journal.run(run.id), journal.events(run.id))
    list(events)
    told = outcome([recorded.event for recorded in journal.events(run.id)], run=run.id).to_json()
    run.finish(told["state"], told)
    return cycle(journal.run(run.id), journal.events(run.id))


def test_a_cycle_tells_who_went_from_what_to_what(journal: Journal) -> None:
    one = ran(journal)
    assert (one.state, one.why, len(one.hosts)) == ("done", "", 3)
    assert {(host.state, host.old, host.new) for host in one.hosts} == {("patched", "shop-page=1.0", "shop-page=2.0")}
    assert one.requests is not None and one.requests["failed"] == 0


def test_a_failed_cycle_says_why_and_how_each_host_ended(journal: Journal) -> None:
    one = ran(journal, "upgrade")
    assert one.state == "failed" and "canary failed" in one.why
    assert sorted(host.state for host in one.hosts) == ["pending", "pending", "rolled_back"]
    assert "told to fail" in next(host.why for host in one.hosts if host.state == "rolled_back")


def test_a_cycle_without_a_result_is_told_from_its_events(journal: Journal) -> None:
    one = ran(journal, until=6)
    assert one.state == "running", "its process, this one, lives"
    assert [host.state for host in one.hosts] == ["pending"] * 3
    assert one.ended_at is not None, "it was last heard of at its last event"


def test_a_run_that_ended_before_its_plan_is_a_cycle_without_hosts(journal: Journal) -> None:
    run = journal.start("patch", stack="dev", subject="web")
    run.finish("failed", {"error": "lease held"})
    one = cycle(journal.run(run.id), journal.events(run.id))
    assert (one.hosts, one.why) == ((), "lease held")


def test_the_last_cycle_that_worked_on_a_host_is_found(journal: Journal) -> None:
    first, second = ran(journal), ran(journal, "upgrade")
    canary = next(host.id for host in second.hosts if host.state == "rolled_back")
    left = next(host.id for host in second.hosts if host.state == "pending")
    assert [found[0].run for found in (touched([second, first], canary), touched([second, first], left)) if found] == [
        second.run,
        first.run,
    ]
