"""The inventory: which hosts there are, how they are grouped and how SSH reaches them, as one value."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.fleet.hosts import Group, Host

__all__ = ["Inventory", "SshFacts", "Target", "from_groups"]

WORKABLE = ("InService", "Standby", "EnteringStandby")
"""Lifecycle states of a host that is worked on over SSH: one that still boots converges itself."""


@dataclass(frozen=True, slots=True)
class SshFacts:
    """How SSH reaches the hosts of one stack."""

    key: Path
    known_hosts: Path
    """Folder of this stack alone. Each instance has a file named by its id, as addresses are used again."""
    user: str = "admin"
    session_manager: bool = False
    """True on aws: SSH runs inside an SSM session, so no port is open."""
    region: str = ""

    def keys_of(self, host_id: str) -> Path:
        """The known_hosts file of one host."""
        return self.known_hosts / host_id

    def options(self, host_id: str) -> list[str]:
        """``-o`` options of OpenSSH for one host. Any key but those that it said at launch is refused."""
        chosen = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
            "StrictHostKeyChecking": "yes",
            # OpenSSH takes a list of files here: a path with a space is quoted.
            "UserKnownHostsFile": f'"{self.keys_of(host_id)}"',
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": host_id,
            "IdentitiesOnly": "yes",
            "PreferredAuthentications": "publickey",
            "LogLevel": "ERROR",
        }
        if not self.session_manager:
            # What goes to hosts on this machine does not leave it: OpenSSH's exchange of keys against quantum computers
            # takes longer than all else that a connection does.
            chosen["KexAlgorithms"] = "^curve25519-sha256"
        else:
            region = f" --region {self.region}" if self.region else ""
            chosen["ProxyCommand"] = (
                f"aws ssm start-session --target {host_id} --document-name AWS-StartSSHSession"
                f" --parameters portNumber=%p{region}"
            )
        return [part for name, value in chosen.items() for part in ("-o", f"{name}={value}")]


@dataclass(frozen=True, slots=True)
class Target:
    """One host as the playbooks see it."""

    id: str
    cluster: str
    role: str
    zone: str
    address: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """Targets sorted by cluster, zone and id, and the way to them."""

    targets: tuple[Target, ...]
    ssh: SshFacts
    left_out: dict[str, str] = field(default_factory=dict)
    """Hosts that are not worked on, by id, with the reason."""

    def target(self, host_id: str) -> Target:
        """The host of that id. Raises KeyError naming it."""
        for target in self.targets:
            if target.id == host_id:
                return target
        raise KeyError(f"no host {host_id!r} in the inventory")

    def only(self, names: Sequence[str]) -> Inventory:
        """The inventory of those clusters and hosts. Pure. Raises InputError that names what there is not."""
        known = {target.cluster for target in self.targets} | {target.id for target in self.targets} | {*self.left_out}
        if unknown := [name for name in names if name not in known]:
            raise InputError(
                f"no cluster or host {', '.join(unknown)}", remedy=f"one of {', '.join(sorted(known)) or 'none'}"
            )
        targets = tuple(target for target in self.targets if target.cluster in names or target.id in names)
        return replace(self, targets=targets, left_out={id: why for id, why in self.left_out.items() if id in names})

    def ssh_command(self, host_id: str) -> list[str]:
        """The command line of ``ssh`` to the host, without a remote command."""
        target = self.target(host_id)
        where = target.id if self.ssh.session_manager else target.address
        options = self.ssh.options(host_id)
        return ["ssh", "-T", "-i", str(self.ssh.key), *options, f"{self.ssh.user}@{where}"]

    def to_ansible(self) -> dict[str, Any]:
        """The inventory in Ansible's JSON form: groups ``cluster_*``, ``role_*`` and ``zone_*``, hosts named by id."""
        hosts = {
            target.id: {
                "ansible_host": target.id if self.ssh.session_manager else target.address,
                "ansible_user": self.ssh.user,
                "ansible_ssh_private_key_file": str(self.ssh.key),
                "ansible_ssh_common_args": shlex.join(self.ssh.options(target.id)),
                "ansible_python_interpreter": "/usr/bin/python3",
                "cluster": target.cluster,
                "role": target.role,
                "zone": target.zone,
                "address": target.address,
            }
            for target in self.targets
        }
        groups: dict[str, dict[str, Any]] = {}
        for target in self.targets:
            for group in (f"cluster_{target.cluster}", f"role_{target.role}", f"zone_{target.zone}"):
                members = groups.setdefault(group.replace("-", "_"), {"hosts": {}})
                members["hosts"][target.id] = {}
        return {"all": {"hosts": hosts, "children": dict(sorted(groups.items()))}}

    def write(self, folder: Path) -> Path:
        """The inventory as a file ``hosts.json`` in the folder. Writes it."""
        path = folder / "hosts.json"
        path.write_text(json.dumps(self.to_ansible(), indent=1), encoding="utf-8")
        return path


def from_groups(groups: Sequence[Group], roles: dict[str, str], ssh: SshFacts) -> Inventory:
    """The inventory of the groups' hosts. ``roles`` maps each cluster to its role."""
    every = [host for group in groups for host in group.hosts]
    targets = [
        Target(host.id, host.cluster, roles[host.cluster], host.zone, host.address)
        for host in sorted(every, key=lambda host: (host.cluster, host.zone, host.id))
        if not _obstacle(host)
    ]
    return Inventory(tuple(targets), ssh, {host.id: why for host in every if (why := _obstacle(host))})


def _obstacle(host: Host) -> str:
    if host.lifecycle not in WORKABLE:
        return f"its group says {host.lifecycle}"
    return "" if host.address else "it has no address"
