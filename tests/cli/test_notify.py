"""Notices: who is told of what, once, whatever is down; on real servers of HTTP and SMTP."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quartermaster.cli.main import run
from quartermaster.cli.notify_send import _masked
from quartermaster.cli.notify_worker import tell
from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.notices import Deliveries, Notice, notices
from tests.webhook import SECRET, Hook, answering


@pytest.fixture
def hook() -> Iterator[Hook]:
    with answering() as mine:
        yield mine


@pytest.fixture
def ops(tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A fleet with one channel, whose worker is called by hand."""
    monkeypatch.setattr("quartermaster.cli.notify_worker.nudge", lambda _ops: None)
    monkeypatch.setenv("NOTIFY_URL", hook.url)
    return _session(tmp_path, "[{kind: webhook, url: secret:NOTIFY_URL}]")


def _session(folder: Path, notify: str) -> Session:
    (folder / "fleet.yaml").write_text(f"fleet: shop\nclusters: {{web: {{}}}}\nnotify: {notify}\n", encoding="utf-8")
    return Session(Options(fleet=folder / "fleet.yaml"))


def _now(ops: Session) -> None:
    tell(ops, patience=timedelta())


def test_each_run_is_told_once_and_what_ended_before_is_history(ops: Session, hook: Hook) -> None:
    old = ops.journal.start("patch", stack="dev", subject="web")
    old.finish("failed", {"error": "long ago"})
    with ops.journal.engine.begin() as db:
        db.exec_driver_sql("update runs set started_at = '2020-01-01T00:00:00+00:00', ended_at = started_at")
    _now(ops)
    ops.journal.start("patch", stack="dev", subject="web").finish("failed", {"error": "gate shut"})
    ops.journal.start("configure", stack="dev").finish("done")
    _now(ops)
    _now(ops)
    assert [item["title"] for item in hook.got] == ["shop/dev: patch of web: failed"]
    assert "gate shut" in hook.got[0]["message"]


def test_an_override_is_told_while_the_run_goes_on(ops: Session, hook: Hook) -> None:
    ops.journal.start(
        "patch",
        stack="dev",
        subject="web",
        inputs={"arguments": ["patch", "run", "web", "--override", "--reason", "x"]},
    )
    _now(ops)
    assert [item["title"] for item in hook.got] == ["shop/dev: patch of web breaks a rule"]


def test_what_a_channel_answers_is_told_without_the_log_of_its_library(
    ops: Session, hook: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.answer = 503
    assert run(["notify", "test", "--fleet", str(ops.fleet_file)]) == 1
    said = capsys.readouterr().out
    assert "webhook was not told: Failed" in said
    assert "WARNING" not in said


def test_it_is_given_up_after_some_tries(ops: Session, hook: Hook) -> None:
    hook.answer = 500
    ops.journal.start("patch", stack="dev").finish("failed")
    for _ in range(8):
        _now(ops)
        _due(ops)
    (left,) = Deliveries(ops.journal.engine).listed()
    assert (left.state, left.tries) == ("given up", 6)


def test_of_many_workers_one_tells(ops: Session) -> None:
    deliveries = Deliveries(ops.journal.engine)
    notice = Notice("run-1", "done", "patch.done", "t", "x")
    now = datetime.now(UTC)
    mine: list[bool] = []
    workers = [
        threading.Thread(target=lambda: mine.append(deliveries.claim("0:webhook", notice, now))) for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(mine) == [False] * 5 + [True]
    assert deliveries.claim("0:webhook", notice, now + timedelta(minutes=3)), (
        "one that died in the middle loses nothing"
    )


def test_channels_choose(tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quartermaster.cli.notify_worker.nudge", lambda _ops: None)
    monkeypatch.setenv("NOTIFY_URL", hook.url)
    ops = _session(tmp_path, '[{kind: webhook, url: secret:NOTIFY_URL, on: ["configure.*"]}]')
    ops.journal.start("patch", stack="dev").finish("failed")
    ops.journal.start("configure", stack="dev").finish("done")
    ops.journal.start("configure", stack="dev")
    _now(ops)
    assert [item["title"] for item in hook.got] == ["shop/dev: configure: done"]


def test_a_run_wakes_a_worker_and_does_not_wait_for_it(
    tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_URL", hook.url)
    ops = _session(tmp_path, '[{kind: webhook, url: secret:NOTIFY_URL, on: ["*"]}]')
    ops.journal.start("configure", stack="dev").finish("done")
    until = time.monotonic() + 120
    while not hook.got and time.monotonic() < until:
        time.sleep(0.1)
    assert [item["title"] for item in hook.got] == ["shop/dev: configure: done"]


class _Smtp(socketserver.StreamRequestHandler):
    """Takes any mail: RFC 5321 as far as a client that sends one needs it."""

    mails: list[str] = []  # noqa: RUF012

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go\r\n")
                self.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


def test_mail_and_topics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        port = server.server_address[1]
        monkeypatch.setenv("MAIL", f"mailto://127.0.0.1:{port}?from=ops@shop.example&to=oncall@shop.example")
        _session(tmp_path, "[{kind: email, url: secret:MAIL}]")
        assert run(["notify", "test", "--fleet", str(tmp_path)]) == 0
        server.shutdown()
    assert "told" in capsys.readouterr().out
    assert "shop/dev: a test" in _Smtp.mails[0]


@pytest.mark.parametrize("said", ["p%40ss-word", "p@ss-word", "t%2Foken-1", "t/oken-1"])
def test_no_part_of_an_address_is_told_as_it_is_written_or_read(said: str) -> None:
    address = "https://ops:p%40ss-word@hook.example/path?key=t%2Foken-1"
    assert _masked(f"no answer to {said}", address) == "no answer to ********"


def test_what_each_channel_answers_is_said(ops: Session, hook: Hook, capsys: pytest.CaptureFixture[str]) -> None:
    hook.answer = 404
    assert run(["notify", "test", "--fleet", str(ops.fleet_file)]) == 1
    said = capsys.readouterr()
    assert "404" in said.out
    assert "not told: 0:webhook" in said.err
    assert SECRET not in said.out + said.err
    assert run(["notify", "list", "--fleet", str(ops.fleet_file)]) == 0
    assert run(["notify", "send", "--json", "--fleet", str(ops.fleet_file)]) == 0


@pytest.mark.parametrize(
    ("notify", "says"),
    [
        ("[{kind: slack}]", "a slack channel without a url tells nobody"),
        (
            "[{kind: slack, url: 'https://hooks.slack.com/services/T/B/C'}]",
            "lets anyone who reads this file write there",
        ),
    ],
)
def test_a_channel_that_cannot_be_told_is_refused(
    tmp_path: Path, notify: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _session(tmp_path, notify)
    assert run(["validate", "--fleet", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err


def test_a_notice_has_the_numbers_that_people_ask_for(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "ops.db")
    guards = [{"name": "freeze", "verdict": "overridden", "found": "peak season; overridden: release"}]
    journal.start("drill", stack="dev", subject="zone_outage web", inputs={"guards": guards}).finish(
        "done",
        {"rto_seconds": 61.2, "objective_met": False, "requests": {"sent": 90, "failed": 4}, "evidence": "rehearsed"},
    )
    opened, closed = notices(journal.runs()[0], "shop")
    assert (opened.kind, closed.kind) == ("override", "drill.done")
    assert "peak season" in opened.text
    assert closed.text.startswith("RTO 61.2 s (rehearsed), objective missed\n4 of 90 requests failed\n")


def _due(ops: Session) -> None:
    """Let every next try be due."""
    with ops.journal.engine.begin() as db:
        db.exec_driver_sql("update deliveries set next_at = '2020-01-01T00:00:00+00:00' where what != 'since'")
