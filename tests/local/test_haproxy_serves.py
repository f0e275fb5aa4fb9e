"""A real HAProxy on loopback: shares, cookies, slow starts, TLS, and another share without a lost request."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.balancer import BalancerSpec, Check, Front, Pool, Server, Tls
from quartermaster.infra.local.haproxy import Haproxy

pytestmark = pytest.mark.haproxy

NAME = "www.shop.example"
CHECK = Check("HTTP", "/healthz", 0, 0.05, 0.2, 2, 2, "200")
BLUE = Pool("arn:blue", "blue", "http", "round_robin", CHECK)
GREEN = replace(BLUE, arn="arn:green", name="green")


class _Host(BaseHTTPRequestHandler):
    """Answers with its name."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.server.name.encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not a line a request."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """HAProxy ends its checks as soon as it knows."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Server]]:
    """Three web servers: b1 and b2 of blue, g1 of green."""
    running = []
    found = {}
    for name in ("b1", "b2", "g1"):
        server = _Quiet(("127.0.0.1", 0), _Host)
        server.name = name  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        found[name] = Server(name, "127.0.0.1", server.server_port)
    yield found
    for server in running:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def spec(*fronts: Front, pools: tuple[Pool, ...] = (BLUE, GREEN)) -> BalancerSpec:
    return BalancerSpec("arn", "web", "vpc", "10.0.0.0/16", "127.0.0.1", 30, fronts, pools)


@contextmanager
def serving(folder: Path, made: BalancerSpec, wanted: Mapping[str, Mapping[str, Server]]) -> Iterator[Haproxy]:
    """A HAProxy whose servers are all up."""
    running = Haproxy(folder)
    try:
        settle(running, made, wanted)
        yield running
    finally:
        running.stop()


def settle(running: Haproxy, made: BalancerSpec, wanted: Mapping[str, Mapping[str, Server]]) -> None:
    until = time.monotonic() + 60
    while True:
        found = running.step(made, wanted)
        if all(found.get(pool, {}).get(name) for pool, servers in wanted.items() for name in servers) and all(
            health.state == "up" for servers in found.values() for health in servers.values()
        ):
            return
        assert time.monotonic() < until, found
        time.sleep(0.02)


def ask(connection: http.client.HTTPConnection, cookie: str = "") -> tuple[str, list[str]]:
    """The host that answered, and the cookies that it set."""
    connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
    answer = connection.getresponse()
    assert answer.status == 200
    cookies = [value.split(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
    return answer.read().decode(), cookies


def drawn(port: int, count: int) -> Counter[str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        return Counter(ask(connection)[0] for _ in range(count))


def split(hosts: Mapping[str, Server]) -> dict[str, dict[str, Server]]:
    return {"blue": {name: hosts[name] for name in ("b1", "b2")}, "green": {"g1": hosts["g1"]}}


@pytest.mark.parametrize("process", ["the first", "one that took over"])
def test_a_server_is_given_up_after_as_many_failed_checks_as_any_other(process: str, tmp_path: Path) -> None:
    failed: list[float] = []
    sick = threading.Event()

    class Host(_Host):
        def do_GET(self) -> None:
            if not sick.is_set():
                return super().do_GET()
            failed.append(time.monotonic())
            time.sleep(1)  # longer than a check waits
            return self.send_error(500)

    host = _Quiet(("127.0.0.1", 0), Host)
    host.name = "b1"  # type: ignore[attr-defined]
    threading.Thread(target=host.serve_forever, args=(0.02,), daemon=True).start()
    pool = replace(BLUE, check=replace(CHECK, interval_seconds=0.5, timeout_seconds=0.4, unhealthy_threshold=3))
    made = spec(Front(free_port(), "http", (("blue", 1),)), pools=(pool,))
    wanted = {"blue": {"b1": Server("b1", "127.0.0.1", host.server_port)}}
    with serving(tmp_path, made, wanted) as running:
        sick.set()
        if process == "one that took over":  # its first check fails already, and one of the process before may have
            made = replace(made, idle_seconds=31)
        until = time.monotonic() + 60
        while (states := running.step(made, wanted)["blue"]["b1"]).state == "up":
            assert time.monotonic() < until, states
            time.sleep(0.02)
    host.shutdown()
    host.server_close()
    assert len(failed) >= 3


def test_requests_of_one_connection_are_shared_by_weight_and_a_new_share_loses_none(
    hosts: Mapping[str, Server], tmp_path: Path
) -> None:
    front = Front(free_port(), "http", (("blue", 80), ("green", 20)))
    with serving(tmp_path, spec(front), split(hosts)) as running:
        found = drawn(front.port, 500)
        # Binomial: 100 wanted of 500, and five standard deviations are 45.
        assert abs(found["g1"] - 100) < 45
        assert abs(found["b1"] - found["b2"]) <= 2
        failures: list[Exception] = []
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                try:
                    drawn(front.port, 1)
                except Exception as exc:  # noqa: BLE001  whatever it is, a client saw it
                    failures.append(exc)

        client = threading.Thread(target=load)
        client.start()
        settle(running, spec(replace(front, pools=(("blue", 0), ("green", 1)))), split(hosts))
        assert set(drawn(front.port, 20)) == {"g1"}
        stop.set()
        client.join()
        assert failures == []
        # Those of the first process count on.
        assert running.requests().sent >= 520
        assert [path.name for path in tmp_path.glob("api*")] == ["api1"], "the first one's socket is asked no more"


def test_a_client_stays_with_its_pool_and_its_host_until_that_leaves(
    hosts: Mapping[str, Server], tmp_path: Path
) -> None:
    front = Front(free_port(), "http", (("blue", 50), ("green", 50)), sticky_seconds=60)
    pools = tuple(replace(pool, sticky_seconds=60) for pool in (BLUE, GREEN))
    made = spec(front, pools=pools)
    client = closing(http.client.HTTPConnection("127.0.0.1", front.port))
    with serving(tmp_path, made, split(hosts)) as running, client as connection:
        answers = (ask(connection) for _ in range(200))
        first, cookies = next(found for found in answers if found[0] != "g1")
        assert {cookie.split("=")[0] for cookie in cookies} == {"AWSALB", "AWSALBTG"}
        cookie = "; ".join(cookies)
        assert {ask(connection, cookie)[0] for _ in range(30)} == {first}
        leaving = split(hosts)
        leaving["blue"][first] = replace(leaving["blue"][first], leaving=True)
        running.step(made, leaving)
        assert {ask(connection, cookie)[0] for _ in range(30)} == {"b1", "b2"} - {first}


def test_a_new_host_starts_slowly_beside_others(hosts: Mapping[str, Server], tmp_path: Path) -> None:
    slow = replace(BLUE, slow_start_seconds=30)
    front = Front(free_port(), "http", (("blue", 1),))
    made, both = spec(front, pools=(slow,)), {"blue": split(hosts)["blue"]}
    with serving(tmp_path, made, {"blue": {"b1": both["blue"]["b1"]}}) as running:
        settle(running, made, both)
        found = drawn(front.port, 60)
        assert found["b1"] > 3 * found["b2"]


def test_tls_is_ended_with_the_authoritys_certificate_for_http_and_tcp(
    hosts: Mapping[str, Server], tmp_path: Path
) -> None:
    authority = Authority.kept_in(tmp_path / "authority")
    certificate, key = authority.issue((NAME,))
    tls = Tls("TLSv1.2", (certificate + key).decode())
    fronts = (
        Front(free_port(), "http", (("blue", 1),), tls=tls),
        Front(free_port(), "tcp", (("feed", 1),), tls=tls, idle_seconds=30),
    )
    feed = replace(BLUE, arn="arn:feed", name="feed", mode="tcp", algorithm="source_ip")
    wanted = {"blue": split(hosts)["blue"], "feed": split(hosts)["blue"]}
    (tmp_path / "lb").mkdir()
    with serving(tmp_path / "lb", spec(*fronts, pools=(BLUE, feed)), wanted):
        context = ssl.create_default_context(cadata=authority.pem.decode())
        spoken = []
        for front in fronts:
            answered = set()
            for _ in range(6):
                plain = socket.create_connection(("127.0.0.1", front.port))
                with context.wrap_socket(plain, server_hostname=NAME) as line:
                    line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    answered.add(b"".join(iter(lambda line=line: line.recv(4096), b""))[-2:])  # type: ignore[misc]
                    spoken.append(line.version())
            # A source address stays with one host.
            assert len(answered) == (2 if front.mode == "http" else 1)
        assert set(spoken) == {"TLSv1.3"}
        stranger = ssl.create_default_context()
        with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", fronts[0].port)) as plain:
            stranger.wrap_socket(plain, server_hostname=NAME)
    assert (tmp_path / "lb" / f"{fronts[0].port}.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "authority" / "authority.key").stat().st_mode & 0o777 == 0o600


def test_a_new_server_does_not_wait_an_interval_for_its_first_check(tmp_path: Path, hosts: dict[str, Server]) -> None:
    blue = replace(BLUE, check=replace(CHECK, interval_seconds=3600))
    port = free_port()
    made = spec(Front(port, "http", (("blue", 1),)), pools=(blue,))
    with (
        serving(tmp_path, made, {"blue": {"b1": hosts["b1"]}}),
        closing(http.client.HTTPConnection("127.0.0.1", port)) as connection,
    ):
        assert ask(connection)[0] == "b1"
