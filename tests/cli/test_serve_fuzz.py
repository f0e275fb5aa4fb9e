"""Nothing that is sent to the site ends in a fault of ours: any method, path, query and header, and any bytes."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import numpy  # noqa: F401 - pages import it beside the test, and hypothesis would look into what is there of it by then
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.cli.site.app import make
from quartermaster.fleet.events import Noted, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.journal import Journal
from tests.cli.site_requests import ARGUMENTS, ODD, TOKEN, Request, requests, routes

if TYPE_CHECKING:
    from tests.postgres_server import Server

Site = tuple[Flask, "st.SearchStrategy[Request]"]
FLEET = "fleet: shop\nclusters: {web: {}}\ndatabases: {orders: {engine: postgres}}\n"


def of_a_bad_year(ops: Session) -> Session:
    """Its journal with runs that ended in every way there is, or never."""
    ended: list[tuple[str, dict[str, Any] | None]] = [
        *(("done", {"kind": "drill", "of": "web"}), ("failed", {"error": "<b>é\u2028\u0007"}), ("stopped", None)),
        *(("recovered", {}), ("done", {"cost_per_month": None}), ("done", {"drift": []})),
    ]
    for number, (state, result) in enumerate(ended * 10):
        run = ops.journal.start(("drill", "patch", "provision_up")[number % 3], stack="dev", subject="web ☃" * number)
        began = StepStarted(step="lose", host="i-1")
        list(run.record([began, Noted(step="lose", message="\u202e<script>"), StepFailed(step="lose", error="no")]))
        list(run.record([began] if number % 2 else [began, StepFinished(step="lose", host="i-1", seconds=0.0)]))
        run.finish(state, result)
    ops.journal.start("configure", stack="dev")  # no step, no end
    return ops


def session(folder: Path) -> Session:
    (folder / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    return Session(Options(fleet=folder / "fleet.yaml"))


@pytest.fixture(scope="module")
def in_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return of_a_bad_year(session(tmp_path_factory.mktemp("site")))


@pytest.fixture(scope="module")
def in_postgresql(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Session:
    ops = session(tmp_path_factory.mktemp("site"))
    ops.__dict__["journal"] = Journal.at(server.database())
    return of_a_bad_year(ops)


def asked(app: Flask, request: Request) -> tuple[int, bytes]:
    """Status and page, as a server that keeps to PEP 3333 gets them of the application."""
    environ = {
        "REQUEST_METHOD": request.method, "SCRIPT_NAME": "", "QUERY_STRING": request.query,
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "SERVER_NAME": "localhost", "SERVER_PORT": "8420", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": BytesIO(b"body"), "wsgi.errors": sys.stderr,
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    said: list[str] = []

    def start(status: str, _headers: list[tuple[str, str]], _failed: Any = None) -> Any:
        said.append(status)
        return lambda _data: None

    answer = app.wsgi_app(environ, start)
    try:
        page = b"".join(answer)
    finally:
        if close := getattr(answer, "close", None):
            close()
    return int(said[-1].split()[0]), page


def site(ops: Session, token: str = "") -> tuple[Flask, st.SearchStrategy[Request]]:
    """The application, and what may be asked of it."""
    app = make(ops, names=["localhost", "::1"], token=token)
    return app, requests(routes(app, ops))


@pytest.fixture(scope="module")
def open_site(in_sqlite: Session) -> Site:
    return site(in_sqlite)


@pytest.fixture(scope="module")
def guarded_site(in_sqlite: Session) -> Site:
    return site(in_sqlite, TOKEN)


@pytest.fixture(scope="module")
def shared_site(in_postgresql: Session) -> Site:
    return site(in_postgresql)


def asked_at_random(asked_of: Site, data: st.DataObject) -> None:
    """Whatever is asked is answered, or refused as the asker's mistake."""
    app, anything = asked_of
    for request in data.draw(st.lists(anything, min_size=4, max_size=8)):
        status, page = asked(app, request)
        assert status < 500, request
        assert b"Traceback" not in page, request


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("open_site", marks=pytest.mark.slow),
        pytest.param("shared_site", marks=[pytest.mark.postgres, pytest.mark.soak]),
    ],
)
def test_every_odd_value_everywhere(request: pytest.FixtureRequest, kind: str) -> None:
    app, _ = request.getfixturevalue(kind)
    for text in ODD:
        odd = quote_from_bytes(text.encode("utf-8", "surrogatepass"))
        for rule in app.url_map.iter_rules():
            path = re.sub(r"<[^>]+>", odd, rule.rule)
            for query in {"", *(f"{name}={odd}" for name in ARGUMENTS if path == rule.rule)}:
                asking = Request("GET", path, query, {"Host": "localhost"})
                assert asked(app, asking)[0] < 500, asking


@given(data=st.data())
@settings(max_examples=80)
def test_whatever_is_asked(open_site: Site, data: st.DataObject) -> None:
    asked_at_random(open_site, data)


@given(data=st.data())
@settings(max_examples=20)
def test_whatever_is_asked_where_a_token_is(guarded_site: Site, data: st.DataObject) -> None:
    asked_at_random(guarded_site, data)


@pytest.mark.postgres
@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=20)
def test_whatever_is_asked_of_a_journal_in_postgresql(shared_site: Site, data: st.DataObject) -> None:
    asked_at_random(shared_site, data)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["open_site", "guarded_site", pytest.param("shared_site", marks=pytest.mark.postgres)])
@given(data=st.data())
@settings(max_examples=600)
def test_much_that_is_asked(request: pytest.FixtureRequest, kind: str, data: st.DataObject) -> None:
    asked_at_random(request.getfixturevalue(kind), data)


@pytest.fixture
def served(in_sqlite: Session) -> Iterator[tuple[str, int]]:
    """The address of an `ops serve`, which has nothing to complain about at its end."""
    command = [sys.executable, "-m", "quartermaster.cli", "serve", "--port", "0", "--fleet", str(in_sqlite.fleet_file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            found = re.match(r"http://(.*):(\d+)/", server.stderr.readline())
            assert found is not None
            yield found[1], int(found[2])
        finally:
            server.send_signal(signal.SIGINT)
        assert "Traceback" not in server.stderr.read()


def sent(address: tuple[str, int], data: bytes) -> bytes:
    """All that comes back for these bytes."""
    with socket.create_connection(address, timeout=60) as wire:
        try:
            wire.sendall(data)
            wire.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: wire.recv(65536), b""))
        except ConnectionError:  # refused in the middle of what was sent
            return b""


def sent_at_random(served: tuple[str, int], site: Site, data: st.DataObject) -> None:
    """Through the server: whole requests, requests cut off or spoilt, and noise."""
    whole = bytes(data.draw(site[1]))
    at, noise = data.draw(st.integers(0, len(whole))), data.draw(st.binary(max_size=20))
    for spoilt in (whole, whole[:at], whole[:at] + noise + whole[at + len(noise) :], noise + b"\r\n\r\n"):
        answer = sent(served, spoilt)
        assert not re.match(rb"HTTP/1\.[01] 5(?!01)", answer), (spoilt, answer)  # 501: an unknown Transfer-Encoding
        assert b"Traceback" not in answer
    assert sent(served, b"GET /history HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


ONE_SERVER = HealthCheck.function_scoped_fixture
"""For all examples: that it is still there after each is what is asked."""


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[ONE_SERVER])
def test_whatever_bytes_are_sent(served: tuple[str, int], open_site: Site, data: st.DataObject) -> None:
    sent_at_random(served, open_site, data)


@pytest.mark.soak
@given(data=st.data())
@settings(max_examples=2000, suppress_health_check=[ONE_SERVER])
def test_much_that_is_sent(served: tuple[str, int], open_site: Site, data: st.DataObject) -> None:
    sent_at_random(served, open_site, data)
