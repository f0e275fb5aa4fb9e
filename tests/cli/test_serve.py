"""The site: who may read it, what it shows, that it writes nothing."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from quartermaster.cli.main import run
from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.cli.site.app import make
from quartermaster.cli.site.snapshot import Kept
from quartermaster.fleet.events import Noted, StepFinished, StepStarted

TOKEN = "a-token-that-is-long-enough"
FLEET = "fleet: shop\nclusters: {web: {}}\ndatabases: {orders: {engine: postgres}}\n"


@pytest.fixture(scope="module")
def ops(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("site")
    (folder / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    ops = Session(Options(fleet=folder / "fleet.yaml"))
    for number in range(60):
        record = ops.journal.start("drill" if number % 2 else "patch", stack="dev", subject=f"web {number}")
        steps = [StepStarted(step="lose", host="i-1"), Noted(step="lose", message="<script>alert(1)</script>")]
        list(record.record([*steps, StepFinished(step="lose", host="i-1", seconds=1.5)]))
        record.finish("done", {"kind": "tabletop", "of": "web", "rto_seconds": 4.0, "why": "</script><b>"})
    return ops


@pytest.fixture(scope="module")
def site(ops: Session) -> FlaskClient:
    return make(ops, names=["127.0.0.1", "localhost"]).test_client()


def test_the_status_is_read_beside_the_requests(site: FlaskClient) -> None:
    until = time.monotonic() + 120
    while b"Clusters" not in (answer := site.get("/")).data and time.monotonic() < until:
        assert answer.status_code == 200
        time.sleep(0.05)
    assert b"the local cloud is not running" in answer.data
    assert b"ops provision up" in answer.data


def test_history_goes_page_by_page_and_kind_by_kind(site: FlaskClient) -> None:
    first = site.get("/history").text
    assert first.count('href="/history/') == 50
    older = first.partition('<a href="/history?')[2].partition('"')[0].replace("&amp;", "&")
    assert site.get(f"/history?{older}").text.count('href="/history/') == 10
    assert site.get("/history?kind=drill").text.count('href="/history/drill-') == 30


def test_a_run_is_a_timeline_and_what_it_holds_is_text(site: FlaskClient, ops: Session) -> None:
    page = site.get(f"/history/{ops.journal.runs(limit=1)[0].id}").text
    assert "<rect" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert site.get("/history/none").status_code == 404


def test_the_calendar_shows_what_was_done_and_what_is_due(site: FlaskClient, ops: Session) -> None:
    for _ in _until(lambda: b"<table" in site.get("/calendar").data):
        pass
    page = site.get("/calendar").text
    run_id = ops.journal.runs("drill", limit=1)[0].id
    assert f'<div class="done"><a href="/history/{run_id}">web' in page
    assert page.count('aria-current="date"') == 1
    assert f"{datetime.now(UTC):%B %Y}" in page


def test_the_report_holds_cost_and_calendar_and_runs_no_script_but_its_own(site: FlaskClient, ops: Session) -> None:
    for _ in _until(lambda: b"<h2>" in site.get("/report").data):
        pass
    answer = site.get("/report")
    assert "<h2>Cost</h2>" in answer.text and "ops provision preview" in answer.text
    today = datetime.now(UTC)
    coming = (today.replace(day=1) + timedelta(days=31)).replace(day=1)
    assert all(f"<h3>{month:%B %Y} " in answer.text for month in (today, coming))
    assert answer.text.count('<div class="done">') == 60, "each drill and patch cycle of the journal"
    assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
    assert '<a href="/report" aria-current="page">' in answer.text, "the way to the other pages"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(site: FlaskClient, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 at least; the formula is that of its definition of relative luminance."""
    with site.get("/static/site.css") as answer:
        roots = re.findall(r":root \{([^}]*)\}", answer.text)
    colours = dict(re.findall(r"--(\w+): #(\w+)", roots[scheme == "dark"]))

    def luminance(name: str) -> float:
        digits = colours[name] if len(colours[name]) == 6 else "".join(2 * digit for digit in colours[name])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for text in ("ink", "soft", "accent", "red", "amber", "green"):
        for behind in ("bg", "card"):
            dark, bright = sorted((luminance(text), luminance(behind)))
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {behind}"


@pytest.mark.parametrize("path", ["/", "/cost", "/calendar", "/history"])
def test_a_page_can_be_read_and_used_without_eyes_or_mouse(site: FlaskClient, path: str) -> None:
    for _ in _until(lambda: "being read" not in site.get(path).text):
        pass
    page = site.get(path).text
    assert '<html lang="en">' in page and page.count("<h1>") == 1
    assert page.index('class="skip" href="#main"') < page.index("<nav") < page.index('<main id="main"')
    assert page.count('aria-current="page"') == 1
    heads = re.findall(r"<th[ >].*?</th>", page)
    assert [head for head in heads if not re.sub(r"<[^>]*>", "", head) or 'scope="' not in head] == []
    levels = [1, *(int(level) for level in re.findall(r"<h(\d)", page))]
    assert all(level <= above + 1 for above, level in itertools.pairwise(levels)), levels
    assert "times of UTC" in page


def test_every_page_has_a_title_of_its_own(site: FlaskClient, ops: Session) -> None:
    pages = ["/", "/report", "/cost", "/calendar", "/history", f"/history/{ops.journal.runs(limit=1)[0].id}", "/none"]
    titles = [re.findall("<title>(.*)</title>", site.get(path).text)[0] for path in pages]
    assert len(set(titles)) == len(pages) and all(title.startswith("shop: ") for title in titles), titles


@pytest.mark.parametrize("month", ["2026-13", "x", "2001-01", "2099-12", "2026-1", "<script>"])
def test_a_month_that_is_none_or_far_away_is_not_looked_at(site: FlaskClient, month: str) -> None:
    assert site.get("/calendar", query_string={"month": month}).status_code == 404


def test_the_cost_page_tells_what_the_last_up_came_to_and_how(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    ops = Session(Options(fleet=tmp_path / "fleet.yaml"))
    page = make(ops, names=["localhost"]).test_client()
    assert "Nothing was provisioned yet" in page.get("/cost").text
    for before, after in ((0.0, 1200.5), (1200.5, 1300.0), (1300.0, 1300.0)):
        web = {"name": "web", "type": "aws:autoscaling/group:Group", "after": after, "why": "<b>3 hosts"}
        cost = {
            **{"before": before, "after": after, "delta": after - before, "currency": "USD", "unknown": ["x:Y"]},
            **{"not_included": ["S3 requests"], "dated": "2025-10-01", "source": "built in", "resources": [web]},
        }
        ops.journal.start("provision_up", stack="dev").finish("done", {"cost_per_month": cost})
    plan = {"web": {"at": "", "hours": [], "runway": {}, "cost": {"per_month": 99.0, "static_peak_per_month": None,
            "mean_instances": 4.25, "currency": "USD", "instance": "m6i.large"}}}  # fmt: skip
    (ops.workspace.folder("reports") / "plan-dev.json").write_text(json.dumps(plan), encoding="utf-8")
    shown = page.get("/cost").text
    assert "1,300.00 USD a month" in shown
    assert shown.count('href="/history/provision_up-') == 2, "what moved nothing is left out"
    assert "+1,200.50" in shown and "+99.50" in shown
    assert "99.00 USD" in shown and "4.2" in shown
    assert "&lt;b&gt;3 hosts" in shown and "Without a price: x:Y" in shown
    ops.journal.engine.dispose()


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("path", ["/", "/history", "/report", "/cost", "/calendar", "/static/site.css"])
def test_nothing_can_be_written(site: FlaskClient, method: str, path: str) -> None:
    assert getattr(site, method)(path).status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8420"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost", "Host": "localhost"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_sites_are_refused(site: FlaskClient, headers: dict[str, str], status: int) -> None:
    assert site.get("/history", headers={"Host": "127.0.0.1", **headers}).status_code == status


def test_beyond_loopback_a_token_is_asked_for(ops: Session) -> None:
    app = make(ops, names=["10.0.0.5"], token=TOKEN)
    host = {"Host": "10.0.0.5"}
    assert app.test_client().get("/history", headers=host).status_code == 401
    assert app.test_client().get(f"/history?token={TOKEN[:-1]}", headers=host).status_code == 401
    assert app.test_client().get("/static/site.css", headers=host).status_code == 401
    assert app.test_client().get("/history", headers={**host, "Authorization": f"Bearer {TOKEN}"}).status_code == 200
    client = app.test_client()
    said = client.get(f"/history?token={TOKEN}", base_url="http://10.0.0.5")
    assert (said.status_code, said.location) == (303, "/history")
    assert "HttpOnly" in said.headers["Set-Cookie"]
    assert "SameSite=Strict" in said.headers["Set-Cookie"]
    assert client.get("/history", base_url="http://10.0.0.5").status_code == 200


def test_every_answer_carries_its_policy(site: FlaskClient) -> None:
    for path in ("/", "/history", "/cost", "/calendar", "/none", "/static/site.css"):
        with site.get(path) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert re.findall(r"(?:script|connect)-src [^;]*", policy) == (
            ["script-src 'self'", "connect-src 'self'"] if path == "/" else []
        )
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_value_is_read_anew_only_when_it_is_old_and_someone_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    now, reads = [0.0], list[int]()
    monkeypatch.setattr("quartermaster.cli.site.snapshot.time", SimpleNamespace(monotonic=lambda: now[0]))
    kept = Kept(lambda: reads.append(1) or len(reads), seconds=60)
    assert kept.get() is None
    for _ in _until(lambda: kept.get() is not None):
        pass
    assert [kept.get() for _ in range(3)] == [1, 1, 1]
    now[0] = 60.0
    assert kept.get() == 1, "the old one until the new one is there"
    for _ in _until(lambda: kept.get() == 2):
        pass


def test_what_cannot_be_read_is_told_and_the_last_value_stays() -> None:
    answers: Iterator[str] = iter(["first"])
    kept = Kept(lambda: next(answers), seconds=0.0)
    for _ in _until(lambda: kept.get() == "first"):
        pass
    for _ in _until(lambda: bool(kept.get() and kept.error is not None and len(list(answers)) == 0)):
        pass
    assert kept.get() == "first"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "somewhere"], "'somewhere' is no address"),
        (["--host", "203.0.113.9", "--port", "8420"], "cannot listen on 203.0.113.9:8420"),
    ],
)
def test_where_it_cannot_listen(
    tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    assert run(["serve", *arguments, "--fleet", str(tmp_path)]) in (1, 2)
    assert says in capsys.readouterr().err


def test_a_token_that_is_short_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    monkeypatch.setenv("OPS_SERVE_TOKEN", "short")
    assert run(["serve", "--host", "203.0.113.9", "--fleet", str(tmp_path)]) == 2
    assert "OPS_SERVE_TOKEN has 5 characters" in capsys.readouterr().err


def test_reading_pages_leaves_the_journal_as_it_is(site: FlaskClient, ops: Session) -> None:
    before = hashlib.sha256(repr([line.hash for line in ops.journal.lines()]).encode()).hexdigest()
    for path in ("/", "/history", "/none"):
        site.get(path)
    assert hashlib.sha256(repr([line.hash for line in ops.journal.lines()]).encode()).hexdigest() == before


def _until(holds: object, seconds: float = 120.0) -> Iterator[None]:
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        yield time.sleep(0.02)
