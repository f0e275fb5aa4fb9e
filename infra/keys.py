"""The SSH key pair and the secrets of local stacks: made once, kept under ``.ops``, readable by their owner only."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

from quartermaster.fleet.errors import MissingPart
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.setup import cache

__all__ = ["passphrase_file", "private_key", "public_key"]


def private_key(workspace: Workspace) -> Path:
    """Path of the key that opens the hosts. Makes the pair when missing."""
    folder = workspace.folder("local") / "ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    return _made(folder / "id_ed25519", _make_pair)


def public_key(workspace: Workspace) -> str:
    """The key pair's public half as one OpenSSH line. Makes the pair when missing."""
    return private_key(workspace).with_suffix(".pub").read_text(encoding="utf-8").strip()


def passphrase_file(workspace: Workspace) -> Path:
    """File with the passphrase that encrypts secrets in the state of local stacks. Makes it, 0600, when missing."""
    return _made(workspace.folder("state") / "passphrase", _make_passphrase)


def _made(path: Path, make: Callable[[Path], None]) -> Path:
    """The file, made when missing by one hand, and never there in part or without what is made with it."""
    if not path.exists():
        with cache.locked(path.with_suffix(".lock")), cache.workbench(path) as bench:
            if not path.exists():
                make(bench / path.name)
                for made in sorted(bench.iterdir(), reverse=True):  # the file itself last
                    made.rename(path.parent / made.name)
    return path


def _make_pair(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f", str(path)]
    try:
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError as exc:
        raise MissingPart("ssh-keygen is not installed", remedy="apt-get install openssh-client") from exc


def _make_passphrase(path: Path) -> None:
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(32), encoding="utf-8")
