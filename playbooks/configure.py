"""Configure: publish the bundle and converge the running hosts on it.

plan   pure: which hosts, which bundle, what is left out and why
apply  publishes, then one Ansible run over all hosts; a host's failure does not stop the others
check  a plan of its own (``check=True``): nothing is published, hosts tell what would change
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.playbooks.bundle import Bundle
from quartermaster.playbooks.host_drift import HostDrift
from quartermaster.playbooks.host_remedies import remedy
from quartermaster.playbooks.inventory import Inventory, Target
from quartermaster.playbooks.publish import publish
from quartermaster.playbooks.reach import in_words, reason
from quartermaster.playbooks.runner import HostEnded, PlaybookOrder, TaskResult, TaskStarted, play

__all__ = ["ConfigurePlan", "ConfigureResult", "Converged", "apply", "outcome", "plan"]

_BROKEN = "Data could not be sent"
"""What Ansible says, and no reason, when ssh has ended before it was told all."""
_SSH_SECONDS = 30


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
    drift: tuple[HostDrift, ...] = ()
    """With ``check``: what on it is not as its role says."""
    error: str = ""
    reason: str = ""
    """The error in one word: failed (a task), silent (Ansible said nothing), or why it was not reached (``reach``)."""
    remedy: str = ""
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
        changes = tuple(event.detail["changes"])
        host = Converged(
            id=event.host,
            zone=event.zone,
            changed=len(changes),
            changes=changes,
            drift=tuple(HostDrift(**row) for row in event.detail["drift"]),
            error=event.error if isinstance(event, StepFailed) else "",
            reason=event.detail.get("reason", ""),
            remedy=event.detail.get("remedy", ""),
            seconds=event.seconds,
        )
        hosts.append(host)
    return ConfigureResult(tuple(sorted(hosts, key=lambda host: (host.zone, host.id))))


def _converge(plan: ConfigurePlan, cache: Path, run: str) -> Iterator[Event]:
    folder = plan.bundle.unpack(cache)
    archive = plan.bundle.stored(cache)
    variables = {"ops_bundle_file": str(archive), "ops_bundle_folder": f"/opt/ops/bundles/{plan.bundle.sha256}"}
    order = PlaybookOrder(folder / "site.yml", plan.inventory, variables, check=plan.check, run=run)
    begun = monotonic()
    hosts = {target.id: _Host(target, begun) for target in plan.inventory.targets}
    for said in play(order, cache):
        if isinstance(said, TaskStarted):
            yield Noted(step="converge", message=said.task, level="debug")
        elif isinstance(said, HostEnded):
            yield from hosts[said.host].ended(said)
        else:
            if said.status == "unreachable" and _BROKEN in said.message:
                said = replace(said, message=_ssh_says(plan.inventory.ssh_command(said.host)) or said.message)
            yield from hosts[said.host].told(said)
    for host in hosts.values():
        yield from host.silent()


def _ssh_says(command: list[str]) -> str:
    """Why ssh comes to no end that is good; empty when it does."""
    try:
        done = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=_SSH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"timed out after {_SSH_SECONDS} s"
    return done.stderr.strip() if done.returncode else ""


class _Host:
    """What Ansible has told of one host so far."""

    def __init__(self, target: Target, begun: float) -> None:
        self._common: dict[str, Any] = {"step": "converge", "host": target.id, "zone": target.zone}
        self._begun = begun
        self._changes: list[str] = []
        self._drift: list[HostDrift] = []
        self._failure = self._said = ""
        self._over = False

    def told(self, result: TaskResult) -> Iterator[Event]:
        """A host that cannot be reached has come to its end; whether one that failed has, is told last."""
        if result.status == "changed":
            self._changes.append(_describe(result))
            self._drift += result.drift
            yield Noted(**self._common, message=f"{result.task}: changed")
        elif result.status in ("failed", "unreachable"):
            self._said = result.message
            self._failure = f"{result.status}: {result.task}: {in_words(result.message)}"
        if result.status == "unreachable":
            yield self._end(self._failure, reason(result.message))

    def ended(self, end: HostEnded) -> Iterator[Event]:
        if end.hidden:
            what = f"one of: {', '.join(end.hidden)}"
            self._changes.append(what)
            self._drift.append(HostDrift("hidden", what, "not told", "not told"))
        if not self._over:
            # Whatever else a task failed at, it had reached the host.
            why = "sudo" if reason(self._said) == "sudo" else "failed"
            yield self._end(self._failure if end.failed else "", why)

    def silent(self) -> Iterator[Event]:
        """The end of a host that Ansible said nothing more about."""
        if not self._over:
            yield self._end("Ansible ended without a word about it (cancelled or out of time)", "silent")

    def _end(self, error: str, why: str) -> Event:
        self._over = True
        detail: dict[str, Any] = {"changes": self._changes, "drift": [asdict(row) for row in self._drift]}
        seconds = round(monotonic() - self._begun, 3)
        if not error:
            return StepFinished(**self._common, detail=detail, seconds=seconds, changed=bool(self._changes))
        detail |= {"reason": why, "remedy": remedy(self._said)}
        return StepFailed(**self._common, detail=detail, seconds=seconds, error=error)


def _describe(result: TaskResult) -> str:
    return f"{result.task} ({', '.join(result.items)})" if result.items else result.task
