"""The policies for who runs `ops` on one stack of a fleet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quartermaster.fleet.aws import LOCAL_ACCOUNT
from quartermaster.fleet.names import physical
from quartermaster.infra.bootstrap import home
from quartermaster.infra.permissions.declared import declared_types
from quartermaster.infra.permissions.documents import Job, policies
from quartermaster.infra.permissions.rights import Scope

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.safety import Adopted

__all__ = ["Policy", "stack_policies"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One managed policy."""

    name: str
    """To call it by."""
    document: str
    """As JSON."""


def stack_policies(fleet: Fleet, stack: str, job: Job) -> list[Policy]:
    """What the job needs on the stack's resources, its state included. Asks no cloud."""
    declared = fleet.stacks[stack]
    regions = tuple(region for region in (fleet.region, fleet.recovery_region) if region)
    scope = Scope(
        fleet.fleet,
        stack,
        declared.account or LOCAL_ACCOUNT,
        regions,
        zone=fleet.dns.zone if fleet.dns else "",
        state=home(fleet, stack).name if job == "bootstrap" else "",
        adopted=_by_service(fleet.adopted),
    )
    types = declared_types(fleet, stack) if job in ("provision", "readonly") else ()
    found = policies(job, scope, types, declared.state)
    name = physical(fleet.fleet, stack, f"ops-{job}", limit=125)
    numbers = [f"-{number}" for number in range(1, len(found) + 1)] if len(found) > 1 else [""]
    return [Policy(f"{name}{number}", text) for number, text in zip(numbers, found, strict=True)]


def _by_service(adopted: Iterable[Adopted]) -> dict[str, tuple[str, ...]]:
    """Names of what was adopted. Of a balancer's parts the id is an ARN: ``…:targetgroup/NAME/…``, or
    ``…:loadbalancer/app/NAME/…``."""
    found: dict[str, tuple[str, ...]] = {}
    for item in adopted:
        words = item.id.rpartition(":")[2].split("/")
        service, name = item.type.split(":")[1].split("/")[0], item.id
        if service == "lb":
            service, name = "elasticloadbalancing", words[1 if words[0] == "targetgroup" else 2]
        found[service] = (*found.get(service, ()), name)
    return found
