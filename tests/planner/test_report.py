"""The report: whole, self-contained, and readable where there is little to show."""

from __future__ import annotations

import csv
import html
import io
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from quartermaster.planner.agenda import Entry
from quartermaster.planner.chart import Layer, Line, Mark, chart, nice_ticks, plane
from quartermaster.planner.findings import Finding, Refusal
from quartermaster.planner.month import Month
from quartermaster.planner.plan import CapacityPlan, plan
from quartermaster.planner.report import ReportData, render
from quartermaster.planner.samples import demand
from quartermaster.planner.settings import Settings
from quartermaster.planner.spent import Moved, Spent
from quartermaster.planner.verification import keep, verify
from tests.chromium import Tab, driven, saved
from tests.keys import stops
from tests.planner.test_report_patching import PATCHING

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
DRILLS: dict[str, Any] = {
    "drills": [
        {
            "kind": "instance_loss",
            "of": "web",
            "starts_at": "2026-03-03T09:00:00Z",
            "ends_at": "2026-03-03T09:30:00Z",
            "risk": 0.0012,
            "why": "one instance lost <b>",
            "runner_up": "Wed",
        }
    ],
    "infeasible": [{"kind": "failover", "of": "orders", "rule": "freezes: peak"}],
}
RESULT: dict[str, Any] = {
    "kind": "instance_loss",
    "of": "web",
    "target": "local",
    "rto_seconds": 23.4,
    "rto_phases": {"detect": 6.0, "act": 17.4},
    "requests": {"sent": 9, "failed": 1},
    "objective_met": True,
    "restored": True,
}
WEB = {"name": "web", "type": "aws:autoscaling/group:Group", "after": 280.32, "why": "3 hosts <b>"}
SPENT = Spent(
    now={
        **{"after": 1300.0, "currency": "USD", "unknown": ["jobs: no price"], "not_included": ["S3 requests"]},
        "resources": [WEB, {**WEB, "name": "gone", "after": 0.0}],
    },
    at=NOW,
    past=[Moved("provision_up-1", NOW, 1200.5, 1200.5), Moved("provision_up-2", NOW, 99.5, 1300.0)],
    planned={
        "web": {"per_month": 210.5, "static_peak_per_month": 410.0, "mean_instances": 4.25, "currency": "USD",
                "instance": "m6i.large"}
    },
)  # fmt: skip
MONTH = Month(
    first=date(2026, 3, 1),
    zone=ZoneInfo("Europe/Dublin"),
    entries=(
        Entry("drill", "restore orders <b>", NOW, NOW + timedelta(hours=1), "1"),
        *(
            Entry("backup", "backup daily", NOW + timedelta(days=d), NOW + timedelta(days=d, hours=1), str(d))
            for d in range(-1, 30)
        ),
    ),
    done=({"run": "patch-1", "what": "patch web", "state": "failed", "at": "2026-03-01T23:00:00+00:00"},),
    plan=None,
)


def planned(frame: pd.DataFrame) -> CapacityPlan:
    settings = Settings(unit=20.0, horizon_days=3, largest=14)
    return plan(frame, default=settings, models=("day_median", "naive"))


@cache
def usual() -> CapacityPlan:
    """With a series that is refused, and a finding in words that a CSV has to quote."""
    odd = Finding("web", "gap", "2026-03-01", 3, 'a gap, "long"\nof ± 3', "")
    return replace(planned(demand()), refused=(Refusal("odd", "it is no demand"),), findings=(odd,))


def page(frame: pd.DataFrame | None = None, forecasts: Path | None = None) -> str:
    found = usual() if frame is None else planned(frame)
    seen = {} if forecasts is None else {name: verify(forecasts, c) for name, c in found.clusters.items()}
    verified = {name: v for name, v in seen.items() if v is not None}
    parts = {"spent": SPENT, "months": [MONTH]}
    return render(
        ReportData("shop", "dev", "local", NOW, found, verified, DRILLS, {"web": PATCHING}, [RESULT], **parts)
    )


@pytest.fixture(scope="module")
def forecasts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was forecast three days ago."""
    folder = tmp_path_factory.mktemp("forecasts")
    history = demand()
    made = history["timestamp"].iloc[-1].to_pydatetime() - timedelta(days=3)
    keep(folder, planned(history[history["timestamp"] <= made]), made)
    return folder


@pytest.fixture(scope="module")
def whole(forecasts: Path) -> str:
    return page(forecasts=forecasts)


def test_nothing_is_fetched_from_elsewhere(whole: str) -> None:
    assert not re.search(r"""(src|href)=["'](?!data:)""", whole)
    assert "http://" not in whole and "https://" not in whole and "@import" not in whole and "url(" not in whole


def test_it_says_what_was_given(whole: str) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", " ", whole))
    for said in (
        "Capacity of web",
        "0 of 12,840 requests failed",
        "23.4 s",
        "objective met",
        "0.12%",
        "peak",
        "rolled back",
    ):
        assert said in text
    assert "rehearsed" in text
    assert "one instance lost &lt;b&gt;" in whole


def test_the_cost_is_told_with_how_it_came_about(whole: str) -> None:
    part = whole.partition("<h2>Cost</h2>")[2].partition("<h2>Calendar</h2>")[0]
    for said in ("$1,300", "$210", "4.2 m6i.large", "+1,200.50", "+99.50", "width:92.3%", "280.32", "jobs: no price"):
        assert said in part
    assert "3 hosts &lt;b&gt;" in part and '<td data-h="resource">gone' not in part
    assert "The stack costs $1,300 a month" in whole
    assert "ops provision preview" not in part
    assert "ops provision preview" in render(ReportData("shop", "dev", "local", NOW))


def test_the_calendar_is_a_page_of_a_month(whole: str) -> None:
    part = whole.partition("<h2>Calendar</h2>")[2].partition("<h2>Patching")[0]
    assert part.count('<td class="') == 42 and "March 2026" in part
    assert (
        '<td class="today"><b><span class="name">Mon </span>2</b><div class="drill">01:00 restore orders &lt;b&gt;'
        in part
    )
    assert '<span class="name">Sun </span>1</b><div class="failed">patch web: failed</div></td>' in part
    assert part.count("backup daily") == 1


def test_every_way_limit_and_type_is_told_with_its_reason(whole: str) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", " ", whole))
    for said in ("this plan", "target tracking alone", "predictive scaling", "constant peak", "No purchase advice"):
        assert said in text
    assert "size.max" in text and "m6a.large" in text and "not considered" in text
    assert text.count("as CSV") == whole.count('<table class="stack">') + 1


def test_earlier_forecasts_stand_beside_what_came(whole: str) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", " ", whole))
    assert re.search(r"first day\s+1\s+23\s+\d+\.\d%", text)
    assert "what had been forecast" in text
    assert "No reading has come" in html.unescape(page())


def test_a_plane_cuts_off_what_lies_beyond() -> None:
    lines = [Line("a", "", [(0.0, 0.4), (0.02, 0.2), (0.5, 0.01)])]
    drawn = plane("x", lines, [Mark("a", "in", 0.02, 0.2), Mark("a", "out", 0.5, 0.01)], (0.04, 0.4))
    assert drawn.layers[0].path == "M0.0,0.0L500.0,150.0"
    assert [(m.label, m.x, m.y) for m in drawn.marks] == [("in", 50, 50)]
    assert [t.label for t in drawn.x_ticks] == ["0%", "1%", "2%", "3%", "4%"]


def test_equal_data_gives_an_equal_page(whole: str, forecasts: Path) -> None:
    assert page(forecasts=forecasts) == whole


def test_an_empty_report_names_the_commands_that_fill_it() -> None:
    text = render(ReportData("shop", "dev", "aws", NOW))
    for command in ("ops metrics import", "ops drill schedule", "ops patch run", "ops drill run"):
        assert command in text
    assert "rehearsed" not in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaps", "constant", "zero", "short", "five minutes", "odd <name> & more"])
def test_odd_series_have_a_page_too(name: str) -> None:
    frame = demand()
    if name == "gaps":
        frame.loc[frame.index[-200:-150], "value"] = np.nan
    elif name == "constant":
        frame = frame.assign(value=5.0)
    elif name == "zero":
        frame = frame.assign(value=0.0)
    elif name == "short":
        frame = frame.tail(1)
    elif name == "five minutes":
        frame = demand(days=20, interval_us=300_000_000)
    else:
        frame = demand(name)
    text = page(frame)
    assert "nan" not in re.sub(r"[a-z-]*nan[a-z]+|[a-z]+nan[a-z]*", "", text.lower())
    assert "<name>" not in text


def test_a_line_breaks_where_nothing_was_read() -> None:
    times = [datetime(2026, 3, 1, h, tzinfo=UTC) for h in range(4)]
    drawn = chart("x", times, [Layer("a", "", [1.0, None, 2.0, 3.0])], UTC)
    assert drawn.layers[0].path.count("M") == 2


@pytest.mark.parametrize("highest", [0.0, 1e-9, 0.7, 3, 99, 1234, 1e15, float("inf")])
def test_ticks_are_few_round_and_cover_the_data(highest: float) -> None:
    ticks = nice_ticks(highest)
    assert ticks[0] == 0 and 4 <= len(ticks) <= 6
    assert ticks[-1] >= highest * 0.999 or highest == float("inf")


PROBE = """
<script>
addEventListener("load", () => {
  const inner = document.querySelector("iframe").contentWindow;
  const root = inner.document.documentElement;
  const over = [...inner.document.querySelectorAll("main *")]
    .filter(e => !e.closest(".scroll, svg") && e.getBoundingClientRect().right > root.clientWidth + 1)
    .map(e => e.tagName + "." + e.className);
  const plot = inner.document.querySelector(".plot");
  plot.dispatchEvent(new inner.PointerEvent("pointermove", {clientX: 200, clientY: 10}));
  document.title = JSON.stringify({scroll: root.scrollWidth, width: root.clientWidth, over,
    tip: inner.document.querySelector(".tip").textContent, errors: inner.caught});
});
</script>
"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_and_logs_no_error(width: int, whole: str, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "make test installs Chromium"
    catch = "<script>var caught = []; addEventListener('error', e => caught.push(e.message));</script>"
    inner = html.escape(whole.replace("<head>", "<head>" + catch, 1), quote=True)
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<title>wait</title><iframe style="width:{width}px;height:900px" srcdoc="{inner}"></iframe>{PROBE}'
    )
    run = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--no-first-run", "--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=3000", "--window-size=1400,1000", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    import json

    found = json.loads(html.unescape(run.stdout.split("<title>")[1].split("</title>")[0]))
    assert found["errors"] == []
    assert "CONSOLE" not in run.stderr, run.stderr
    assert found["scroll"] <= found["width"]
    assert found["over"] == []
    assert re.search(r"measured|median", found["tip"])


@pytest.mark.browser
def test_all_of_it_is_read_by_keyboard_alone(whole: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(whole, encoding="utf-8")

    async def work(tab: Tab) -> None:
        await tab.go((tmp_path / "page.html").as_uri())
        await tab.value("for (const part of document.querySelectorAll('details')) part.open = true")
        there = await stops(tab)
        assert [stop.place for stop in there] == list(range(there[0].count))
        assert [stop.name for stop in there if stop.ring < 2 or not stop.seen] == []
        assert sum('class="plot"' in stop.name for stop in there) == whole.count('<div class="plot"')

    driven(work, tmp_path)


@pytest.mark.browser
def test_arrow_keys_read_a_plot(whole: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(whole, encoding="utf-8")

    async def read(tab: Tab, key: str) -> str:
        await tab.press(key)
        told: str = await tab.value("document.activeElement.querySelector('.tip').textContent")
        return told

    async def work(tab: Tab) -> None:
        await tab.go((tmp_path / "page.html").as_uri())
        await tab.press("Tab")
        points = await tab.value("JSON.parse(document.activeElement.dataset.readouts).map(point => point[1])")
        shown = [await read(tab, key) for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home")]
        assert shown == [points[place] for place in (0, 1, 0, -1, -1, 0)]
        assert await read(tab, "Escape") == ""

    driven(work, tmp_path)


def test_a_plot_is_told_in_words() -> None:
    times = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=12 * h) for h in range(5)]
    layers = [Layer("a", "measured", [12345.6, None, 2.0, 3.0, 4.0]), Layer("b", "", [1.0] * 5)]
    assert chart("x", times, layers, UTC).told == "measured 2 to 12.3k; from Mon 2 Mar to Mon 2 Mar"


@pytest.mark.browser
def test_every_table_is_saved_as_it_stands_and_as_the_plan_has_it(whole: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(whole, encoding="utf-8")
    files = {one.name.removesuffix(".csv"): one for one in saved(tmp_path / "page.html", tmp_path)}
    assert len(files) == whole.count('<table class="stack">') + 1, "and the requirement, which is on no page"
    rows = {name: list(csv.reader(io.StringIO(one.text, newline=""))) for name, one in files.items()}
    assert {name: one.table for name, one in files.items() if one.table} == {
        name: cells for name, cells in rows.items() if name != "web-requirement"
    }
    told = usual().to_json()["clusters"]["web"]
    heads, *requirement = rows["web-requirement"]
    assert [dict(zip(heads, row, strict=True)) for row in requirement] == [
        {"timestamp": hour["timestamp"], "demand_q": f"{hour['demand_q']:.6g}", "needed": str(hour["needed"]),
         "instances": str(hour["instances"])}
        for hour in told["requirement"]
    ]  # fmt: skip
    assert [int(row[1]) for row in rows["web-floors"][1:]] == [floor["instances"] for floor in told["schedule"]]
    kept_out = [name for row in rows["web-types-refused"][1:] for name in row[1].split(", ")]
    assert sorted(kept_out) == sorted(one["instance"] for one in told["instance_choice"]["refused"])
