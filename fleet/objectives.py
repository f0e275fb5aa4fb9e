"""What settings allow at best: how long a loss takes to be noticed and made good, and what data it costs. Pure.

One place for the formulas, so that what the lint predicts, what policy warns of and what a drill is held to are one
number. Recovered means what drills mean by it: as many hosts serve as before, or the database takes writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from quartermaster.fleet.connections import DNS_SECONDS, keep_alive

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.data import Database
    from quartermaster.fleet.schema.servers import Balancer

__all__ = [
    "REGION_CHECKS",
    "REGION_CHECK_SECONDS",
    "SCOPES",
    "Best",
    "Measured",
    "Scope",
    "Term",
    "best",
    "check_timeout",
    "counting",
    "detection_seconds",
    "earliest_detection_seconds",
    "total",
]

Scope = Literal["zone", "region", "data_loss"]
SCOPES: tuple[Scope, ...] = ("zone", "region", "data_loss")
_Basis = Literal["setting", "documented", "measured", "given", "assumed"]
"""Where seconds come from: fleet.yaml, AWS's documents, this stack's drills, a person, or nowhere better."""

REGION_CHECK_SECONDS, REGION_CHECKS = 30, 3
"""A region is called lost after a minute and a half. Asked every 10 seconds it would be half a minute and cost thrice
as much; the pilot light takes minutes to serve. https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover.html"""
_LEAST_TIMEOUT, _TIMEOUT = 2, 5
_STATUS_CHECK_SECONDS = 120
"""Two checks of a minute: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html"""
_GROUP_SECONDS = 30
"""A group looks at its hosts' health now and then; no figure is published."""
_FAILOVER_SECONDS = 60
"""60 to 120: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZ.Failover.html"""
_ARCHIVE_SECONDS = 300
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html, and for tables
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PointInTimeRecoveryDescription.html"""
_NEW_INSTANCE_SECONDS, _RESTORE_MIB = 300, 150
"""AWS gives neither how long a restored instance takes to be there nor how many MiB a second it reads."""
_TABLE_RESTORE_SECONDS = 3600
_PROMOTE_SECONDS, _LAG_SECONDS = 300, 60
"""AWS says "several minutes" and gives no bound of a replica's lag between regions:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.html"""
_TABLE_LAG_SECONDS = 1
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html"""
_LEAD_SECONDS = 600
"""From launch to serving, where no drill measured it: as capacity plans assume."""
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Term:
    """One stretch of a recovery, or one of the data that is lost."""

    what: str
    seconds: float
    basis: _Basis
    setting: str = ""
    """Where in fleet.yaml it is set; empty where it is not."""
    branch: str = ""
    """Terms of one branch follow one another; branches go on side by side, and the longest counts."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best that can be had of one subject in one scope."""

    rto: tuple[Term, ...] = ()
    rpo: tuple[Term, ...] = ()
    impossible: str = ""
    """Why it cannot be recovered at all; the terms are then empty."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds that drills of this stack measured, by cluster or database; the slowest of the last few."""

    lead: Mapping[str, float] = field(default_factory=dict)
    """From launch to serving."""
    failover: Mapping[str, float] = field(default_factory=dict)
    restore: Mapping[str, float] = field(default_factory=dict)
    """Until the restored data was checked."""


def check_timeout(balancer: Balancer) -> int:
    """Seconds that a host's answer to a health check may take: 5, where the next check is not due before."""
    return max(_LEAST_TIMEOUT, min(_TIMEOUT, balancer.check_seconds - 2))


def detection_seconds(balancer: Balancer) -> int:
    """Until a silent host gets no more requests, at the latest.

    It falls silent right after it answered: ``unhealthy_after`` checks begin an interval apart, the first an interval
    later, and the last must time out.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    """
    return balancer.check_seconds * balancer.unhealthy_after + check_timeout(balancer)


def earliest_detection_seconds(balancer: Balancer) -> int:
    """The same at the earliest: it falls silent right before it is asked."""
    return detection_seconds(balancer) - balancer.check_seconds


def total(terms: Iterable[Term], *, surely: bool = False) -> float:
    """Seconds that the terms come to; ``surely`` leaves out what is only assumed, so it takes at least that long."""
    branches: dict[str, float] = defaultdict(float)
    for term in terms:
        branches[term.branch] += 0 if surely and term.basis == "assumed" else term.seconds
    return branches.pop("", 0.0) + max(branches.values(), default=0.0)


def counting(terms: Sequence[Term]) -> list[tuple[Term, bool]]:
    """Each term, and whether it is part of the sum: those of the longest branch are."""
    longest = max((term.branch for term in terms if term.branch), key=lambda branch: _of(terms, branch), default="")
    return [(term, term.branch in ("", longest)) for term in terms]


def best(fleet: Fleet, name: str, scope: Scope, measured: Measured) -> Best:
    """What the fleet's settings allow the cluster or database, when what the scope says is lost."""
    if name in fleet.clusters:
        return _cluster(fleet, name, scope, measured)
    database = fleet.databases[name]
    return (_table if database.engine == "dynamodb" else _server)(fleet, name, database, scope, measured)


def _of(terms: Iterable[Term], branch: str) -> float:
    return sum(term.seconds for term in terms if term.branch == branch)


def _cluster(fleet: Fleet, name: str, scope: Scope, measured: Measured) -> Best:
    ready = _lead(fleet, name, measured)
    if scope == "data_loss":
        return Best(rto=(Term("the group misses its hosts", _GROUP_SECONDS, "assumed"), ready))
    if scope == "zone":
        return Best(rto=tuple(_zone(fleet, name, ready)))
    if not _pilot_light(fleet):
        return Best(impossible=f"nothing of {name} is in another region")
    balanced = fleet.balancer_of(name)
    if balanced is None:
        return Best(rto=(ready,))
    if fleet.dns is None:
        return Best(impossible=f"no name of ours leads users of {name} to another region")
    return Best(rto=(_region_noticed(), ready, _dns()))


def _zone(fleet: Fleet, name: str, ready: Term) -> Iterator[Term]:
    """Noticed; then the group makes new hosts, while connections to what was lost end."""
    balanced = fleet.balancer_of(name)
    noticed = [Term("the group looks at health", _GROUP_SECONDS, "assumed")]
    if balanced is None:
        yield Term("status checks of the lost hosts fail", _STATUS_CHECK_SECONDS, "documented")
        yield from (*noticed, ready)
        return
    owner, balancer = balanced
    at = f"clusters.{owner}.balancer"
    checks = f"{balancer.unhealthy_after} health checks {balancer.check_seconds} s apart fail"
    yield Term(checks, balancer.check_seconds * balancer.unhealthy_after, "setting", f"{at}.check_seconds")
    yield Term("the last of them times out", check_timeout(balancer), "setting", f"{at}.check_seconds")
    idle = keep_alive(fleet, owner, balancer).idle
    drain = Term("what is replaced is drained", balancer.drain_seconds, "setting", f"{at}.drain_seconds")
    yield from (replace(term, branch="hosts") for term in (*noticed, drain, ready))
    yield Term("requests that hang are cut off", idle, "setting", f"{at}.idle_seconds", branch="requests")
    yield replace(_dns(), branch="names")


def _server(fleet: Fleet, name: str, database: Database, scope: Scope, measured: Measured) -> Best:
    if scope == "zone" and database.standby:
        taken = _known(measured.failover.get(name), "the standby takes over", _FAILOVER_SECONDS, "documented")
        return Best(rto=(taken,), rpo=(Term("the standby has all that was confirmed", 0, "documented"),))
    if scope == "region":
        return _server_elsewhere(fleet, name, database, measured)
    archived = Term("logs are archived every five minutes", _ARCHIVE_SECONDS, "documented")
    return Best(rto=_restored(name, database, measured), rpo=(archived,))


def _server_elsewhere(fleet: Fleet, name: str, database: Database, measured: Measured) -> Best:
    if _pilot_light(fleet):
        promoted = Term("the replica there is promoted", _PROMOTE_SECONDS, "assumed")
        behind = Term("the replica there lags behind", _LAG_SECONDS, "assumed")
        return Best(rto=(_region_noticed(), promoted), rpo=(behind,))
    copied = [(31 if rule.on else 1, index) for index, rule in enumerate(fleet.backups.rules) if rule.copy_to]
    if not copied:
        return Best(impossible=f"no backup of {name} leaves the region")
    days, index = min(copied)
    each = Term(f"copied every {days} days" if days > 1 else "copied once a day", days * _DAY, "setting",
                f"backups.rules[{index}]")  # fmt: skip
    return Best(rto=(_region_noticed(), *_restored(name, database, measured)), rpo=(each,))


def _table(fleet: Fleet, name: str, _: Database, scope: Scope, measured: Measured) -> Best:
    if scope == "zone":
        stays = Term("a table is in three zones", 0, "documented")
        return Best(rto=(stays,), rpo=(stays,))
    if scope == "region":
        if not fleet.recovery_region:
            return Best(impossible=f"nothing of {name} is in another region")
        there = Term("its replica there takes writes already", 0, "documented")
        return Best(rto=(there,), rpo=(Term("the replica lags behind", _TABLE_LAG_SECONDS, "documented"),))
    whole = _known(measured.restore.get(name), "the table is restored", _TABLE_RESTORE_SECONDS, "assumed")
    return Best(rto=(whole,), rpo=(Term("the last minutes cannot be restored", _ARCHIVE_SECONDS, "documented"),))


def _restored(name: str, database: Database, measured: Measured) -> tuple[Term, ...]:
    if name in measured.restore:
        return (Term("it is restored", measured.restore[name], "measured"),)
    seconds = database.storage_gib * 1024 / _RESTORE_MIB
    return (
        Term("a new instance is made", _NEW_INSTANCE_SECONDS, "assumed"),
        Term(f"{database.storage_gib} GiB are read at {_RESTORE_MIB} MiB/s", round(seconds), "assumed"),
    )


def _lead(fleet: Fleet, name: str, measured: Measured) -> Term:
    what, given = "new hosts are launched and converge", fleet.capacity_of(name).lead_minutes
    if name in measured.lead:
        return Term(what, measured.lead[name], "measured")
    if given != "auto":
        return Term(what, 60 * float(given), "given", f"capacity.{name}.lead_minutes")
    return Term(what, _LEAD_SECONDS, "assumed")


def _known(seconds: float | None, what: str, otherwise: float, basis: _Basis) -> Term:
    return Term(what, otherwise, basis) if seconds is None else Term(what, seconds, "measured")


def _region_noticed() -> Term:
    what = f"{REGION_CHECKS} health checks {REGION_CHECK_SECONDS} s apart fail in the region"
    return Term(what, REGION_CHECKS * REGION_CHECK_SECONDS, "documented")


def _dns() -> Term:
    return Term("clients ask for the address anew", DNS_SECONDS, "documented")


def _pilot_light(fleet: Fleet) -> bool:
    """As infra.layout.recovery_layout has it."""
    return bool(fleet.recovery_region and fleet.network.recovery_cidr is not None and fleet.survives_region)
