"""The preview as a tree: components, their resources, and the properties that differ. Pure; drawing is the CLI's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quartermaster.fleet.events import Json
from quartermaster.infra.changes import Change, Property
from quartermaster.infra.data_loss import HOLDS
from quartermaster.infra.resources import SECRET, UNKNOWN

__all__ = ["Node", "label", "shown", "tree"]

_WIDEST = 60


@dataclass(frozen=True, slots=True)
class Node:
    """One resource or component with those below it."""

    change: Change
    below: tuple[Node, ...]

    @property
    def loses_data(self) -> bool:
        """Is data lost with it?"""
        return self.change.act in ("delete", "replace") and self.change.type in HOLDS


def tree(changes: Iterable[Change], *, everything: bool = False) -> tuple[Node, ...]:
    """The outermost nodes, in the changes' order; without ``everything`` only what changes and what holds it."""
    known = {change.urn: change for change in changes if change.type != "pulumi:pulumi:Stack"}
    below: dict[str, list[Change]] = {}
    for change in known.values():
        below.setdefault(change.parent if change.parent in known else "", []).append(change)

    def nodes(parent: str) -> Sequence[Node]:
        made = (Node(change, tuple(nodes(change.urn))) for change in below.get(parent, ()))
        return [node for node in made if everything or node.below or _moves(node.change)]

    return tuple(nodes(""))


def label(type_: str) -> str:
    """A type as the program spells it: ``aws.rds.Instance``, and a component by its own name."""
    head, _, last = type_.rpartition(":")
    module = head.split("/", 1)[0].replace(":", ".")
    return f"{module}.{last}" if type_.startswith("aws:") else last


def shown(item: Property) -> str:
    """A property's change in one line."""
    if item.old is None:
        return f"{item.path}: {_text(item.new)} (new)"
    if item.new is None:
        return f"{item.path}: {_text(item.old)} → nothing"
    old, new = _text(item.old), _text(item.new)
    if old == new and item.old != item.new:
        old, new = _around(str(item.old), str(item.new))
    return f"{item.path}: {old} → {new}"


def _moves(change: Change) -> bool:
    return change.act != "same" and change.custom


def _text(value: Json) -> str:
    if value == SECRET:
        return "********"
    if value == UNKNOWN:
        return "(known when made)"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value or '""' if isinstance(value, str) else json.dumps(value, default=str)
    text = " ".join(text.replace(f'"{SECRET}"', "********").split())
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _around(old: str, new: str) -> tuple[str, str]:
    """Two long texts that begin alike, from shortly before the place at which they part."""
    place = next((at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(old))
    start = max(0, place - 10)
    return f"…{_text(old[start:])}", f"…{_text(new[start:])}"
