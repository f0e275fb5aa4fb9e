"""fleet.yaml to a Fleet, or every fault of it at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.schema import tree as trees
from quartermaster.fleet.schema.faults import fault_of, path_in
from quartermaster.fleet.schema.model import Fleet
from quartermaster.fleet.schema.rules import RULES, WARNINGS
from quartermaster.fleet.schema.rules.waivers import ended_waivers

__all__ = ["Loaded", "find_fleet", "load_fleet", "read_fleet", "read_text", "refusal"]

_FILE = "fleet.yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid fleet, and what is odd about it although it may run."""

    fleet: Fleet
    warnings: tuple[Fault, ...]


def find_fleet(start: Path) -> Path:
    """The fleet.yaml in ``start`` or the nearest folder above. Read-only. Raises InputError when there is none."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / _FILE).is_file():
            return folder / _FILE
    raise InputError(f"no {_FILE} in {start} or above", remedy="ops init writes one; or name it with --fleet PATH")


def load_fleet(path: Path) -> Fleet:
    """The fleet that the file describes. Read-only. Raises InputError with every Fault."""
    return read_fleet(path).fleet


def refusal(path: Path, faults: Iterable[Fault]) -> InputError:
    """The error of faults that others found in what the file says, each with its line. Read-only."""
    return _refusal(faults, trees.read_tree(path.read_text(encoding="utf-8")), str(path))


def read_fleet(path: Path, *, today: date | None = None) -> Loaded:
    """The fleet with its warnings, with ``today`` also of what has ended. Read-only. Raises InputError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"there is no {path}", remedy="ops init writes one; or name it with --fleet PATH") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read: {exc}", remedy="a UTF-8 text file that you may read") from exc
    return read_text(text, file=str(path), today=today)


def read_text(text: str, *, file: str = _FILE, today: date | None = None) -> Loaded:
    """The fleet that the text describes. Pure. Raises InputError with every Fault, in order of lines."""
    tree = trees.read_tree(text)
    faults = list(tree.faults)
    fleet: Fleet | None = None
    if not (faults and tree.value is None):
        fleet, wrong = _validate(tree.value)
        faults += [fault for fault in wrong if not any(_touch(fault.where, other.where) for other in tree.faults)]
        if fleet is not None:
            known = {fault.where for fault in faults}
            faults += [
                fault for rule in RULES for fault in rule(fleet) if not any(_touch(fault.where, at) for at in known)
            ]
    if faults or fleet is None:
        raise _refusal(faults, tree, file)
    warnings = [fault for rule in WARNINGS for fault in rule(fleet)]
    warnings += ended_waivers(fleet, today) if today else ()
    return Loaded(fleet, tuple(_placed(fault, tree, file) for fault in warnings))


def _refusal(faults: Iterable[Fault], tree: trees.Tree, file: str) -> InputError:
    placed = sorted({_placed(fault, tree, file) for fault in faults}, key=_order)
    many = "s" if len(placed) != 1 else ""
    return InputError(f"{file} has {len(placed)} fault{many}", placed, remedy="mend them, then `ops validate`")


def _order(fault: Fault) -> tuple[int, str, str]:
    """By line; those of one line always in the same order."""
    return fault.line or 0, fault.where, fault.problem


def _validate(data: Any) -> tuple[Fleet | None, list[Fault]]:
    """The model of what is right in the data, and the faults of what is not.

    What is wrong is cut out and the rest tried again, so that rules over several fields speak too.
    """
    if not isinstance(data, Mapping):
        what = "empty" if data is None else "not a mapping"
        return None, [Fault("", f"the file is {what}", "start with `fleet: NAME`; ops init writes an example")]
    faults: list[Fault] = []
    for _ in range(8):
        try:
            return Fleet.model_validate(data), faults
        except ValidationError as exc:
            errors = exc.errors(include_url=False)
        for error in errors:
            fault = fault_of(error, data, Fleet)
            if not any(_touch(fault.where, other.where) for other in faults):
                faults.append(fault)
        for error in errors:
            path, _ = path_in(data, error["loc"])
            # Without what it must have, the whole part is of no use.
            data = _without(data, path[:-1] if error["type"] == "missing" and len(path) > 1 else path)
        if "fleet" not in data:
            data = {"fleet": "unnamed", **data}
    return None, faults


def _without(data: Any, path: trees.Path) -> Any:
    """A copy without what is at the path; without the whole list where that is an item of one."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    if not path:
        return data
    step, rest = path[0], path[1:]
    if isinstance(data, Mapping):
        kept = {key: value for key, value in data.items() if key != step}
        if not rest or step not in data:
            return kept
        return {key: _without(value, rest) if key == step else value for key, value in data.items()}
    if isinstance(data, tuple) and isinstance(step, int):
        return tuple(_without(value, rest) if index == step else value for index, value in enumerate(data))
    return data


def _touch(one: str, other: str) -> bool:
    """Whether one place holds the other or is it."""
    short, long = sorted((one, other), key=len)
    return long == short or long.startswith((f"{short}.", f"{short}["))


def _placed(fault: Fault, tree: trees.Tree, file: str) -> Fault:
    line = fault.line or tree.line_of(fault.where)
    return dataclasses.replace(fault, line=line, file=file)
