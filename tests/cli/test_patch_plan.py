"""``ops patch plan`` and ``run --plan``: what is told, written, compared, and refused when it has moved."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from quartermaster.cli import forecasts, patch_survey
from quartermaster.cli.main import run
from quartermaster.cli.options import Options
from quartermaster.cli.patch_planned import plan_text
from quartermaster.cli.session import Session
from quartermaster.fleet.hosts import Group
from quartermaster.planner.capacity import Rules, left_after, requirement
from quartermaster.planner.drill_needs import Loss
from quartermaster.planner.drill_risk import Risks
from quartermaster.planner.hourly import Hourly
from quartermaster.planner.plan import Requirement
from quartermaster.planner.settings import Settings
from quartermaster.playbooks.machine import Survey, Update
from quartermaster.playbooks.patch import plan as decided
from quartermaster.playbooks.patch_plan import PatchPlan
from tests.playbooks import fakes

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 22, 2, tzinfo=UTC)
KERNEL = Update("linux-image", "6.1", "6.2", first_seen="2026-11-19T03:00:00+00:00", source="Debian:12/stable")
TLS = Update("openssl", "3.0", "3.1", True, "Debian-Security:12", "2026-11-10T03:00:00+00:00")
FLEET = """
fleet: shop
timezone: Europe/Dublin
clusters: {web: {balancer: {}}}
patching: {web: {window: "Sun 01:00-05:00", wave: 2, approve: {after_days: 7}}}
"""


class World:
    """The group and what its hosts say, to be moved by tests."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "fleet.yaml"
        self.file.write_text(FLEET, encoding="utf-8")
        self.group = fakes.group()
        self.surveys = fakes.surveys(self.group, KERNEL, TLS)
        self.now = NOW
        self.drags: dict[str, list[str]] = {}
        """What hosts with updates of both kinds say, when asked for the approved ones."""

    def ops(self, *words: str, capsys: pytest.CaptureFixture[str] | None = None) -> Any:
        """The exit status; with ``capsys`` the JSON document."""
        json_flag = ["--json"] if capsys else []
        status = run(["patch", *words, "--fleet", str(self.file), *json_flag])
        return json.loads(capsys.readouterr().out) if capsys else status


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    there = World(tmp_path)

    def group(_cluster: str) -> Group:
        return there.group

    def asking(_ops: Session, _group: Group) -> Callable[[], dict[str, Survey]]:
        return lambda: there.surveys

    def with_drags(_ops: Session, _group: Group, surveys: dict[str, Survey], pins: dict[str, Any]) -> dict[str, Survey]:
        assert all(versions.keys() == {"openssl"} for versions in pins.values())
        return {**surveys, **{host: replace(surveys[host], drags=there.drags) for host in pins}}

    hosts = SimpleNamespace(group=group, drain_seconds=lambda _: 30, refresh_running=lambda _: False)
    monkeypatch.setattr(Session, "hosts", hosts)
    monkeypatch.setattr(Session, "clock", SimpleNamespace(now=lambda: there.now))
    monkeypatch.setattr(patch_survey, "asking", asking)
    monkeypatch.setattr(patch_survey, "with_drags", with_drags)
    return there


@pytest.fixture(scope="module")
def web() -> Any:
    """Three days of the planner's forecast values: demand between 20 and 100, quiet at four in the morning."""
    rules, levels = Rules(unit=10.0), (0.5, 0.9, 0.99)
    times = tuple(SUNDAY.replace(hour=0) + timedelta(hours=n) for n in range(72))
    median = np.array([60 - 40 * math.cos((at.hour - 16) / 24 * 2 * math.pi + math.pi) for at in times])
    quantiles = np.stack([median, median * 1.2, median * 1.5], axis=1)
    needed = requirement(quantiles[:, 2], rules)
    rows = (
        Requirement(at, float(asked), int(hosts), int(hosts))
        for at, asked, hosts in zip(times, quantiles[:, 2], needed, strict=True)
    )
    return SimpleNamespace(
        rules=rules,
        forecast=Hourly(times, 60.0, median, quantiles, levels, None),
        requirement=tuple(rows),
        choice=SimpleNamespace(model="seasonal"),
        settings=Settings(),
    )


def test_a_plan_says_what_when_and_how_long(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = world.ops("plan", "web", capsys=capsys)
    assert found["start"]["starts_at"] == "2026-11-22T01:00:00+00:00"
    assert (found["start"]["risk"], found["prescale"], found["pins"]) == (None, 0, {"openssl": "3.1"})
    assert found["estimate"]["seconds"] == sum(wave["seconds"] for wave in found["waves"])
    held = found["hosts"][0]["withheld"][0]
    assert (held["update"]["name"], held["until"]) == ("linux-image", "2026-11-26T03:00:00+00:00")
    assert any("unknown" in warning for warning in found["warnings"])


def test_a_plan_made_ahead_is_not_refused_outside_the_window_and_a_run_is(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (world.ops("plan", "web"), world.ops("run", "web")) == (0, 1)
    assert "the next opens Sun 22 Nov 01:00" in capsys.readouterr().err


def test_an_approved_update_that_drags_along_one_that_is_not_waits(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.drags = {"openssl": ["linux-image"]}
    found = world.ops("plan", "web", capsys=capsys)
    why = {one["update"]["name"]: one["why"] for one in found["hosts"][0]["withheld"]}
    assert why["openssl"] == "would upgrade linux-image as well"
    assert (found["waves"], found["pins"]) == ([], {})


def test_an_override_is_named_in_the_plan_and_needs_a_reason(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.ops("plan", "web", "--override") == 2
    capsys.readouterr()
    found = world.ops("plan", "web", "--override", "--reason", "CVE-2026-1", capsys=capsys)
    assert found["start"]["starts_at"] == NOW.isoformat()
    assert any(warning.startswith("override: CVE-2026-1: it is outside") for warning in found["warnings"])


def test_the_text_shows_every_part(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.surveys["i-2"] = replace(world.surveys["i-2"], unsaved=("openssl",))
    assert world.ops("plan", "web") == 0
    shown = capsys.readouterr().out
    for words in (
        "3.0 → 3.1", "security", "10 days", "Debian-Security:12", "updates wait 7 days", "Thu 2026-11-26 03:00 GMT",
        "rollback by packages", "rollback by replacement", "1 canary", "4 / unknown", "Sun 2026-11-22 01:00 GMT",
        "open until 05:00", "no earlier run",
    ):  # fmt: skip
        assert words in shown


def test_a_plan_that_still_holds_goes_on_to_be_confirmed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.now = SUNDAY
    file = str(world.file.with_name("patch.json"))
    assert world.ops("plan", "web", "--out", file) == 0
    assert world.ops("run", "web", "--plan", file) == 2
    assert "nobody here to ask" in capsys.readouterr().err


def moves() -> Iterator[Any]:
    newer = replace(TLS, new="3.2")

    def survey(world: World) -> None:
        world.surveys = fakes.surveys(world.group, KERNEL, newer)

    def one_host(world: World) -> None:
        world.surveys["i-4"] = Survey((KERNEL,))

    def hosts(world: World) -> None:
        world.group = replace(world.group, hosts=tuple(replace(h, id=h.id + "x") for h in world.group.hosts))
        world.surveys = fakes.surveys(world.group, KERNEL, TLS)

    def policy(world: World) -> None:
        world.file.write_text(FLEET.replace("wave: 2", "wave: 2, max_failures: 3"), encoding="utf-8")

    def time(world: World) -> None:
        world.now += timedelta(days=7)

    yield pytest.param(survey, "pending: openssl: the plan has 3.0 → 3.1 on 6 hosts, now it is 3.0 → 3.2", id="version")
    yield pytest.param(one_host, "pending: openssl: the plan has 3.0 → 3.1 on 6 hosts, now it is", id="one host")
    yield pytest.param(hosts, "host i-0x: the plan has nothing, now it is eu-west-1a", id="hosts")
    yield pytest.param(policy, "patching.web.max_failures: the plan has 1, now it is 3", id="fleet.yaml")
    yield pytest.param(time, "version of linux-image: the plan has nothing, now it is 6.2", id="approval")


@pytest.mark.parametrize(("move", "named"), list(moves()))
def test_a_plan_that_no_longer_holds_is_refused_by_what_moved(
    world: World, capsys: pytest.CaptureFixture[str], move: Any, named: str
) -> None:
    world.now = SUNDAY
    file = str(world.file.with_name("patch.json"))
    assert world.ops("plan", "web", "--out", file) == 0
    move(world)
    assert world.ops("run", "web", "--plan", file, "--yes") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no longer holds; nothing was changed" in said
    assert named in said


def test_a_plan_of_another_stack_or_no_plan_at_all_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.now = SUNDAY
    file = world.file.with_name("patch.json")
    assert world.ops("plan", "web", "--out", str(file)) == 0
    file.write_text(file.read_text().replace('"stack": "dev"', '"stack": "prod"'))
    assert world.ops("run", "web", "--plan", str(file)) == 2
    assert "of stack prod of fleet shop" in capsys.readouterr().err
    for text in ("{}", "[1]", "no", '{"version": 1, "plan": {}}', '{"version": 1, "plan": []}'):
        file.write_text(text)
        assert world.ops("run", "web", "--plan", str(file)) == 2
        assert "ops patch plan --out writes a new plan" in capsys.readouterr().err


def test_two_plans_are_compared(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(world.file.with_name("patch.json"))
    assert world.ops("plan", "web", "--out", file) == 0
    capsys.readouterr()
    assert world.ops("plan", "web", "--compare", file, capsys=capsys)["changes"] == []
    world.file.write_text(FLEET.replace("wave: 2", "wave: 1"), encoding="utf-8")
    changes = {one["what"]: one for one in world.ops("plan", "web", "--compare", file, capsys=capsys)["changes"]}
    assert changes["patching.web.wave"] == {"what": "patching.web.wave", "before": '"2"', "after": '"1"'}
    assert {"wave 3", "duration"} <= set(changes)
    assert world.ops("plan", "web", "--compare", file) == 0
    assert "differs from the plan of 2026-11-20T15:00:00Z" in capsys.readouterr().out


def test_the_outlook_is_the_capacity_plan_s_need_hour_by_hour(
    world: World, web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasts, "plans", lambda _ops, *_only: {"web": web})
    found = forecasts.outlook(Session(Options(fleet=world.file)), "web")
    assert found is not None
    rules = web.rules
    for hour, row in zip(found.hours, web.requirement, strict=True):
        assert hour.need.hosts == math.ceil(row.demand_q / rules.unit * (1 - 1e-9))
        assert (hour.need.after_zone_loss or 0) <= (hour.need.hosts or 0)
        assert list(hour.over) == sorted(hour.over, reverse=True)
        # Demand that a host carries at 85 instead of 60 in a hundred is exceeded less often.
        assert all(lost <= whole for lost, whole in zip(hour.over_after_loss, hour.over, strict=True))
    assert max(hour.demand for hour in found.hours) == 1.0


@pytest.mark.parametrize(("zones", "instances"), [(1, 0), (0, 1)])
def test_patches_and_drills_that_leave_as_many_hosts_rank_the_hours_alike(
    zones: int, instances: int, world: World, web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasts, "plans", lambda _ops, *_only: {"web": web})
    found = forecasts.outlook(Session(Options(fleet=world.file)), "web")
    assert found is not None
    standing = 6
    rows = [replace(row, instances=standing) for row in web.requirement]
    steady: Any = SimpleNamespace(**{**vars(web), "requirement": rows})
    starts = np.array([row.at.timestamp() // 60 for row in rows], dtype=np.int64)
    drill: Any = SimpleNamespace(length=timedelta(hours=1), clusters=("web",))
    rated = Risks({"web": steady}, UTC, starts).rate(drill, Loss(zones, instances, "")).risk
    left = left_after(standing, web.rules.zones, zones) - instances
    chances = [hour.over_after_loss[left] for hour in found.hours]
    assert chances == pytest.approx(rated.tolist(), abs=1e-12)
    assert len(set(chances)) > 5
    assert np.argsort(chances, kind="stable").tolist() == np.argsort(rated, kind="stable").tolist()


def test_a_forecast_chooses_the_start_and_gives_its_risk(
    world: World, web: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(forecasts, "plans", lambda _ops, *_only: {"web": web})
    world.file.write_text(FLEET.replace("Sun 01:00-05:00", "00:00-24:00"), encoding="utf-8")
    world.now = web.requirement[0].at
    rows = fakes.group(web.requirement[0].instances)
    world.group = replace(rows, max=40)
    world.surveys = fakes.surveys(world.group, replace(TLS, first_seen="2018-01-01T00:00:00+00:00"))
    found = world.ops("plan", "web", capsys=capsys)
    by_hour = {row.at: row.demand_q for row in web.requirement}
    start = datetime.fromisoformat(found["start"]["starts_at"])
    assert by_hour[start.replace(minute=0)] <= sorted(by_hour.values())[len(by_hour) // 4]
    assert 0 <= found["start"]["risk"] <= (found["start"]["runner_up"]["risk"])
    assert all(wave["left"] >= wave["needed"] for wave in found["waves"])
    assert all(wave["left_after_loss"] >= wave["needed_after_loss"] for wave in found["waves"])


def test_durations_come_from_earlier_runs_of_the_stack(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    from quartermaster.fleet.events import StepFinished, StepStarted

    ops = Session(Options(fleet=world.file))
    for stack, seconds in (("dev", 12.0), ("prod", 500.0)):
        record = ops.journal.start("patch", stack=stack, subject="web")
        events = [
            StepStarted(step="patch", detail={"plan": {"drain_seconds": 30}}),
            StepFinished(step="upgrade", host="i-0", seconds=seconds),
            StepFinished(step="drain", host="i-0", seconds=30.0),
            StepFinished(step="host", host="i-0", detail={"state": "patched"}),
        ]
        assert len(list(record.record(iter(events)))) == 4
        record.finish("done")
    found = world.ops("plan", "web", capsys=capsys)
    assert found["estimate"]["source"].startswith("1 earlier run, 1 host;")
    assert found["waves"][0]["seconds"] == 30 + 12 + 15 * 60


def test_a_plan_is_read_on_a_narrow_terminal_and_in_people_s_time(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    found = PatchPlan.from_json(world.ops("plan", "web", capsys=capsys))
    assert "Sun 2026-11-22 12:00 AEDT" in plan_text(found, ZoneInfo("Australia/Sydney"), NOW)


def test_the_plan_of_a_group_that_is_to_hold_no_host_says_so_rather_than_an_empty_table() -> None:
    empty = replace(fakes.group(), hosts=(), desired=0, min=0)
    planned = decided(empty, fakes.fleet(), {}, NOW, drain_seconds=5, ahead=True)
    assert plan_text(planned, UTC, NOW) == "nothing to do: shop-dev-web is to hold no host"
