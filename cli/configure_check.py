"""What ``ops configure --check`` tells: hosts against their roles and the cloud against its stack, in one report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quartermaster.cli.output import draw, table, working
from quartermaster.fleet.errors import OpsError

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.events import Event, Json
    from quartermaster.infra.drift import DriftReport
    from quartermaster.playbooks.configure import ConfigurePlan, ConfigureResult

__all__ = ["CheckReport", "Unread", "check", "cloud_drift"]


@dataclass(frozen=True, slots=True)
class Unread:
    """The cloud could not be compared with the stack's state."""

    why: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Host drift next to cloud drift."""

    plan: ConfigurePlan
    hosts: ConfigureResult
    cloud: DriftReport | Unread
    clusters: tuple[str, ...]
    """That were to be looked at, whether or not they have hosts."""

    @property
    def drifted(self) -> bool:
        """Whether anything is not as it should be; hosts that were not reached are failures, not drift."""
        cloud = () if isinstance(self.cloud, Unread) else self.cloud.drift
        return bool(cloud) or any(host.drift for host in self.hosts.hosts)

    def to_json(self) -> dict[str, Json]:
        """Hosts as `ops configure` tells them, with ``drift`` each; ``cloud`` as `ops provision drift` tells it."""
        if isinstance(self.cloud, Unread):
            cloud: dict[str, Json] = {"unread": self.cloud.why, "drift": [], "ignored": []}
        else:
            cloud = {"unread": "", **self.cloud.to_json()}
        return {**self.hosts.to_json(), "left_out": dict(self.plan.inventory.left_out), "cloud": cloud}

    def text(self) -> str:
        """The report for a person: a row for each thing that differs; a file's whole diff is in the JSON."""
        from quartermaster.cli.provision_world import drift_table

        rows = [
            (host.id, host.zone, row.kind, row.name, row.expected, row.found)
            for host in self.hosts.hosts
            for row in host.drift
        ]
        looked = [host for host in self.hosts.hosts if host not in self.hosts.failed]
        text = f"hosts: {len(looked)} looked at ({self._by_cluster()})\n"
        nothing = "no drift\n" if looked else ""
        text += table(["host", "zone", "kind", "name", "expected", "found"], rows) if rows else nothing
        for host in self.hosts.failed:
            text += f"not checked: {host.id} ({host.reason}): {host.error}\n"
        for name, why in self.plan.inventory.left_out.items():
            text += f"left out: {name}: {why}\n"
        shown = f"not read: {self.cloud.why}" if isinstance(self.cloud, Unread) else drift_table(self.cloud)
        return f"{text}\ncloud\n{shown.rstrip()}\n"

    def _by_cluster(self) -> str:
        """How many hosts of each cluster were looked at, and of how many where some were not."""
        failed = {host.id for host in self.hosts.failed}
        parts = []
        for name in self.clusters:
            ids = [target.id for target in self.plan.inventory.targets if target.cluster == name]
            looked = sum(host_id not in failed for host_id in ids)
            parts.append(f"{name} {looked}" + (f" of {len(ids)}" if looked < len(ids) else ""))
        return ", ".join(parts)


def check(ops: Session, plan: ConfigurePlan, *, whole: bool) -> CheckReport:
    """Look at hosts and cloud. Changes neither, holds no lease, leaves nothing in the journal.

    ``whole``: the plan is of the whole fleet: clusters without a host in it are told of, too.
    """
    from quartermaster.playbooks import configure as work

    seen: list[Event] = []

    def kept() -> Iterator[Event]:
        for event in work.apply(plan, cache=ops.workspace.folder("cache")):
            seen.append(event)
            yield event

    draw(kept(), quiet=True)
    with_hosts = {target.cluster for target in plan.inventory.targets}
    clusters = tuple(name for name in ops.fleet.clusters if whole or name in with_hosts)
    return CheckReport(plan, work.outcome(seen), cloud_drift(ops), clusters)


def cloud_drift(ops: Session) -> DriftReport | Unread:
    """What `ops provision drift` finds, or why nothing can be found. Read-only."""
    try:
        deployment = ops.deployment()
        if not deployment.made:
            return Unread(f"stack {ops.stack} was not made by `ops provision up`: its state is empty")
        with working("reading the cloud"):
            return deployment.drift()
    except OpsError as exc:
        return Unread(exc.message)
