"""The site: who may read it, that it writes nothing, that nothing sent to it ends in a fault of ours."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
        record.finish("done", {"rto_seconds": 4.0, "why": "</script><b>"})
    return ops


@pytest.fixture(scope="module")
def site(ops: Session) -> FlaskClient:
    return make(ops, names=["127.0.0.1", "localhost"]).test_client()


def test_the_status_is_read_beside_the_requests(site: FlaskClient) -> None:
    until = time.monotonic() + 30
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


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("path", ["/", "/history", "/report", "/static/site.css"])
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
    for path in ("/", "/history", "/none", "/static/site.css"):
        with site.get(path) as answer:
            headers = answer.headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "script-src" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


@given(
    path=st.text(max_size=60),
    query=st.dictionaries(st.sampled_from(["kind", "before", "token", "x"]), st.text(max_size=40)),
    header=st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40),
    name=st.sampled_from(["Host", "Origin", "Cookie", "Authorization", "Sec-Fetch-Site"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_is_sent_ends_in_a_fault(
    site: FlaskClient, path: str, query: dict[str, str], header: str, name: str
) -> None:
    for shown in (f"/{path}", "/history", f"/history/{path}"):
        answer = site.get(shown, query_string=query, headers={name: header} if header.strip() else {})
        assert answer.status_code < 500


def test_a_value_is_read_anew_only_when_it_is_old_and_someone_asks() -> None:
    reads: list[int] = []
    kept = Kept(lambda: reads.append(1) or len(reads), seconds=0.2)
    assert kept.get() is None
    for _ in _until(lambda: kept.get() is not None):
        pass
    assert [kept.get() for _ in range(3)] == [1, 1, 1]
    time.sleep(0.25)
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


def _until(holds: object, seconds: float = 30.0) -> Iterator[None]:
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        yield time.sleep(0.02)
