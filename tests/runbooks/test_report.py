"""The report on drills: traced to the journal, green only by AWS, red when edited."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks import drill
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.report import Books, Drilled, report
from quartermaster.runbooks.report_page import render_report
from tests.chromium import Tab, driven
from tests.keys import stops
from tests.runbooks import zone_world
from tests.runbooks.rehearsal import a_scene, finish, start
from tests.runbooks.world import MONDAY, FakeWorld, a_fleet, a_group

RECOVERY = "{web: {zone: {rto: 2m}, region: {rto: 60m}}, drills: [{kind: instance_loss, of: web, every_days: 30}]}"


def the_fleet(recovery: str = RECOVERY) -> Fleet:
    return a_fleet(recovery_region="eu-central-1", recovery=recovery)


def a_plan(world: FakeWorld, fleet: Fleet, fleet_hash: str = "1" * 64) -> DrillPlan:
    return drill.plan(
        "instance_loss", "web", scene=a_scene(world), fleet=fleet, stack="dev", now=MONDAY,
        inputs={"fleet.yaml": fleet_hash},
    )  # fmt: skip


def ran(journal: Journal, target: str = "local", *, fleet_hash: str = "1" * 64, **world: Any) -> str:
    """One drill run to its end; its id."""
    small = FakeWorld(**world)
    plan = replace(a_plan(small, the_fleet(), fleet_hash), target=target)
    return finish(start(plan, small, journal))[1].run


def books(journal: Journal, recovery: str = RECOVERY, now: datetime | None = None) -> Books:
    rows = journal.runs("drill")[::-1]
    lines = list(journal.lines())
    return Books(
        fleet=the_fleet(recovery), stack="dev", fleet_hash="1" * 64,
        now=now or rows[-1].started_at + timedelta(days=1),
        drills=drilled(journal),
        lines=len(lines), head=lines[-1].hash, broken=journal.broken_at(),
    )  # fmt: skip


def drilled(journal: Journal) -> list[Drilled]:
    """Those that ended, oldest first."""
    rows = journal.runs("drill")[::-1]
    return [Drilled(row, tuple(journal.lines(row.id))) for row in rows if row.result]


def edit(journal: Journal, sql: str) -> None:
    with journal.engine.begin() as db:
        db.execute(sa.text(sql))


def test_every_number_names_lines_of_the_journal_that_tell_it(journal: Journal) -> None:
    run = ran(journal)
    [one] = report(books(journal))["drills"]
    written = {line.seq: (line.hash, json.loads(line.record or "")) for line in journal.lines(run)}
    assert {ref["hash"] for refs in one["trace"].values() for ref in refs} <= {hash_ for hash_, _ in written.values()}
    assert all(written[ref["seq"]][0] == ref["hash"] for refs in one["trace"].values() for ref in refs)
    for phase, seconds in one["rto_phases"].items():
        [ref] = one["trace"][f"rto_phases.{phase}"]
        record = written[ref["seq"]][1]
        assert (record["detail"]["phase"], record["seconds"]) == (phase, seconds)
    [ref] = one["trace"]["requests"]
    assert written[ref["seq"]][1]["detail"]["requests"] == one["requests"]
    [ref] = one["trace"]["result"]
    assert written[ref["seq"]][1]["result"]["rto_seconds"] == one["rto_seconds"]
    [ref] = one["trace"]["objective"]
    assert written[ref["seq"]][1]["inputs"]["goals"]["web"]["rto_seconds"] == one["objective_seconds"] == 120


def test_local_evidence_is_rehearsed_and_only_aws_turns_an_objective_green(journal: Journal) -> None:
    ran(journal)
    states = {(one["name"], one["scope"]): one["state"] for one in report(books(journal))["objectives"]}
    assert states == {("web", "zone"): "rehearsed", ("web", "region"): "none"}
    ran(journal, "aws")
    assert report(books(journal))["objectives"][0]["state"] == "met"
    ran(journal, "aws", healthy_after=130.0)
    assert report(books(journal))["objectives"][0]["state"] == "missed", "the last drill counts"


def test_an_outage_tells_of_each_that_it_hit(journal: Journal) -> None:
    recovery = "{web: {zone: {rto: 2m}}, orders: {zone: {rto: 29s, rpo: 0s}}}"
    world = zone_world.ZoneWorld()
    plan = zone_world.a_plan(world, fleet=zone_world.fleet(recovery=recovery))
    steps = drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=zone_world.hands(world, writes=True))
    finish(steps)
    told = report(replace(books_of_none(journal), fleet=zone_world.fleet(recovery=recovery), drills=drilled(journal)))
    assert {one["name"]: one["state"] for one in told["objectives"]} == {"web": "rehearsed", "orders": "missed"}
    [one] = told["drills"]
    [ref] = one["trace"]["milestones"]
    record = next(json.loads(line.record or "") for line in journal.lines() if line.seq == ref["seq"])
    reached = record["detail"]["milestones"]["orders"]["verify"]
    assert one["detail"]["subjects"]["orders"]["rto_seconds"] == reached
    assert f"{reached:.1f} s, objective missed" in render_report(told)


def test_an_interrupted_drill_tells_nothing_and_an_aborted_one_does(journal: Journal) -> None:
    ran(journal, "aws")
    result = dict(journal.runs("drill")[0].result or {}) | {"rto_seconds": None, "objective_met": False}
    for state, expected in (("recovered", "met"), ("failed", "doubtful")):
        journal.start("drill", stack="dev", inputs=journal.runs("drill")[-1].inputs).finish(state, result)
        assert report(books(journal))["objectives"][0]["state"] == expected


def test_an_edited_result_proves_nothing(journal: Journal) -> None:
    run = ran(journal, "aws", healthy_after=130.0)
    assert report(books(journal))["journal"]["intact"] is True
    edit(
        journal,
        f"update runs set result = replace(result, '\"rto_seconds\": 130', '\"rto_seconds\": 13') where id = '{run}'",
    )
    found = report(books(journal))
    assert found["journal"]["intact"] is False
    assert "came to is listed otherwise" in found["journal"]["broken_at"]["why"]
    assert (found["drills"][0]["as_journalled"], found["objectives"][0]["state"]) == (False, "doubtful")
    assert found["series"] == [], "no claim is made of it"
    assert "The journal was edited" in render_report(found)


def test_an_edited_line_is_found_and_named(journal: Journal) -> None:
    ran(journal)
    edit(journal, "update events set record = record || ' ' where seq = 9")
    found = report(books(journal))
    assert found["journal"]["broken_at"]["line"] == 9
    assert "Line 9: " in render_report(found)


def test_evidence_is_overdue_when_it_is_older_than_declared_or_there_is_none(journal: Journal) -> None:
    run = ran(journal)
    began = journal.run(run).started_at
    assert report(books(journal, now=began + timedelta(days=30)))["overdue"] == []
    [late] = report(books(journal, now=began + timedelta(days=32)))["overdue"]
    assert (late["kind"], late["of"], late["days_late"]) == ("instance_loss", "web", 2.0)
    more = RECOVERY.replace("drills: [", "drills: [{kind: zone_outage, of: web}, ")
    [never] = report(books(journal, more))["overdue"]
    assert (never["kind"], never["last_at"], never["days_late"]) == ("zone_outage", None, None)


def test_what_changed_since_the_drill_before_is_told(journal: Journal) -> None:
    ran(journal)
    ran(journal)
    ran(journal, fleet_hash="2" * 64)
    newest, middle, first = report(books(journal))["drills"]
    assert (first["changed"], middle["changed"]) == ({}, {})
    assert newest["changed"] == {"SHA-256 of fleet.yaml": ["1" * 64, "2" * 64]}
    assert report(books(journal))["objectives"][0]["fleet_changed"] is True
    ran(journal, fleet_hash="2" * 64, now_group=a_group(6))
    assert report(books(journal))["drills"][0]["changed"] == {"web desired": [3, 6]}


def test_few_drills_claim_what_they_can(journal: Journal) -> None:
    for slower in (0.0, 2.0, 4.0):
        ran(journal, healthy_after=70.0 + slower)
    [series] = report(books(journal))["series"]
    assert [point["rto_seconds"] for point in series["points"]] == [70.0, 72.0, 74.0]
    assert series["claims"][0].startswith(
        "With n=3, only 87.5% confident that the median recovery takes at most 74.0 s"
    )


def test_equal_books_give_an_equal_page(journal: Journal) -> None:
    ran(journal)
    found = books(journal)
    page = render_report(report(found))
    assert page == render_report(report(found))
    assert "http" not in page.replace("http-equiv", ""), "nothing is fetched"
    assert journal.runs("drill")[0].id in page and "rehearsed" in page


def test_without_a_drill_the_page_says_what_to_do(journal: Journal) -> None:
    journal.start("patch", stack="dev")
    empty = replace(books_of_none(journal), drills=[])
    page = render_report(report(empty))
    assert "ops drill run KIND OF" in page and "never run to its end" in page


def books_of_none(journal: Journal) -> Books:
    lines = list(journal.lines())
    return Books(the_fleet(), "dev", "1" * 64, MONDAY, [], len(lines), lines[-1].hash, None)


def test_a_drill_written_by_another_version_is_named_and_not_judged(journal: Journal) -> None:
    ran(journal)
    old = journal.start("drill", stack="dev", inputs={"kind": "instance_loss", "host": "i-1"})
    old.finish("done", {"kind": "instance_loss", "of": "web", "rto_seconds": 1.0})
    found = report(books(journal))
    assert (found["unread"], len(found["drills"]), found["journal"]["intact"]) == ([old.id], 1, True)


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_the_screen(width: int, journal: Journal, tmp_path: Path) -> None:
    for seconds in (70.0, 119.0, 121.0):
        ran(journal, healthy_after=seconds)
    found = measured(
        render_report(report(books(journal))),
        "const root = document.documentElement;"
        "for (const d of document.querySelectorAll('details')) d.open = true;"
        "const over = [...document.querySelectorAll('body *')]"
        ".filter(e => e.getBoundingClientRect().right > root.clientWidth + 1).map(e => e.tagName + '.' + e.className);"
        "return {over, scroll: root.scrollWidth - root.clientWidth,"
        "bars: [...document.querySelectorAll('.bar')].map(b => b.querySelectorAll('i').length),"
        "above: [...document.querySelectorAll('.bar')].map(b => Math.min(...[...b.querySelectorAll('i')]"
        ".map(i => i.getBoundingClientRect().top)) < document.querySelector('.aim').getBoundingClientRect().top)}",
        width,
        tmp_path,
    )
    assert (found["over"], found["scroll"]) == ([], 0)
    assert found["bars"] == [5, 5, 5]
    assert found["above"] == [False, False, True], "only the drill that missed the objective stands above its line"


def test_what_is_drawn_is_told_in_words_too(journal: Journal) -> None:
    runs = [ran(journal) for _ in range(2)]
    page = render_report(report(books(journal)))
    told = page.partition('role="img" aria-label="Recovery time of the last drills: ')[2].partition('"')[0]
    assert [len(told.split("; ")), told.count(": ")] == [len(runs)] * 2
    assert page.index("</header>") < page.index("<main>") < page.index("<h2>")
    assert page.count("<th ") == page.count('<th scope="col"')


@pytest.mark.browser
def test_every_drill_is_opened_by_keyboard_alone(journal: Journal, tmp_path: Path) -> None:
    for _ in range(2):
        ran(journal)
    (tmp_path / "drills.html").write_text(render_report(report(books(journal))), encoding="utf-8")

    async def work(tab: Tab) -> None:
        await tab.go((tmp_path / "drills.html").as_uri())
        there = await stops(tab)
        assert [stop.place for stop in there] == list(range(there[0].count))
        assert [stop.name for stop in there if stop.ring < 2 or not stop.seen] == []
        while not await tab.value("document.activeElement.matches('details:not([open]) > summary')"):
            await tab.press("Tab")
        await tab.press("Enter")
        assert await tab.value("document.querySelectorAll('details[open]').length") == 2

    driven(work, tmp_path)


@pytest.mark.browser
def test_a_drill_that_is_folded_on_the_screen_is_whole_on_paper(journal: Journal, tmp_path: Path) -> None:
    for _ in range(2):
        ran(journal)
    paper = render_report(report(books(journal))).replace("@media print", "@media all")
    shown = "return [...document.querySelectorAll('details dd')].map(d => d.checkVisibility())"
    assert all(measured(paper, shown, 1280, tmp_path))


def measured(page: str, script: str, width: int, folder: Path) -> Any:
    """What a script returns that looks at the page in a browser, at that width."""
    page = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    told = f"document.title = JSON.stringify((() => {{ {script} }})())"
    run = f"<script>addEventListener('load', () => {{ {told} }});</script>"
    inner = folder / "inner.html"
    inner.write_text(page.replace("</head>", f"{run}</head>", 1))
    chromium = shutil.which("chromium")
    assert chromium, "make test installs Chromium"
    shown = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000", "--window-size=1400,900",
         "--dump-dom", _framed(inner, width, folder)],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    return json.loads(shown.stdout.split("<title>")[1].split("</title>")[0])


def _framed(inner: Path, width: int, folder: Path) -> str:
    """Chromium's window is 500 wide at least: a frame may be narrower. Its title becomes the page's."""
    text = inner.read_text().replace("&", "&amp;").replace('"', "&quot;")
    outer = folder / "outer.html"
    outer.write_text(
        f'<title>wait</title><iframe style="border:0;width:{width}px;height:900px" srcdoc="{text}"></iframe>'
        "<script>setTimeout(() => { document.title = document.querySelector('iframe').contentDocument.title }, 1000)"
        "</script>"
    )
    return outer.as_uri()
