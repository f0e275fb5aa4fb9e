"""The package repository of the local cloud: a flat Debian repository that every host's apt has as its only source."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import threading
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

from quartermaster.fleet.files import replacing
from quartermaster.infra.local.world import log

__all__ = ["Repository", "release"]


class Repository:
    """The folder that hosts see as ``/_packages/``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._index()

    def add(self, deb: Path) -> Mapping[str, str]:
        """Offer a package: {name, version, architecture}. Raises ValueError for what is no Debian package."""
        shown = "--showformat=${Package} ${Version} ${Architecture}"
        read = subprocess.run(["dpkg-deb", shown, "--show", str(deb)], capture_output=True, text=True, check=False)
        if read.returncode != 0:
            raise ValueError(f"{deb} is no Debian package: {read.stderr.strip()}")
        name, version, architecture = read.stdout.split()
        target = self.folder / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
        with self._lock, replacing(target) as draft:
            shutil.copyfile(deb, draft)
            draft.chmod(0o644)
        self._index()
        log.info("package %s %s offered to all hosts", name, version)
        return {"name": name, "version": version, "architecture": architecture}

    def _index(self) -> None:
        """Write the index anew; Release last, as it names the others' checksums."""
        if shutil.which("dpkg-scanpackages") is None:
            return  # the API works without; hosts are refused with the name of what is missing
        with self._lock:
            scan = ["dpkg-scanpackages", "--multiversion", "."]
            done = subprocess.run(scan, cwd=self.folder, capture_output=True, check=True)
            files = {"Packages": done.stdout, "Packages.gz": gzip.compress(done.stdout, mtime=0)}
            for name, content in {**files, "Release": release(files).encode()}.items():
                with replacing(self.folder / name) as draft:
                    draft.write_bytes(content)


def release(files: Mapping[str, bytes]) -> str:
    """The Release file over index files. Pure but for the date."""
    lines = ["Origin: quartermaster", "Label: local", "Suite: local", f"Date: {formatdate(usegmt=True)}", "SHA256:"]
    lines += [f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}" for name, content in files.items()]
    return "\n".join(lines) + "\n"
