"""The SSH key pair and the secrets of local stacks: made once, kept under ``.ops``, readable by their owner only."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

from quartermaster.fleet.errors import MissingPart
from quartermaster.fleet.workspace import Workspace

__all__ = ["passphrase_file", "private_key", "public_key"]


def private_key(workspace: Workspace) -> Path:
    """Path of the key that opens the hosts. Makes it when missing."""
    folder = workspace.folder("local") / "ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "id_ed25519"
    if not path.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f", str(path)]
        try:
            subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        except FileNotFoundError as exc:
            raise MissingPart("ssh-keygen is not installed", remedy="apt-get install openssh-client") from exc
    return path


def public_key(workspace: Workspace) -> str:
    """The key pair's public half as one OpenSSH line. Makes the pair when missing."""
    return private_key(workspace).with_suffix(".pub").read_text(encoding="utf-8").strip()


def passphrase_file(workspace: Workspace) -> Path:
    """File with the passphrase that encrypts secrets in the state of local stacks. Makes it, 0600, when missing."""
    path = workspace.folder("state") / "passphrase"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(32))
    return path
