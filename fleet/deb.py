"""Small Debian packages built on the spot: what the demo and the tests upgrade."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from quartermaster.fleet.errors import MissingPart, OpsError

__all__ = ["build_deb"]


def build_deb(
    name: str, version: str, files: Mapping[str, str], dest: Path, *, scripts: Mapping[str, str] | None = None
) -> Path:
    """The package ``dest/name_version_all.deb``. Writes it, and the folder.

    ``files`` maps absolute paths on the host to their text, ``scripts`` the names of maintainer scripts (``postinst``,
    ``preinst``, …) to theirs. Raises MissingPart without dpkg-deb.
    """
    dest.mkdir(parents=True, exist_ok=True)
    path = dest / f"{name}_{version.replace(':', '%3a')}_all.deb"
    with tempfile.TemporaryDirectory(prefix="deb-") as made:
        tree = Path(made)
        tree.chmod(0o755)
        control = tree / "DEBIAN"
        control.mkdir(mode=0o755)
        fields = {
            "Package": name,
            "Version": version,
            "Architecture": "all",
            "Maintainer": "Quartermaster <ops@localhost>",
            "Description": f"{name}, made by Quartermaster",
        }
        (control / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        for script, text in (scripts or {}).items():
            (control / script).write_text(text)
            (control / script).chmod(0o755)
        for where, text in files.items():
            target = tree / where.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        _pack(tree, path)
    return path


def _pack(tree: Path, path: Path) -> None:
    command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as exc:
        raise MissingPart("dpkg-deb is not installed", remedy="apt-get install dpkg") from exc
    if done.returncode != 0:
        remedy = f"see that there is room, and that {path.parent} is yours to write"
        raise OpsError(f"dpkg-deb could not build {path.name}: {done.stderr.strip()}", remedy=remedy)
