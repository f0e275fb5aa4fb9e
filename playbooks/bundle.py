"""The role bundle: what a host converges from, at boot and from the controller, as one deterministic archive.

The same fleet and the same roles give the same bytes, so the name (its SHA-256) says what is in it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.connections import keep_alive
from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.files import replacing
from quartermaster.playbooks import role_specs

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["Bundle", "build", "cluster_vars"]

_HERE = Path(__file__).parent
_BOOKS = ("site.yml", "patch.yml")
_LAST = "whole"
"""The archive's last file, and empty: a folder that has it was unpacked to the end."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A gzipped tar of playbooks, roles and the clusters' settings."""

    content: bytes
    sha256: str

    @property
    def key(self) -> str:
        """Its name in the bucket: by content, so that one name never means two things."""
        return f"bundles/{self.sha256}.tar.gz"

    def stored(self, folder: Path) -> Path:
        """The file ``bundle-<sha256>.tar.gz`` of the folder with it. Creates it, in one step."""
        path = folder / f"bundle-{self.sha256}.tar.gz"
        if not path.exists():
            with replacing(path) as draft:
                draft.write_bytes(self.content)
        return path

    def unpack(self, parent: Path) -> Path:
        """The folder ``parent/<sha256>`` with its files. Creates it, in one step."""
        folder = parent / self.sha256
        if not folder.exists():
            making = parent / f".{self.sha256}.{os.getpid()}"
            with tarfile.open(fileobj=io.BytesIO(self.content)) as archive:
                archive.extractall(making, filter="data")
            try:
                making.rename(folder)
            except OSError:
                if not folder.exists():
                    raise
                shutil.rmtree(making)  # another process has made it meanwhile: the same bytes
        return folder


def build(fleet: Fleet, root: Path | None = None) -> Bundle:
    """The bundle of the fleet. ``root`` is the folder of fleet.yaml, which ``ansible.roles_path`` is relative to.

    Raises InputError that names every cluster whose role there is not, and every variable that its role does not take.
    """
    own = _user_roles(fleet, root)
    replaced = tuple({f"roles/{name.split('/')[1]}/" for name in own})
    files = {name: data for name, data in _own_files() if not name.startswith(replaced)} | own
    _check_roles(fleet, files)
    for name in fleet.clusters:
        text = json.dumps(cluster_vars(fleet, name), indent=1, sort_keys=True, default=str)
        files[f"vars/{name}.json"] = f"{text}\n".encode()
    content = _archive(files)
    return Bundle(content, hashlib.sha256(content).hexdigest())


def cluster_vars(fleet: Fleet, cluster: str) -> dict[str, Any]:
    """Variables of one cluster's hosts: facts of the fleet, then the user's own, which win."""
    declared = fleet.clusters[cluster]
    values: dict[str, Any] = {
        "cluster": cluster,
        "role": declared.role,
        "ops_fleet": fleet.fleet,
        "base_patch_cycle": cluster in fleet.patching,
        "node_exporter_enabled": fleet.metrics.source.kind == "prometheus",
    }
    if (found := fleet.balancer_of(cluster)) is not None:
        owner, balancer = found
        values |= {
            "web_port": balancer.port,
            "web_keepalive_seconds": keep_alive(fleet, owner, balancer).host,
            "web_shutdown_seconds": max(1, balancer.drain_seconds),
        }
        if balancer.health.startswith("/"):
            values["web_health_path"] = balancer.health
    return values | dict(fleet.ansible.vars)


def _own_files() -> Iterator[tuple[str, bytes]]:
    for book in _BOOKS:
        yield book, (_HERE / book).read_bytes()
    yield from _tree(_HERE / "roles")


def _user_roles(fleet: Fleet, root: Path | None) -> dict[str, bytes]:
    if not fleet.ansible.roles_path:
        return {}
    folder = (root or Path()) / fleet.ansible.roles_path
    if not folder.is_dir():
        problem = f"there is no folder {folder}"
        fault = Fault("ansible.roles_path", problem, "a folder of Ansible roles, beside fleet.yaml or absolute")
        raise InputError(problem, [fault])
    return dict(_tree(folder))


def _tree(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in parts):
            yield "/".join(("roles", *parts)), path.read_bytes()


def _check_roles(fleet: Fleet, files: Mapping[str, bytes]) -> None:
    known = sorted({name.split("/")[1] for name in files if name.startswith("roles/")})
    faults = [
        Fault(
            f"clusters.{name}.role",
            f"there is no role {cluster.role!r}",
            f"one of {', '.join(known)}, or a role of your own under ansible.roles_path",
        )
        for name, cluster in fleet.clusters.items()
        if cluster.role not in known
    ]
    specs = role_specs.specs(files)
    faults += role_specs.faults(specs, fleet.ansible.vars)
    faults += [fault for name in fleet.clusters for fault in role_specs.missing(specs, name, cluster_vars(fleet, name))]
    if faults:
        raise InputError("; ".join(f"{fault.where}: {fault.problem}" for fault in faults), faults)


def _archive(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    # A fixed time, owner, order and level: nothing of the machine that builds it gets in.
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in (*sorted(files), _LAST):
            data = files.get(name, b"")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), 0, 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
