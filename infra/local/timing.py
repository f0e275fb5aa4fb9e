"""How long things take on AWS, as a dated table with sources (timing.yaml), and the row set that is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from quartermaster.fleet.errors import Fault, InputError

__all__ = ["SETS", "Timing", "table"]

SETS = ("real", "instant")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that the local cloud waits where AWS would take time."""

    name: str
    seconds: Mapping[str, float]

    def __getitem__(self, what: str) -> float:
        return self.seconds[what]

    @staticmethod
    def named(name: str) -> Timing:
        """The set ``real`` or ``instant``. Raises InputError for another."""
        if name not in SETS:
            raise InputError(
                f"no timing set {name!r}",
                [Fault(where="--timing", problem=f"unknown set {name!r}", remedy=f"one of {', '.join(SETS)}")],
            )
        return Timing(name, {what: float(row[name]) for what, row in table().items()})


@cache
def table() -> Mapping[str, Mapping[str, Any]]:
    """Every row: what, aws, real, instant (seconds), on (date), source, why. Read-only."""
    from ruamel.yaml import YAML

    text = Path(__file__).with_name("timing.yaml").read_text(encoding="utf-8")
    rows: dict[str, dict[str, Any]] = YAML(typ="safe").load(text)
    return rows
