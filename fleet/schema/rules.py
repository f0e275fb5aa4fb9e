"""Rules over several fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.model import Fleet

Rule = Callable[[Fleet], Iterable[Fault]]
RULES: tuple[Rule, ...] = ()
WARNINGS: tuple[Rule, ...] = ()
