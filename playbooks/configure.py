"""Configure: publish the bundle and converge the running hosts on it.

plan   pure: which hosts, which bundle, what is left out and why
apply  publishes, then one Ansible run over all hosts; a host's failure does not stop the others
check  a plan of its own (``check=True``): nothing is published, hosts tell what would change
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.playbooks.bundle import Bundle
from quartermaster.playbooks.inventory import Inventory
from quartermaster.playbooks.publish import publish
from quartermaster.playbooks.runner import PlaybookOrder, TaskResult, play

__all__ = ["ConfigurePlan", "ConfigureResult", "Converged", "apply", "outcome", "plan"]


@dataclass(frozen=True, slots=True)
class ConfigurePlan:
    """Hosts that are to follow a bundle."""

    inventory: Inventory
    bundle: Bundle
    bucket: str
    """Where new hosts find the bundle."""
    check: bool = False

    def to_json(self) -> dict[str, Any]:
        """The plan for people and machines; without the bundle's bytes."""
        return {
            "bundle": self.bundle.sha256,
            "bucket": self.bucket,
            "check": self.check,
            "hosts": [asdict(target) for target in self.inventory.targets],
            "left_out": dict(self.inventory.left_out),
        }


@dataclass(frozen=True, slots=True)
class Converged:
    """What became of one host."""

    id: str
    zone: str
    changed: int
    """Tasks that changed it (with ``check``: would change it)."""
    changes: tuple[str, ...] = ()
    """Those tasks, each with the paths it touched."""
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ConfigureResult:
    """What became of the hosts."""

    hosts: tuple[Converged, ...]

    @property
    def failed(self) -> tuple[Converged, ...]:
        return tuple(host for host in self.hosts if host.error)

    @property
    def changed(self) -> int:
        return sum(host.changed for host in self.hosts)

    def to_json(self) -> dict[str, Any]:
        return {"hosts": [asdict(host) for host in self.hosts], "changed": self.changed, "failed": len(self.failed)}


def plan(inventory: Inventory, bundle: Bundle, *, bucket: str, check: bool = False) -> ConfigurePlan:
    """The plan. Pure. Raises GuardRefused when no host can be worked on."""
    if not inventory.targets:
        reasons = "; ".join(f"{host}: {why}" for host, why in inventory.left_out.items()) or "the groups are empty"
        raise GuardRefused(f"there is no host to configure ({reasons})", remedy="ops provision up, or wait for boots")
    return ConfigurePlan(inventory, bundle, bucket, check)


def apply(plan: ConfigurePlan, *, cache: Path, s3: Any = None, run: str = "") -> Iterator[Event]:
    """Carry the plan out. Changes bucket and hosts, unless it is a check. ``s3`` is a boto3 client.

    ``run`` is the journal's id of it, which the hosts' logs tell too.
    """
    begun = monotonic()
    if not plan.check:
        yield StepStarted(step="publish", title="publish the bundle", detail={"sha256": plan.bundle.sha256})
        changed = publish(s3, plan.bucket, plan.bundle)
        yield StepFinished(step="publish", seconds=monotonic() - begun, changed=changed)
    for target in plan.inventory.targets:
        yield StepStarted(step="converge", host=target.id, zone=target.zone, title="converge")
    yield from _converge(plan, cache, run)


def outcome(events: Iterable[Event]) -> ConfigureResult:
    """The result as the events tell it. Pure."""
    hosts = []
    for event in events:
        if event.step != "converge" or not isinstance(event, StepFinished | StepFailed):
            continue
        error = event.error if isinstance(event, StepFailed) else ""
        changes = tuple(event.detail.get("changes", ()))
        hosts.append(Converged(event.host, event.zone, len(changes), changes, error, event.seconds))
    return ConfigureResult(tuple(sorted(hosts, key=lambda host: (host.zone, host.id))))


def _converge(plan: ConfigurePlan, cache: Path, run: str) -> Iterator[Event]:
    begun = monotonic()
    folder = plan.bundle.unpack(cache)
    archive = folder.with_suffix(".tar.gz")
    archive.write_bytes(plan.bundle.content)
    variables = {"ops_bundle_file": str(archive), "ops_bundle_folder": f"/opt/ops/bundles/{plan.bundle.sha256}"}
    order = PlaybookOrder(folder / "site.yml", plan.inventory, variables, check=plan.check, run=run)
    changes: dict[str, list[str]] = defaultdict(list)
    errors: dict[str, str] = {}
    ended: dict[str, float] = {}
    for result in play(order, cache):
        ended[result.host] = monotonic() - begun
        if result.status == "changed":
            changes[result.host].append(_describe(result))
        if result.status in ("failed", "unreachable"):
            errors[result.host] = f"{result.status}: {result.task}: {result.message}".replace("\n", " ")
        if result.status != "skipped":
            level = {"failed": "warning", "unreachable": "warning", "changed": "info"}.get(result.status, "debug")
            zone = plan.inventory.target(result.host).zone
            said = f"{result.task}: {result.message or result.status}"
            yield Noted(step="converge", host=result.host, zone=zone, message=said, level=level)
    for target in plan.inventory.targets:
        common: dict[str, Any] = {"step": "converge", "host": target.id, "zone": target.zone}
        detail = {"changes": changes[target.id]}
        if target.id not in ended:
            errors.setdefault(target.id, "Ansible ended without a word about it (cancelled or out of time)")
        seconds = round(ended.get(target.id, monotonic() - begun), 3)
        if target.id in errors:
            yield StepFailed(**common, detail=detail, seconds=seconds, error=errors[target.id])
        else:
            yield StepFinished(**common, detail=detail, seconds=seconds, changed=bool(changes[target.id]))


def _describe(result: TaskResult) -> str:
    return f"{result.task} ({', '.join(result.items)})" if result.items else result.task
