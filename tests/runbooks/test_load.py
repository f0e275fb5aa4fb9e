"""The load generator counts what users would see, keeps its pace and its bounds, and never outlives its parent."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.keepalive import Target
from quartermaster.fleet.load import Load, _Tally, _worker, refusal

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def server(answer: Callable[[int, socket.socket], bool]) -> Iterator[str]:
    """A raw server: ``answer(n, connection)`` handles the n-th request; false closes the connection."""
    count = iter(range(10**9))

    def serve(connection: socket.socket) -> None:
        # Who was killed resets what it had open.
        with closing(connection), suppress(ConnectionResetError):
            while connection.recv(4096) and answer(next(count), connection):
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/healthz"
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()


def says(*parts: bytes, keep: bool = True) -> Callable[[int, socket.socket], bool]:
    def answer(_: int, connection: socket.socket) -> bool:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.001)
        return keep

    return answer


def run(url: str, *, rate: float = 200, seconds: float = 0.6, connections: int = 4) -> Load:
    with Load(url, rate, connections, seconds) as load:
        while load.running:
            time.sleep(0.02)
    return load


def test_a_healthy_server_gets_every_request_that_was_due() -> None:
    with server(says(OK)) as url:
        load = run(url, rate=200, seconds=1.5)
    assert load.counts().failed == 0
    assert 295 <= load.counts().sent <= 301
    assert load.samples()[0].sent >= 190


@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\n0\r\n\r\n\r\n", b"0\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-", b"Length: 4\r\n\r\nab", b"cd"),
        (b"HTTP/1.1 204 No Content\r\n\r\n",),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",),
    ],
)
def test_answers_in_pieces_and_chunks_are_no_failures(parts: tuple[bytes, ...]) -> None:
    with server(says(*parts)) as url:
        load = run(url)
    assert (load.counts().failed, load.counts().sent > 90) == (0, True)
    assert sum(sample.retried for sample in load.samples()) == 0


def test_a_body_until_close_is_no_failure() -> None:
    with server(says(b"HTTP/1.0 200 OK\r\n\r\nhello", keep=False)) as url:
        assert run(url).counts().failed == 0


def test_an_error_status_is_a_failure_and_says_which() -> None:
    with server(says(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")) as url:
        load = run(url)
    assert load.counts().failed == load.counts().sent > 90
    assert set(load.samples()[0].failures) == {"503"}


def test_a_clean_close_after_an_answer_is_retried_not_failed() -> None:
    def answer(n: int, connection: socket.socket) -> bool:
        if n % 2:  # the second request on each connection meets a server that has gone
            return False
        connection.sendall(OK)
        return True

    with server(answer) as url:
        load = run(url, connections=1)
    assert load.counts().failed == 0
    assert sum(sample.retried for sample in load.samples()) > 30


def test_a_close_without_an_answer_on_a_fresh_connection_is_a_failure() -> None:
    with server(lambda n, connection: False) as url:
        load = run(url)
    assert load.counts().failed == load.counts().sent > 90
    assert set(load.samples()[0].failures) == {"dropped"}


def test_half_an_answer_is_a_failure_also_on_a_reused_connection() -> None:
    def answer(n: int, connection: socket.socket) -> bool:
        connection.sendall(OK if n % 2 == 0 else OK[:-1])
        return n % 2 == 0

    with server(answer) as url:
        load = run(url, connections=1)
    assert load.counts().failed > 30
    assert sum(sample.retried for sample in load.samples()) == 0


def test_nothing_listening_is_refused() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    load = run(f"http://127.0.0.1:{port}/")
    assert load.counts().failed == load.counts().sent > 90
    assert set(load.samples()[0].failures) == {"refused"}


def test_a_stall_shows_in_the_latency_of_all_who_were_due() -> None:
    def answer(n: int, connection: socket.socket) -> bool:
        time.sleep(0.7 if n == 0 else 0)
        connection.sendall(OK)
        return True

    with server(answer) as url:
        load = run(url, rate=50, seconds=1.0, connections=1)
    assert load.samples()[0].slowest_seconds >= 0.7
    assert load.samples()[0].p50_seconds >= 0.05  # those that waited behind the stalled one were due as well


def test_what_could_not_be_sent_in_its_time_fails_at_once_and_delays_nobody() -> None:
    async def load(url: str) -> _Tally:
        due: asyncio.Queue[float] = asyncio.Queue()
        tally, now = _Tally(), asyncio.get_running_loop().time()
        for at in (now - 60, now - 60, now):
            due.put_nowait(at)
        parts = urlsplit(url)
        target = Target(parts.hostname or "", parts.port or 80, parts.path)
        worker = asyncio.create_task(_worker(target, due, tally))
        await due.join()
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        return tally

    asked: list[int] = []

    def answer(n: int, connection: socket.socket) -> bool:
        asked.append(n)
        return says(OK)(n, connection)

    with server(answer) as url:
        tally = asyncio.run(load(url))
    assert (dict(tally.failures), len(tally.latencies), asked) == ({"unsent": 2}, 3, [0])


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://example.org/", "is a name"),
        ("http://93.184.216.34/", "neither loopback nor private"),
        ("http://169.254.169.254/latest", "neither loopback nor private"),
        ("http://10.255.255.1/", "not on a bridge"),
        ("https://127.0.0.1/", "not http"),
    ],
)
def test_any_other_address_is_refused_by_name(url: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        Load(url)


@pytest.mark.parametrize("asked", [{"rate_per_second": 2001}, {"connections": 0}, {"seconds_max": 3601}])
def test_bounds_are_hard(asked: dict[str, float]) -> None:
    with pytest.raises(InputError, match="out of bounds"):
        Load("http://127.0.0.1:1/", **asked)  # type: ignore[arg-type]


def test_loopback_is_allowed() -> None:
    assert refusal("http://localhost:8080/") == ""
    assert refusal("http://[::1]:8080/") == ""


def test_a_load_that_dies_is_told_never_counted_as_whole() -> None:
    with server(says(OK)) as url, pytest.raises(OpsError, match="died"), Load(url) as load:
        assert load._child is not None
        os.kill(load._child.pid, signal.SIGKILL)


@pytest.mark.parametrize("leaked", [False, True], ids=["plain", "pipe held by another"])
def test_the_load_dies_with_its_parent(leaked: bool) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "from quartermaster.fleet.load import Load\n"
        "with Load(sys.argv[1]) as load:\n"
        "    os.set_inheritable(load._child.stdin.fileno(), True)\n"
        f"    other = subprocess.Popen(['sleep', '20'], close_fds={not leaked}, stdout=subprocess.DEVNULL)\n"
        "    print(load._child.pid, other.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    begun = threading.Event()

    def answer(n: int, connection: socket.socket) -> bool:
        begun.set()
        return says(OK)(n, connection)

    with server(answer) as url:
        parent = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        pid, other = (int(word) for word in parent.stdout.readline().split())
        try:
            assert begun.wait(30)
            with orphans_are_ours():
                parent.kill()
                parent.wait()
                _, status = os.waitpid(pid, 0)
            # Else its pipes end it, a line later and with an exit code, unless another process holds them.
            assert not leaked or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL)
        finally:
            os.kill(other, signal.SIGKILL)
            parent.stdout.close()


@contextmanager
def orphans_are_ours() -> Iterator[None]:
    """Whoever loses its parent becomes our child (PR_SET_CHILD_SUBREAPER, prctl(2)): we see how it ends."""
    libc = ctypes.CDLL(None)
    libc.prctl(36, 1)
    try:
        yield
    finally:
        libc.prctl(36, 0)
