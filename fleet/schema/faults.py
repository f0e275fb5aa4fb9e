"""Pydantic's errors as Faults: where, what, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.safety import RESERVED
from quartermaster.fleet.schema.tree import Path, dotted

__all__ = ["closest", "fault_of", "path_in"]

_KINDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "dict": "a mapping"}
_PATTERNS = {
    "account": ("no AWS account", 'twelve digits in quotes, such as "123456789012"'),
    "version": ("no version", 'quoted digits, such as "16"'),
    "instance": ("no instance type", "such as m6i.large, or db.m6i.large for a database"),
    "role": ("no role name", "lower-case letters, digits and underscores, as Ansible takes them"),
    "vpc": ("no VPC id", "such as vpc-0a1b2c3d"),
    "subnets": ("no subnet id", "such as subnet-0a1b2c3d"),
    "zone": ("no DNS zone", "such as shop.example"),
    "key": ("no attribute name", "letters, digits, and _ . -"),
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
"""Pydantic's word, the attribute of a field's limits, and ours."""
_WORDS_OF_OTHERS = {
    "ip_hash": "source_ip",
    "least_conn": "least_outstanding_requests",
    "least_connections": "least_outstanding_requests",
    "leastconn": "least_outstanding_requests",
}
"""What other balancers call what AWS calls otherwise."""
_NAME_REMEDY = "lower-case letters, digits and single hyphens, a letter first, no hyphen at the end"


def closest(word: str, known: Iterable[str]) -> str:
    """The known word most like it, or nothing."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")


def path_in(data: Any, loc: Iterable[str | int]) -> tuple[Path, bool]:
    """The place in the file that pydantic's location means, and whether it is about the key itself.

    Steps that are not in the file (names of union members, ``objectives``) are left out.
    """
    steps = list(loc)
    about_key = bool(steps) and steps[-1] == "[key]"
    path: list[str | int] = []
    here = data
    for index, step in enumerate(steps):
        found, below = _below(here, step)
        if found:
            path.append(step)
            here = below
        elif index == len(steps) - 1 and isinstance(here, Mapping) and isinstance(step, str) and not about_key:
            path.append(step)
    return tuple(path), about_key


def fault_of(error: ErrorDetails, data: Any, model: type[BaseModel]) -> Fault:
    """The error in a person's words. ``where`` is the dotted path; the line is the caller's to add."""
    path, about_key = path_in(data, error["loc"])
    if meant := _meant(path, data):
        return Fault(dotted(path[:2]), f"unknown key {path[1]!r}", f"did you mean {meant}?")
    problem, remedy = _words(error, path, about_key, model)
    return Fault(dotted(path), problem, remedy)


def _meant(path: Path, data: Any) -> str:
    """The key of ``recovery`` that a key of it is like, where it names nothing that is declared."""
    if len(path) < 2 or path[0] != "recovery":
        return ""
    declared = (data.get(part) for part in ("clusters", "databases"))
    named = any(isinstance(part, Mapping) and path[1] in part for part in declared)
    return "" if named or path[1] in RESERVED else closest(str(path[1]), RESERVED)


def _below(here: Any, step: str | int) -> tuple[bool, Any]:
    if isinstance(here, Mapping) and step in here:
        return True, here[step]
    if isinstance(here, tuple) and isinstance(step, int) and step < len(here):
        return True, here[step]
    return False, None


def _words(error: ErrorDetails, path: Path, about_key: bool, model: type[BaseModel]) -> tuple[str, str]:
    value, context = error["input"], error.get("ctx", {})
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    kind = error["type"]
    if kind == "fleet":
        return context["problem"], context["remedy"]
    if kind == "extra_forbidden":
        known = sorted(_keys(_model_at(model, error["loc"][:-1])))
        near = closest(name, known)
        return f"unknown key {name!r}", f"did you mean {near}?" if near else f"one of: {', '.join(known)}"
    if kind == "missing":
        return f"{name} is missing", f"add {name}: …"
    if about_key or (kind in ("string_pattern_mismatch", "string_too_long") and name not in _PATTERNS):
        long = kind == "string_too_long"
        shown = path[-1] if about_key and path else value
        limit = f" (at most {context['max_length']} characters)" if long else ""
        return f"{shown!r} is {'too long for a name' if long else 'no name'}{limit}", _NAME_REMEDY
    if kind == "string_pattern_mismatch":
        what, remedy = _PATTERNS[name]
        return f"{value!r} is {what}", remedy
    if kind == "literal_error":
        choices = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        near = closest(_WORDS_OF_OTHERS.get(str(value), str(value)), choices)
        return f"{value!r} is none of its values", (
            f"did you mean {near}? " if near else ""
        ) + f"one of: {', '.join(choices)}"
    if kind.endswith(("_type", "_parsing", "int_from_float")):
        return f"{_shown(value)} is not {_expected(kind)}", _type_remedy(kind, value)
    if kind in _BOUNDS:
        limit = next(iter(context.values()))
        return f"{value} is out of range", f"{_BOUNDS[kind][1]} {limit:g}" + _other_bound(error, model)
    if kind == "string_too_short":
        return f"{value!r} is too short" if value else f"{name} is empty", "a few words"
    if kind == "too_short":
        return f"{name} is empty", "write at least one, or leave the key out"
    return f"{_shown(value)}: {error['msg']}", "see `ops init` for an example"


def _keys(model: type[BaseModel]) -> list[str]:
    """As written in the file."""
    return [field.alias or name for name, field in model.model_fields.items() if name != "objectives"]


def _model_at(model: type[BaseModel], loc: Iterable[str | int]) -> type[BaseModel]:
    for step in loc:
        for name, field in model.model_fields.items():
            if step in (name, field.alias):
                model = _inner_model(field.annotation) or model
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _inner_model(arg))), None)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, tuple | list):
        return "a list"
    return "nothing" if value is None else repr(value) if not isinstance(value, bool) else str(value).lower()


def _expected(kind: str) -> str:
    word = kind.removesuffix("_type").removesuffix("_parsing")
    if kind == "int_from_float":
        word = "int"
    known = {"string": "text", "tuple": "a list", "model": "a mapping", "model_attributes": "a mapping", **_KINDS}
    return known.get(word, word)


def _type_remedy(kind: str, value: Any) -> str:
    if kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return f'in quotes: "{value}"'
    if kind.startswith(("int", "float")) and isinstance(value, str) and value.strip().lstrip("-").isdigit():
        return f"without quotes: {value}"
    return f"write {_expected(kind)}"


def _other_bound(error: ErrorDetails, model: type[BaseModel]) -> str:
    holder = _model_at(model, error["loc"][:-1])
    field = holder.model_fields.get(str(error["loc"][-1]))
    others = [
        f"{words} {limit:g}"
        for item in (field.metadata if field else ())
        for kind, (sign, words) in _BOUNDS.items()
        if kind != error["type"] and (limit := getattr(item, sign, None)) is not None
    ]
    return f" and {' and '.join(others)}" if others else ""
