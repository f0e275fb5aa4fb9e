"""What a host has and its role does not want, from the results of Ansible's check mode. Pure.

Nothing that a role hides (``no_log``, ``diff: false``) gets in: Ansible leaves it out of what it tells.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["HostDrift", "drift_of", "name_of", "rows_of"]

_KINDS = {
    "file": (
        "assemble",
        "blockinfile",
        "copy",
        "file",
        "get_url",
        "lineinfile",
        "ops_files",
        "replace",
        "template",
        "unarchive",
    ),
    "package": ("apt", "deb822_repository", "dnf", "package", "yum"),
    "service": ("service", "systemd", "systemd_service", "sysvinit"),
    "user": ("authorized_key", "group", "user"),
    "bundle": ("ops_bundle",),
}
_KIND_OF = {module: kind for kind, modules in _KINDS.items() for module in modules}
_APT = re.compile(r"^(Inst|Remv) (\S+) (?:\[([^\]]+)\])? ?(?:\((\S+))?", re.M)
_DNF = re.compile(r"(Installed|Removed): (\S+)")
_HEADER = re.compile(r" \((?:content|file attributes)\)$")


@dataclass(frozen=True, slots=True)
class HostDrift:
    """One thing on a host that is not as its role says."""

    kind: str
    """file, package, service, user, bundle; hidden: a task that tells nothing about itself; else task."""
    name: str
    """Path, package, service, …"""
    found: str
    expected: str
    diff: str = ""
    """Of a file's content: what a converge would change, as a unified diff."""
    task: str = ""


def drift_of(task: str, action: str, result: Mapping[str, Any]) -> tuple[HostDrift, ...]:
    """The drift that a changed result of check mode tells of: one or more for each of its rows."""
    kind = _KIND_OF.get(action.rpartition(".")[2], "task")
    return tuple(found for row in rows_of(result) for found in _of_row(kind, task, row))


def rows_of(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The results of a loop, or of a call for several files, that changed something; or the one that is neither."""
    told = result.get("results") or result.get("files") or []
    rows = [row for row in told if isinstance(row, Mapping) and ("ansible_loop_var" in row or "diff" in row)]
    return [row for row in rows or [result] if row.get("changed")]


def name_of(row: Mapping[str, Any]) -> str:
    """The path or the name of what a result is about; empty where the module does not tell."""
    words = row.get("invocation") or {}
    words = words.get("module_args") or words
    for place in (row, words):
        for key in ("dest", "path", "name"):
            if value := place.get(key):
                return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    headers = (part.get("before_header") or "" for part in _parts(row))
    return _HEADER.sub("", next((header for header in headers if header), ""))


def _of_row(kind: str, task: str, row: Mapping[str, Any]) -> Iterator[HostDrift]:
    if kind == "package" and (packages := list(_packages(row, task))):
        yield from packages
        return
    name, diff = name_of(row) or task, ""
    differences = list(_attributes(row))
    for before, after in _contents(row):
        diff = "\n".join(difflib.unified_diff(before, after, "found", "expected", lineterm=""))
        differences.append(_lines(before, after))
    if kind == "service":
        differences = [_service(row)]
    if not differences:
        differences = [("differs", "as the role says")]
    found, expected = ("; ".join(filter(None, side)) for side in zip(*differences, strict=True))
    yield HostDrift(kind, name, found, expected, diff, task)


def _parts(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    told = row.get("diff") or []
    return [part for part in (told if isinstance(told, list) else [told]) if isinstance(part, Mapping)]


def _attributes(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(found, expected) of what a diff tells as a table: mode, owner, state, …"""
    for part in _parts(row):
        before, after = part.get("before"), part.get("after")
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            names = [name for name in sorted({*before, *after} - {"path"}) if before.get(name) != after.get(name)]
            yield _spelled(before, names), _spelled(after, names)


def _spelled(values: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name} {values.get(name) or 'none'}" for name in names)


def _contents(row: Mapping[str, Any]) -> Iterator[tuple[list[str], list[str]]]:
    for part in _parts(row):
        before, after = part.get("before"), part.get("after")
        if isinstance(before, str) and isinstance(after, str) and before != after:
            yield before.splitlines(), after.splitlines()


def _lines(before: list[str], after: list[str]) -> tuple[str, str]:
    if not before:
        return "absent or empty", _count(len(after))
    moves = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    extra = sum(end - start for kind, start, end, _, _ in moves if kind != "equal")
    lacking = sum(end - start for kind, _, _, start, end in moves if kind != "equal")
    found = f"{_count(extra)} of its own" if extra else "without"
    return found, f"{_count(lacking)} that it lacks" if lacking else "without"


def _count(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"


def _packages(row: Mapping[str, Any], task: str) -> Iterator[HostDrift]:
    text = "\n".join([str(row.get("stdout", "")), *(str(line) for line in row.get("results") or [])])
    for verb, name, old, new in _APT.findall(text):
        yield HostDrift("package", name, old or "absent", new if verb == "Inst" else "absent", task=task)
    for verb, name in _DNF.findall(text):
        there, gone = ("present", "absent")
        found, expected = (gone, there) if verb == "Installed" else (there, gone)
        yield HostDrift("package", name, found, expected, task=task)


def _service(row: Mapping[str, Any]) -> tuple[str, str]:
    """(found, expected). What is no systemd unit does not tell how it was found."""
    words = (row.get("invocation") or {}).get("module_args") or {}
    status = row.get("status")
    status = status if isinstance(status, Mapping) else {}
    expected = [str(words["state"])] if words.get("state") else []
    found = [str(status["ActiveState"])] if status.get("ActiveState") else []
    if words.get("enabled") is not None:
        expected.append("enabled" if words["enabled"] else "disabled")
        found += [str(status["UnitFileState"])] if status.get("UnitFileState") else []
    wanted = " and ".join(expected) or "as the role says"
    return " and ".join(found) or f"not {' or not '.join(expected)}", wanted
