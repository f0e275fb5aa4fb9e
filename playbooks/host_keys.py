"""The SSH host keys that instances said of themselves at launch, written where OpenSSH looks for them.

A host's keys are read once, from an object that only the instance itself can write and only once (ADR 17), and kept.
So whoever answers at its address later with another key is refused, and so is a host that never said one.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.files import replacing
from quartermaster.fleet.names import host_key_name
from quartermaster.playbooks.inventory import Inventory

__all__ = ["known_hosts_lines", "learn"]

_KEY = re.compile(r"[a-z][\w@.-]* [A-Za-z0-9+/]+=*(?= |$)")


def learn(inventory: Inventory, s3: Any, *, bucket: str, region: str, account: str) -> None:
    """Write the keys of those hosts of the inventory that are not known yet. Reads the bucket. Raises OpsError."""
    unknown = [target.id for target in inventory.targets if not inventory.ssh.keys_of(target.id).exists()]

    def read(host_id: str) -> str:
        try:
            answer = s3.get_object(Bucket=bucket, Key=host_key_name(region, account, host_id))
        except s3.exceptions.ClientError as exc:
            if exc.response["Error"]["Code"] == "NoSuchKey":
                return ""  # ssh refuses it, and says why
            raise OpsError(
                f"the SSH host key of {host_id} cannot be read from bucket {bucket}: {exc}",
                remedy="ops provision up, or the rights that `ops iam` lists",
            ) from exc
        return known_hosts_lines(host_id, answer["Body"].read().decode(errors="replace"))

    with ThreadPoolExecutor(8, thread_name_prefix="host-keys") as pool:
        for host_id, lines in zip(unknown, pool.map(read, unknown), strict=True):
            if lines:
                _write(inventory.ssh.keys_of(host_id), lines)


def known_hosts_lines(host_id: str, said: str) -> str:
    """Lines of a known_hosts file from the public keys, one a line, that a host said; no other line is taken. Pure."""
    keys = (_KEY.match(line) for line in said.splitlines())
    return "".join(f"{host_id} {key[0]}\n" for key in keys if key is not None)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")
