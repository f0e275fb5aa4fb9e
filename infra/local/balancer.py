"""A load balancer as HAProxy: its configuration, what its servers should be, what its statistics say. All pure.

What the configuration promises: no retries and no redispatch, as an Application Load Balancer makes none for us.
Requests of one client connection are balanced one by one, so a draining server gets no new one over a connection
that a client keeps alive. To servers a connection carries one request (``http-server-close``, ``http-reuse never``):
a pool of idle connections would lose a request whenever a server closes one just as it is used. AWS leaves that race
to whoever sets a keep-alive shorter than the balancer's idle timeout; here it cannot happen.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "BalancerSpec", "Check", "Front", "Health", "Pool", "Server", "config", "counts", "decide", "pool_requests", "present",
]  # fmt: skip

ALGORITHMS = {
    "round_robin": "roundrobin",
    "least_outstanding_requests": "leastconn",
    "weighted_random": "random(1)",
    "source_ip": "source",
    "flow_hash": "random(1)",
}
"""ELB's word → HAProxy's ``balance``. A flow is one TCP connection, so a hash over flows is a draw for each."""


@dataclass(frozen=True, slots=True)
class Check:
    """Health check of a target group, in AWS's terms."""

    protocol: str
    path: str
    port: int
    """0: the port of the target."""
    interval_seconds: float
    timeout_seconds: float
    healthy_threshold: int
    unhealthy_threshold: int
    matcher: str


@dataclass(frozen=True, slots=True)
class Server:
    """A registered target. ``leaving``: its deregistration has arrived and its delay runs."""

    id: str
    address: str
    port: int
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """A target group."""

    arn: str
    name: str
    mode: str
    """http or tcp."""
    algorithm: str
    check: Check


@dataclass(frozen=True, slots=True)
class Front:
    """A listener's default action: a weighted choice of pools, or a fixed answer."""

    port: int
    mode: str
    pools: tuple[tuple[str, int], ...]
    """(pool name, weight)."""
    fixed_status: int = 0


@dataclass(frozen=True, slots=True)
class BalancerSpec:
    """A load balancer without its servers: what a running HAProxy cannot change."""

    arn: str
    name: str
    vpc: str
    vpc_cidr: str
    address: str
    idle_seconds: int
    fronts: tuple[Front, ...]
    pools: tuple[Pool, ...]

    @property
    def url(self) -> str:
        """Where clients reach it: the lowest port."""
        port = min((front.port for front in self.fronts), default=80)
        return f"http://{self.address}" + ("" if port == 80 else f":{port}")


@dataclass(frozen=True, slots=True)
class Health:
    """A server as HAProxy has it."""

    state: str
    """up, down, drain or maint."""
    check: str
    """HAProxy's word for the last check: L7OK, L7STS, L4TOUT, …; empty before the first."""
    code: str = ""
    """HTTP status of the last check."""

    @property
    def passed(self) -> bool:
        """Whether the last check passed."""
        return self.check in ("L4OK", "L6OK", "L7OK", "L7OKC")

    @property
    def reason(self) -> tuple[str, str]:
        """AWS's (reason code, description) of a failed check."""
        if self.check in ("L4TOUT", "L6TOUT", "L7TOUT"):
            return "Target.Timeout", "Request timed out"
        if self.check in ("L7STS", "L7RSP"):
            return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{self.code}]"
        return "Target.FailedHealthChecks", "Health checks failed"


def config(spec: BalancerSpec, *, socket_fd: int) -> str:
    """HAProxy's configuration, without servers: those come and go through the runtime API."""
    lines = [
        "global",
        f"    stats socket fd@{socket_fd} level admin",
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
        lines += _backend(pool)
    return "\n".join(lines) + "\n"


def decide(pool: Pool, wanted: Mapping[str, Server], found: Mapping[str, Health]) -> list[str]:
    """Runtime commands that bring a pool's servers to what is wanted. Pure.

    A new server starts drained and is let in at its first passed check: on AWS a target must pass one to be healthy,
    while HAProxy would take it for up until a check fails.
    """
    commands: list[str] = []
    for name, health in sorted(found.items()):
        server = wanted.get(name)
        path = f"{pool.name}/{name}"
        if server is None:
            if health.state != "maint":
                commands.append(f"set server {path} state maint")
            commands += [f"shutdown sessions server {path}", f"del server {path}"]
        elif server.leaving:
            if health.state == "up":
                commands.append(f"set server {path} state drain")
        elif health.state == "drain" and health.passed:
            commands.append(f"set server {path} state ready")
    for name, server in sorted(wanted.items()):
        if name not in found and not server.leaving:
            commands += _add(pool, server)
    return commands


def present(stat: str) -> dict[str, dict[str, Health]]:
    """Pool → server → health, from the CSV of ``show stat``. Pure."""
    found: dict[str, dict[str, Health]] = {}
    for row in _rows(stat):
        if row["svname"] in ("FRONTEND", "BACKEND"):
            continue
        check = row["check_status"].removeprefix("* ")
        found.setdefault(row["pxname"], {})[row["svname"]] = Health(_state(row["status"]), check, row["check_code"])
    return found


def counts(stat: str) -> tuple[int, int]:
    """(requests finished, of them failed) since the process began, from ``show stat``. Pure.

    Failed: answered 5xx (also by HAProxy itself, for want of a server or an answer) or cut by the server half-way.
    """
    sent = failed = 0
    for row in _rows(stat):
        if row["svname"] == "FRONTEND":
            if row["mode"] == "http":
                sent += sum(int(row[f"hrsp_{group}"] or 0) for group in ("1xx", "2xx", "3xx", "4xx", "5xx", "other"))
                failed += int(row["hrsp_5xx"] or 0)
            else:
                sent += int(row["stot"] or 0)
        elif row["svname"] == "BACKEND":
            failed += int(row["srv_abrt"] or 0)
            if row["mode"] == "tcp":
                failed += int(row["econ"] or 0)
    return sent, failed


def pool_requests(stat: str) -> dict[str, int]:
    """Pool → requests finished since the process began, from ``show stat``. Pure."""
    groups = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")
    return {
        row["pxname"]: sum(int(row[f"hrsp_{group}"] or 0) for group in groups)
        for row in _rows(stat)
        if row["svname"] == "BACKEND" and row["mode"] == "http"
    }


def _front(spec: BalancerSpec, front: Front) -> list[str]:
    lines = [f"frontend listener-{front.port}", f"    bind {spec.address}:{front.port}", f"    mode {front.mode}"]
    if front.mode == "http":
        lines += ["    option forwardfor", "    http-request set-header X-Forwarded-Proto http"]
    if front.fixed_status:
        return [*lines, f"    http-request return status {front.fixed_status}"]
    total = sum(weight for _, weight in front.pools)
    if len(front.pools) > 1 and total:
        lines.append(
            f"    {front.mode}-request {'content ' if front.mode == 'tcp' else ''}set-var(sess.pick) rand({total})"
        )
        below = 0
        for name, weight in front.pools[:-1]:
            below += weight
            lines.append(f"    use_backend {name} if {{ var(sess.pick) -m int lt {below} }}")
    if front.pools:
        lines.append(f"    default_backend {front.pools[-1][0]}")
    return lines


def _backend(pool: Pool) -> list[str]:
    check = pool.check
    lines = [f"backend {pool.name}", f"    mode {pool.mode}", f"    balance {ALGORITHMS[pool.algorithm]}"]
    if pool.algorithm == "source_ip":
        lines.append("    hash-type consistent")  # servers added at run time need it
    if check.protocol in ("HTTP", "HTTPS"):
        lines += [
            f"    option httpchk GET {check.path or '/'}",
            "    http-check send hdr User-Agent ELB-HealthChecker/2.0",
            f"    http-check expect status {check.matcher or '200'}",
        ]
    return [*lines, f"    timeout check {_milliseconds(check.timeout_seconds)}"]


def _add(pool: Pool, server: Server) -> list[str]:
    check, path = pool.check, f"{pool.name}/{server.id}"
    words = [
        f"add server {path} {server.address}:{server.port}",
        f"check inter {_milliseconds(check.interval_seconds)}",
        f"rise {check.healthy_threshold} fall {check.unhealthy_threshold}",
        *([f"port {check.port}"] if check.port else []),
    ]
    return [" ".join(words), f"set server {path} state drain", f"enable health {path}"]


def _milliseconds(seconds: float) -> str:
    return f"{int(seconds * 1000)}ms"


def _state(status: str) -> str:
    word = status.split()[0] if status else ""
    if word == "MAINT":
        return "maint"
    if word == "DRAIN":
        return "drain"
    return "down" if word == "DOWN" else "up"


def _rows(stat: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(stat.removeprefix("# ").strip() + "\n")))
