"""HAProxy's configuration of a load balancer. Pure.

What it promises: no retries and no redispatch, as an Application Load Balancer makes none for us.
Requests of one client connection are balanced one by one, so a draining server gets no new one over a connection
that a client keeps alive. To servers a connection carries one request (``http-server-close``, ``http-reuse never``):
a pool of idle connections would lose a request whenever a server closes one just as it is used. AWS leaves that race
to whoever sets a keep-alive shorter than the balancer's idle timeout; here it cannot happen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from quartermaster.infra.local.balancer import BalancerSpec, Check, Front, Pool, Server

__all__ = ["TRIAL_RISE", "certificate_name", "config", "cookie_key", "server_words"]

ALGORITHMS = {
    "round_robin": "roundrobin",
    "least_outstanding_requests": "leastconn",
    "weighted_random": "random(1)",
    "source_ip": "source",
    "flow_hash": "random(1)",
}
"""ELB's word → HAProxy's ``balance``. A flow is one TCP connection, so a hash over flows is a draw for each."""
TRIAL_RISE = 1
"""Checks that a server on trial must pass; a target of AWS must pass two at least, so no other server says 1."""
_COOKIE, _POOL_COOKIE = "AWSALB", "AWSALBTG"
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html"""


def config(spec: BalancerSpec, *, socket_fd: int, serving: Mapping[str, Iterable[Server]]) -> str:
    """The configuration; paths in it are relative to the balancer's folder.

    ``serving``: the servers of each pool that the process before knew as healthy. They serve from the first moment, so
    that a changed listener loses no request. All others come and go through the runtime API.
    """
    lines = [
        "global",
        f"    stats socket fd@{socket_fd} level admin expose-fd listeners",
        "    user nobody",
        "    group nogroup",
        "    nbthread 1",
        "    maxconn 8000",
        "    hard-stop-after 60s",
        "defaults",
        "    retries 0",
        "    no option redispatch",
        "    option http-server-close",
        "    http-reuse never",
        "    timeout connect 10s",
        *(f"    timeout {side} {spec.idle_seconds}s" for side in ("client", "server", "http-keep-alive")),
    ]
    for front in spec.fronts:
        lines += _front(spec, front)
    for pool in spec.pools:
        idle = [front.idle_seconds for front in spec.fronts if pool.name in dict(front.pools)]
        lines += [
            *_backend(pool, max(idle, default=0)),
            *(_server(pool, server) for server in serving.get(pool.name, ())),
        ]
    return "\n".join(lines) + "\n"


def certificate_name(front: Front) -> str:
    """The file in the balancer's folder that holds the listener's certificate and key."""
    return f"{front.port}.pem"


def cookie_key(pool: Pool) -> str:
    """What the cookies of a pool's servers are computed with: the same after a restart."""
    return hashlib.sha256(pool.arn.encode()).hexdigest()[:16]


def server_words(pool: Pool, server: Server, *, slowly: bool = True, trial: bool = False) -> str:
    """How a server of the pool is declared, after its name: the same in a file and in the runtime API.

    ``trial``: for its first check alone, and that at once: HAProxy has a server that comes new for down, and checks it
    after ``downinter``. ``slowly``: for one beside others. Where nobody serves yet, AWS has no slow start:
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#slow-start-mode
    """
    check = pool.check
    rise = f"rise {check.healthy_threshold} fall {check.unhealthy_threshold}"
    words = [
        f"{server.address}:{server.port} check",
        f"inter {_milliseconds(check.interval_seconds)} downinter 50ms rise {TRIAL_RISE} fall 2"
        if trial
        else f"{_apart(check)} {rise}",
        *([f"port {check.port}"] if check.port else []),
        *([f"slowstart {pool.slow_start_seconds}s"] if pool.slow_start_seconds and slowly else []),
    ]
    return " ".join(words)


def _apart(check: Check) -> str:
    """How far apart checks are, so that a host is given up about when AWS does, and never sooner at the worst. Pure.

    HAProxy gives a connection for a check ``inter``, not ``timeout check``, and counts the next from the end of the
    last, where AWS begins one each interval. So checks begin a time-out apart, and those after the first that fails as
    much later: a host that refuses is down after the threshold's intervals, a silent one after as many time-outs more.
    """
    timeout = min(check.timeout_seconds, check.interval_seconds)
    later = (check.unhealthy_threshold * check.interval_seconds - timeout) / max(1, check.unhealthy_threshold - 1)
    spans = {"inter": timeout, "fastinter": later, "downinter": check.interval_seconds}
    return " ".join(f"{name} {_milliseconds(seconds)}" for name, seconds in spans.items())


def _server(pool: Pool, server: Server) -> str:
    return f"    server {server.id} {server_words(pool, server)}"


def _front(spec: BalancerSpec, front: Front) -> list[str]:
    http = front.mode == "http"
    bind = "    bind " + ",".join(f"{address}:{front.port}" for address in spec.listens)
    if front.tls is not None:
        bind += f" ssl crt {certificate_name(front)} ssl-min-ver {front.tls.least}"
        bind += " alpn h2,http/1.1" if http else ""
    lines = [f"frontend listener-{front.port}", bind, f"    mode {front.mode}"]
    if front.idle_seconds:
        lines.append(f"    timeout client {front.idle_seconds}s")
    if http:
        lines += [
            "    option forwardfor",
            f"    http-request set-header X-Forwarded-Proto {'https' if front.tls else 'http'}",
            f"    http-request set-header X-Forwarded-Port {front.port}",
            "    http-request set-var(sess.since) date if !{ var(sess.since) -m found }",
            "    http-after-response set-header Connection close"
            f" if {{ date,sub(sess.since) -m int ge {spec.client_seconds} }}",
        ]
    if front.fixed_status:
        return [*lines, f"    http-request return status {front.fixed_status}"]
    if front.redirect_status:
        return [*lines, f"    http-request redirect scheme https code {front.redirect_status}"]
    return lines + _choice(front)


def _choice(front: Front) -> list[str]:
    """Which pool serves: that of the client's cookie where there is one, else one drawn by weight."""
    drawn = [(name, weight) for name, weight in front.pools if weight]
    if not drawn:
        # All weights are 0: AWS answers 503 too.
        return [f"    default_backend {name}" for name, _ in front.pools[:1]]
    rules: list[str] = []
    choices: list[str] = []
    if len(front.pools) > 1 and front.sticky_seconds:
        cookie = f"{_POOL_COOKIE}=%[be_name]; Max-Age={front.sticky_seconds}; Path=/"
        rules.append(f'    http-after-response add-header Set-Cookie "{cookie}"')
        choices += [f"    use_backend {name} if {{ req.cook({_POOL_COOKIE}) -m str {name} }}" for name, _ in drawn]
    if len(drawn) > 1:
        act = "http-request" if front.mode == "http" else "tcp-request content"
        rules.append(f"    {act} set-var(txn.pick) rand({sum(weight for _, weight in drawn)})")
        below = 0
        for name, weight in drawn[:-1]:
            below += weight
            choices.append(f"    use_backend {name} if {{ var(txn.pick) -m int lt {below} }}")
    return [*rules, *choices, f"    default_backend {drawn[-1][0]}"]


def _backend(pool: Pool, idle_seconds: int) -> list[str]:
    check = pool.check
    lines = [f"backend {pool.name}", f"    mode {pool.mode}", f"    balance {ALGORITHMS[pool.algorithm]}"]
    if pool.algorithm == "source_ip":
        lines.append("    hash-type consistent")  # servers added at run time need it
    if pool.sticky_seconds:
        lines += [
            f"    cookie {_COOKIE} insert indirect maxidle {pool.sticky_seconds}s dynamic",
            f"    dynamic-cookie-key {cookie_key(pool)}",
        ]
    if idle_seconds:
        lines.append(f"    timeout server {idle_seconds}s")
    if check.protocol in ("HTTP", "HTTPS"):
        lines += [
            f"    option httpchk GET {check.path or '/'}",
            "    http-check send hdr User-Agent ELB-HealthChecker/2.0",
            f"    http-check expect status {check.matcher or '200'}",
        ]
    return [*lines, f"    timeout check {_milliseconds(check.timeout_seconds)}"]


def _milliseconds(seconds: float) -> str:
    return f"{int(seconds * 1000)}ms"
