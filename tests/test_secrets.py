"""Secrets that fleet.yaml names are nowhere in what ops writes, shows or sends to AWS, whatever goes wrong."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from quartermaster.cli import options
from quartermaster.cli.main import run
from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.cli.site.app import make
from quartermaster.fleet.events import StepFailed, StepStarted
from quartermaster.fleet.schema import load_fleet
from quartermaster.playbooks.bundle import build
from tests.mocked import declared

pytestmark = pytest.mark.slow
PLANTED = ("hook-9f3a7c51", "mail-4b8d2e90", "prom-1d5e6f70", "book-c2a90b14")
"""Parts of an address, of passwords, of a header."""
FLEET = """\
fleet: shop
region: eu-west-1
clusters: {web: {balancer: {}}}
stacks:
  dev: {target: local}
  prod: {target: aws, account: "123456789012", state: "s3://shop-ops-state", journal: secret:JOURNAL_URL}
metrics:
  source: {kind: prometheus, url: "http://127.0.0.1:PORT", authorization: secret:PROMETHEUS_AUTH}
  demand: {web: {query: http_requests_total}}
recovery: {drills: [{kind: instance_loss, of: web, every_days: 30}]}
notify:
  - {kind: webhook, url: secret:NOTIFY_URL, on: ["*"]}
  - {kind: email, url: secret:MAIL_URL, on: ["*"]}
"""
FAILING = ("notify test", "notify send", "metrics sync", "metrics sync --debug", "status --stack prod --debug")
"""Commands that meet a server which refuses, and says what it was given."""
WRITING = {
    "validate --json": "shop",
    "schema": "Recovery",
    "status": "web",
    "status --json": "instance_loss",
    "history": "patch-",
    "history list --events": "drain",
    "history export --out export.jsonl": "export.jsonl",
    "notify list": "waiting",
    "notify list --json": "0:webhook",
    "patch report --json": "cycles",
    "report --out report.html": "report.html",
    "drill report --out drills.html": "drills.html",
    "drill schedule --ics drills.ics": "instance_loss",
    "schedule show --ics month.ics": "instance_loss",
    "scheduler install --print": "ExecStart",
    "iam policy --for provision --stack prod": "Statement",
    "lease list": "no leases held",
}
"""Command to a word that shows that it did write what it is for."""
PAGES = {"/": "Clusters", "/report": "shop", "/calendar": "instance_loss", "/cost": "Cost", "/history": "patch-"}
FILES = {
    "export.jsonl": "drain",
    "report.html": "shop",
    "drills.html": "shop",
    "drills.ics": "BEGIN:VEVENT",
    ".ops/ops.db": "SQLite format",
}
"""What those commands write."""


@contextmanager
def repeating() -> Iterator[int]:
    """The port of a server that refuses everything and repeats where it was asked and with what authorization."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            said = f"{self.path} {self.headers.get('Authorization')}"
            body = json.dumps({"status": "error", "errorType": "internal", "error": said}).encode()
            self.send_response(500, "no")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str], str]]:
    """Runs a command of a fleet with the planted secrets; gives what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("quartermaster.cli.notify_worker.nudge", lambda _ops: None)
    with repeating() as port:
        hook, mail, prom, book = PLANTED
        monkeypatch.setenv("NOTIFY_URL", f"http://127.0.0.1:{port}/{hook}?token={hook}")
        monkeypatch.setenv("MAIL_URL", f"mailto://oncall:{mail}@127.0.0.1:1?to=a@shop.example")
        monkeypatch.setenv("PROMETHEUS_AUTH", f"Bearer {prom}")
        monkeypatch.setenv("JOURNAL_URL", f"postgresql://ops:{book}@127.0.0.1:1/ops")
        (tmp_path / "fleet.yaml").write_text(FLEET.replace("PORT", str(port)), encoding="utf-8")

        def typed(command: str) -> str:
            options.OPTIONS.__init__()  # type: ignore[misc]
            run(command.split())
            return "".join(capsys.readouterr())

        yield typed


def test_what_goes_wrong_says_no_secret(said: Callable[[str], str]) -> None:
    said("notify send")  # from now on what ends is news
    Session(Options()).journal.start("patch", stack="dev", subject="web").finish("failed")
    for command in FAILING:
        told = said(command)
        assert "error: " in told or "wait for another try" in told, f"{command} was to fail: {told}"
        assert [secret for secret in PLANTED if secret in told] == [], command


def test_no_output_holds_a_secret(said: Callable[[str], str], tmp_path: Path) -> None:
    said("notify send")
    ops = Session(Options())
    patched = ops.journal.start("patch", stack="dev", subject="web", inputs={"arguments": ["patch", "run", "web"]})
    list(patched.record([StepStarted(step="drain", host="i-1"), StepFailed(step="drain", host="i-1", error="no")]))
    patched.finish("failed", {"error": "no"})
    for command in FAILING:
        said(command)

    shown = {command: said(command) for command in WRITING}
    site = make(ops, names=["localhost"]).test_client()
    for path, word in PAGES.items():
        while word not in (page := site.get(path).text) or "looks again" in page:
            assert "error" not in page, page
            time.sleep(0.05)
        shown[path] = page
    shown |= {path: (tmp_path / path).read_bytes().decode(errors="replace") for path in FILES}
    fleet = load_fleet(tmp_path / "fleet.yaml")
    shown["state"] = "\n".join(str(resource.inputs) for resource in declared(fleet, "dev"))
    shown["bundle"] = gzip.decompress(build(fleet, tmp_path).content).decode(errors="replace")

    expected = {**WRITING, **PAGES, **FILES, "state": "shop-dev-web", "bundle": "site.yml"}
    assert [name for name, word in expected.items() if word not in shown[name]] == []
    written = {str(file): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    found = {(name, secret) for name, text in shown.items() for secret in PLANTED if secret in text}
    found |= {(name, secret) for name, text in written.items() for secret in PLANTED if secret.encode() in text}
    assert found == set()
    ops.journal.engine.dispose()
