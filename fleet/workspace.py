"""The folder ``.ops`` beside fleet.yaml and what each part of it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONTENTS", "Workspace"]

CONTENTS = {
    "ops.db": "runs, events, leases, evidence: the journal",
    "metrics": "metric history (Parquet)",
    "state": "Pulumi state of local stacks",
    "local": "the local cloud: daemon, hosts, balancers, databases",
    "reports": "reports and forecasts written for people",
    "cache": "may be thrown away",
}
"""What each entry of ``.ops`` holds. Only ``cache`` may be thrown away."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths below the ``.ops`` of one fleet; folders are made when first asked for."""

    fleet_file: Path

    @property
    def root(self) -> Path:
        """``.ops`` itself, 0700 as it holds keys."""
        path = self.fleet_file.resolve().parent / ".ops"
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    @property
    def database(self) -> Path:
        return self.root / "ops.db"

    def folder(self, name: str) -> Path:
        """One of the folders named in CONTENTS. Creates it. Raises KeyError for another name."""
        if name not in CONTENTS:
            raise KeyError(f"{name!r} is no part of .ops; known: {', '.join(CONTENTS)}")
        path = self.root / name
        path.mkdir(exist_ok=True)
        return path
