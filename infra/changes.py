"""What an operation does to each resource, as values: its act, the properties that differ, what forces a replacement.

Read from the engine's steps; comparing is pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from quartermaster.fleet.events import Json
from quartermaster.infra.resources import SECRET, UNKNOWN, UNKNOWN_WORDS, Resource, name_of

__all__ = ["ACTS", "Change", "Property", "act_of", "change_of", "resource_of", "seen"]

ACTS = ("create", "update", "replace", "delete", "same")
_ACT_OF = {
    "create": "create",
    "create-replacement": "replace",
    "delete": "delete",
    "discard": "delete",
    "import": "create",
    "same": "same",
    "update": "update",
}


@dataclass(frozen=True, slots=True)
class Property:
    """One property that differs."""

    path: str
    """Such as ``ingress[0].fromPort``."""
    old: Json
    """None: it was not there. SECRET and UNKNOWN stand for what is not to be seen."""
    new: Json
    replaces: bool = False
    """Does its change force a replacement?"""


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to one resource or component."""

    urn: str
    type: str
    name: str
    parent: str
    """URN; empty for the stack itself."""
    act: str
    """One of ACTS."""
    custom: bool = True
    """False: a component, which is nothing in the cloud."""
    properties: tuple[Property, ...] = ()
    protected: bool = False
    before: Mapping[str, Json] = field(default_factory=dict, compare=False)
    """Inputs as they were; empty for a creation."""

    @property
    def forced_by(self) -> tuple[str, ...]:
        """Paths whose change forces the replacement."""
        return tuple(item.path for item in self.properties if item.replaces)

    def to_json(self) -> dict[str, Json]:
        """One item of ``resources`` of a preview."""
        return {
            "urn": self.urn,
            "type": self.type,
            "name": self.name,
            "change": self.act,
            "properties": [asdict(item) for item in self.properties],
            "forced_by": list(self.forced_by),
        }


def act_of(step: Any) -> str:
    """What the engine's step does, as one of ACTS; empty for its inner steps."""
    return _ACT_OF.get(step.op, "")


def change_of(step: Any) -> Change | None:
    """The change that a step of the engine makes; None for inner steps and the engine's own resources."""
    old, new = step.old, step.new
    state, act = new or old, act_of(step)
    if state is None or not act or step.type.startswith("pulumi:providers:"):
        return None
    if old is not None and old.delete:  # the rest of an earlier replacement: its successor is told, not it
        return None
    gone = act in ("delete", "create") or old is None or new is None
    return Change(
        urn=step.urn,
        type=step.type,
        name=name_of(step.urn),
        parent=state.parent or "",
        act=act,
        custom=bool(state.custom),
        properties=() if gone else tuple(_properties(step)),
        protected=bool(old is not None and old.protect),
        before=seen(dict(old.inputs or {})) if old is not None else {},
    )


def resource_of(state: Any) -> Resource:
    """What cost and policy look at."""
    return Resource(state.urn, state.type, name_of(state.urn), seen(dict(state.inputs or {})))


def seen(value: Any) -> Any:
    """Inputs as people may see them: without the engine's marks, secrets and unknown values named as such."""
    if isinstance(value, Mapping):
        return {key: seen(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [seen(item) for item in value]
    if isinstance(value, str):
        if value == UNKNOWN_WORDS:
            return UNKNOWN
        return SECRET if value == "[secret]" else value
    return value


def _properties(step: Any) -> Iterator[Property]:
    old, new = seen(dict(step.old.inputs or {})), seen(dict(step.new.inputs or {}))
    detailed = step.detailed_diff or {}
    keys = {_head(key) for key in step.keys or ()}
    keys |= {_head(path) for path, item in detailed.items() if item.diff_kind.value.endswith("-replace")}
    for name in sorted({_head(path) for path in (*detailed, *(step.diffs or ()), *(step.keys or ()))}):
        left, right = old.get(name), new.get(name)
        leaves = list(_leaves(name, left, right))
        for path, was, will in leaves or [(name, left, right)]:
            yield Property(path, was, will, replaces=name in keys)
    if bool(step.old.protect) != bool(step.new.protect):
        yield Property("protect", bool(step.old.protect), bool(step.new.protect))


def _leaves(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places at which two values differ. Documents in JSON are looked into."""
    left, right = _document(old), _document(new)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in sorted({*left, *right}):
            yield from _leaves(f"{path}.{key}" if path else key, left.get(key), right.get(key))
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for place, pair in enumerate(zip(left, right, strict=True)):
            yield from _leaves(f"{path}[{place}]", *pair)
    elif left != right or UNKNOWN in (left, right):
        yield path, old, new


def _document(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _head(path: str) -> str:
    return re.split(r"[.\[]", path, maxsplit=1)[0]
