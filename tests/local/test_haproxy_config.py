"""HAProxy's configuration says what the balancer's listeners and target groups say, and HAProxy takes it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.balancer import BalancerSpec, Check, Front, Pool, Server, Tls
from quartermaster.infra.local.haproxy_config import config, server_words

CHECK = Check("HTTP", "/healthz", 0, 5, 2, 3, 2, "200-299")
POOL = Pool("arn:web", "web", "http", "least_outstanding_requests", CHECK)
PLAIN = Front(80, "http", (("web", 1),))
SPEC = BalancerSpec("arn:lb", "web", "vpc-1", "10.9.0.0/16", "127.0.0.1", 60, (PLAIN,), (POOL,), client_seconds=230)
BOTH = (("blue", 90), ("green", 10))
POOLS = (replace(POOL, name="blue"), replace(POOL, name="green", arn="arn:green"))


def text(spec: BalancerSpec = SPEC, **more: Any) -> str:
    return config(replace(spec, **more), socket_fd=3, serving={})


@pytest.mark.parametrize("line", ["retries 0", "no option redispatch", "http-reuse never", "option http-server-close"])
def test_nothing_hides_a_failed_request(line: str) -> None:
    assert f"    {line}\n" in text()


@pytest.mark.parametrize(
    ("word", "balance"),
    [("round_robin", "roundrobin"), ("least_outstanding_requests", "leastconn"), ("weighted_random", "random(1)")],
)
def test_each_algorithm_has_its_haproxy_word(word: str, balance: str) -> None:
    assert f"balance {balance}\n" in text(pools=(replace(POOL, algorithm=word),))


def test_the_health_check_is_the_target_groups() -> None:
    assert "option httpchk GET /healthz" in text()
    assert "http-check expect status 200-299" in text()
    assert "timeout check 2000ms" in text()


def test_weights_choose_between_pools_request_by_request() -> None:
    found = text(fronts=(replace(PLAIN, pools=BOTH),), pools=POOLS)
    assert "http-request set-var(txn.pick) rand(100)" in found
    assert "use_backend blue if { var(txn.pick) -m int lt 90 }" in found
    assert "default_backend green" in found


def test_a_weight_of_nothing_gets_nothing() -> None:
    found = text(fronts=(replace(PLAIN, pools=(("blue", 100), ("green", 0))),), pools=POOLS)
    assert "default_backend blue" in found
    assert "rand(" not in found


def test_idle_and_client_keep_alive_are_the_balancers() -> None:
    found = text(idle_seconds=30)
    assert "timeout client 30s" in found
    assert "timeout http-keep-alive 30s" in found
    assert "set-header Connection close if { date,sub(sess.since) -m int ge 230 }" in found
    feed = Front(8080, "tcp", (("feed", 1),), idle_seconds=350)
    tcp = text(fronts=(feed,), pools=(replace(POOL, name="feed", mode="tcp", algorithm="flow_hash"),))
    assert tcp.count("350s") == 2


def test_a_server_that_served_before_serves_from_the_first_moment() -> None:
    found = config(SPEC, socket_fd=3, serving={"web": [Server("i-1", "10.9.0.4", 80)]})
    assert "    server i-1 10.9.0.4:80 check inter 2000ms fastinter 8000ms downinter 5000ms rise 3 fall 2\n" in found


@pytest.mark.parametrize(("every", "timeout", "fall"), [(5, 2, 2), (5, 3, 2), (10, 5, 2), (30, 5, 2), (10, 5, 5)])
def test_a_host_is_given_up_about_when_aws_does_and_never_sooner_at_the_worst(
    every: float, timeout: float, fall: int
) -> None:
    """By HAProxy's rules: a healthy host is asked each ``inter``, an ailing one ``fastinter`` after the last answer."""
    pool = replace(
        POOL, check=replace(CHECK, interval_seconds=every, timeout_seconds=timeout, unhealthy_threshold=fall)
    )
    words = server_words(pool, Server("i-1", "10.9.0.4", 80)).split()
    spans = {name: int(words[words.index(name) + 1].removesuffix("ms")) / 1000 for name in ("inter", "fastinter")}
    refused = spans["inter"] + (fall - 1) * spans["fastinter"]
    silent = refused + fall * spans["inter"]
    assert refused == pytest.approx(every * fall)  # as on AWS, at the latest
    aws = every * fall + timeout
    assert aws <= silent <= aws + (fall - 1) * timeout


def test_a_certificate_is_not_in_the_configuration() -> None:
    found = text(fronts=(replace(PLAIN, port=443, tls=Tls("TLSv1.2", "-----BEGIN")),))
    assert "bind 127.0.0.1:443 ssl crt 443.pem ssl-min-ver TLSv1.2 alpn h2,http/1.1\n" in found
    assert "BEGIN" not in found
    assert "BEGIN" not in repr(Tls("TLSv1.2", "-----BEGIN"))


SPECS = {
    "plain": SPEC,
    "sticky weights over TLS": replace(
        SPEC,
        fronts=(
            replace(PLAIN, port=443, pools=BOTH, sticky_seconds=60, tls=Tls("TLSv1.2", "")),
            replace(PLAIN, pools=(), redirect_status=301),
        ),
        pools=tuple(replace(pool, sticky_seconds=600, slow_start_seconds=30) for pool in POOLS),
    ),
    "network": replace(
        SPEC,
        fronts=(Front(8080, "tcp", BOTH, idle_seconds=350), Front(443, "tcp", BOTH, tls=Tls("TLSv1.3", ""))),
        pools=(
            replace(POOLS[0], mode="tcp", algorithm="source_ip"),
            replace(POOLS[1], mode="tcp", algorithm="flow_hash", check=replace(CHECK, protocol="TCP")),
        ),
    ),
    "fixed answer": replace(SPEC, fronts=(replace(PLAIN, pools=(), fixed_status=503),)),
}


@pytest.mark.haproxy
@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_haproxy_takes_it_without_a_warning(spec: BalancerSpec, tmp_path: Path) -> None:
    certificate, key = Authority.new().issue(("www.shop.example",))
    (tmp_path / "443.pem").write_bytes(certificate + key)
    serving = {pool.name: [Server("i-1", "10.9.0.4", 80)] for pool in spec.pools}
    (tmp_path / "haproxy.cfg").write_text(config(spec, socket_fd=3, serving=serving).replace("fd@3", "unix@api"))
    done = subprocess.run(
        ["haproxy", "-c", "-dW", "-f", "haproxy.cfg"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_each_listener_answers_at_the_address_of_every_zone() -> None:
    legs = (("eu-west-1a", "10.9.1.4"), ("eu-west-1b", "10.9.2.4"))
    assert "    bind 10.9.1.4:80,10.9.2.4:80\n" in text(legs=legs)
    assert "    bind 127.0.0.1:80\n" in text()
