"""A load balancer as the local cloud runs it: plain values read from the API, of which HAProxy is made.

What HAProxy is told of them, ``haproxy_config`` says; how its servers are moved while it runs, ``haproxy_servers``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["BalancerSpec", "Check", "Front", "Health", "Pool", "Server", "Tls"]


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
    """A registered target. ``leaving``: its deregistration has arrived and its delay runs; ``away``: a zonal shift
    keeps new requests from it."""

    id: str
    address: str
    port: int
    leaving: bool = False
    away: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """A target group."""

    arn: str
    name: str
    mode: str
    """http or tcp."""
    algorithm: str
    check: Check
    sticky_seconds: int = 0
    """A client's cookie binds it to its server until it was away so long; 0: none."""
    slow_start_seconds: int = 0
    """A new server's share grows so long, where others serve already."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How a listener ends TLS."""

    least: str
    """The oldest version that it speaks, as HAProxy writes it: TLSv1.2."""
    pem: str = field(repr=False)
    """Certificate and key."""


@dataclass(frozen=True, slots=True)
class Front:
    """A listener's default action: a weighted choice of pools, a fixed answer, or a redirect to TLS."""

    port: int
    mode: str
    pools: tuple[tuple[str, int], ...]
    """(pool name, weight)."""
    fixed_status: int = 0
    redirect_status: int = 0
    tls: Tls | None = None
    sticky_seconds: int = 0
    """So long a client stays with the pool that was drawn for it; 0: each request draws anew."""
    idle_seconds: int = 0
    """In mode tcp; 0: the balancer's."""


@dataclass(frozen=True, slots=True)
class BalancerSpec:
    """A load balancer without its servers: what a running HAProxy cannot change."""

    arn: str
    name: str
    vpc: str
    vpc_cidr: str
    address: str
    """Its own, from which it speaks to targets; where it has legs, clients do not know it."""
    idle_seconds: int
    fronts: tuple[Front, ...]
    pools: tuple[Pool, ...]
    client_seconds: int = 3600
    """So long a client may keep one connection."""
    legs: tuple[tuple[str, str], ...] = ()
    """(zone, address that clients reach it at): a node in each zone, which falls silent with its zone."""

    @property
    def listens(self) -> tuple[str, ...]:
        """The addresses that clients reach it at."""
        return tuple(address for _, address in self.legs) or (self.address,)

    @property
    def url(self) -> str:
        """Where clients reach it: the lowest port without TLS, which this machine's clients need not trust."""
        return self.url_at(self.listens[0])

    def url_at(self, address: str) -> str:
        """The same by one of its addresses."""
        port = self.plain_port or 80
        return f"http://{address}" + ("" if port == 80 else f":{port}")

    @property
    def plain_port(self) -> int:
        """The lowest port without TLS; 0 without any."""
        return min((front.port for front in self.fronts if front.tls is None), default=0)


@dataclass(frozen=True, slots=True)
class Health:
    """A server as HAProxy has it."""

    state: str
    """up, down, drain or maint."""
    check: str
    """HAProxy's word for the last check: L7OK, L7STS, L4TOUT, …; INI or empty before the first."""
    code: str = ""
    """HTTP status of the last check."""
    on_trial: bool = False
    """It was added for its first check alone."""

    @property
    def checked(self) -> bool:
        """Whether there was a check."""
        return self.check not in ("", "INI")

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
