"""Edits of fleet.yaml's text: comments and lines that need not change stay as they are, letter for letter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.schema.servers import ScheduleEntry
from quartermaster.fleet.schema.tree import read_tree

__all__ = ["with_planned", "with_schedule"]

_STEP = 2
"""Spaces of indentation below the part above."""


def with_schedule(text: str, cluster: str, entries: Iterable[ScheduleEntry | Mapping[str, Any]]) -> str:
    """The text with ``clusters.CLUSTER.schedule`` set. Pure; the same entries again change nothing.

    Entries that stay keep their lines with their comments. Raises InputError when the text has no such cluster,
    or stands in a form (an alias) that cannot be edited in place.
    """
    wanted = [e if isinstance(e, ScheduleEntry) else ScheduleEntry.model_validate(dict(e)) for e in entries]
    key, node = _cluster(text, cluster)
    found = _child(node, "schedule") if isinstance(node, MappingNode) else None
    if found is not None:
        old = found[1]
        if _entries_of(old) == wanted:
            return text
        new_text = _replaced(text, found[0], old, wanted)
    else:
        if not wanted:
            return text
        new_text = _inserted(text, key, node, wanted)
    said = _said(text, new_text, cluster, "schedule")
    if said and [ScheduleEntry.model_validate(entry) for entry in said[1] or ()] == wanted:
        return new_text
    remedy = f"write clusters.{cluster}.schedule as a list of its own, one entry a line"
    raise _uneditable(cluster, "schedule", remedy)


def with_planned(text: str, cluster: str, utilisation: float) -> str:
    """The text with ``clusters.CLUSTER.scaling.planned_utilisation`` set. Pure; the same again changes nothing.

    Raises InputError when the text has no such cluster, or stands in a form that cannot be edited in place.
    """
    key, node = _cluster(text, cluster)
    scaling = _child(node, "scaling")
    found = _child(scaling[1], "planned_utilisation") if scaling is not None else None
    pair = f"planned_utilisation: {utilisation:g}"
    if found is not None:
        old_value = found[1]
        new_text = f"{text[: old_value.start_mark.index]}{utilisation:g}{text[old_value.end_mark.index :]}"
    elif scaling is not None:
        new_text = _with_pair(text, *scaling, pair)
    else:
        new_text = _with_pair(text, key, node, f"scaling: {{{pair}}}")
    said = _said(text, new_text, cluster, "scaling")
    if said and said[1] == {**(said[0] or {}), "planned_utilisation": utilisation}:
        return new_text
    raise _uneditable(cluster, "scaling", f"write clusters.{cluster}.scaling.{pair} by hand")


def _with_pair(text: str, key: Node, node: Node, pair: str) -> str:
    """The text with one more pair in a mapping, which may still be empty."""
    if isinstance(node, MappingNode) and node.flow_style:
        brace = node.end_mark.index - 1
        return f"{text[:brace].rstrip()}{', ' if node.value else ''}{pair}{text[brace:]}"
    if isinstance(node, MappingNode):
        column = node.value[0][0].start_mark.column
        at = _line_end(text, _content_end(text, (_child(node, "size") or node.value[-1])[1]))
    else:
        column = key.start_mark.column + _STEP
        at = _line_end(text, key.end_mark.index)
    head = text[:at] if text[:at].endswith("\n") else text[:at] + _newline(text)
    return f"{head}{' ' * column}{pair}{_newline(text)}{text[at:]}"


def _replaced(text: str, key: Node, old: Node, wanted: list[ScheduleEntry]) -> str:
    start = old.start_mark.index
    if isinstance(old, SequenceNode) and not old.flow_style:
        column = old.start_mark.column
        lines = _kept_lines(text, old)
        block = "".join(lines.get(_flow(e)) or f"{' ' * column}- {_flow(e)}{_newline(text)}" for e in wanted)
        head, tail = text[: _line_start(text, start)], text[_line_end(text, _content_end(text, old)) :]
        if wanted:
            return head + block + tail
        colon = _content_end(text, key) + 1
        beside = text[colon : len(head)]
        return text[:colon] + " []" + beside.removeprefix("   ") + tail
    end = _content_end(text, old)
    if _is_flow(text, key, old) or not wanted:
        return text[:start] + _flow_list(wanted) + text[end:]
    # `schedule: []  # why` becomes a block below; what stood after it stays where it was on the line.
    line_end = _line_end(text, end)
    beside = text[end:line_end]
    head = text[:start] + " " * (end - start) + beside if beside.strip() else text[:start].rstrip() + beside
    head = head if head.endswith("\n") else head + _newline(text)
    return head + _block(text, key.start_mark.column + _STEP, wanted) + text[line_end:]


def _inserted(text: str, key: Node, node: Node, wanted: list[ScheduleEntry]) -> str:
    if isinstance(node, MappingNode) and node.flow_style:
        return _with_pair(text, key, node, f"schedule: {_flow_list(wanted)}")
    column = node.value[0][0].start_mark.column if isinstance(node, MappingNode) else key.start_mark.column + _STEP
    block = _block(text, column + _STEP, wanted).removesuffix(_newline(text))
    return _with_pair(text, key, node, f"schedule:{_newline(text)}{block}")


def _cluster(text: str, name: str) -> tuple[Node, Node]:
    root = YAML(typ="rt", pure=True).compose(StringIO(text))
    clusters = _child(root, "clusters")
    found = _child(clusters[1], name) if clusters is not None else None
    if found is None:
        raise InputError(
            f"there is no cluster {name!r} to write a schedule for", remedy="name one of the file's clusters"
        )
    key, node = found
    if isinstance(node, ScalarNode) and node.value.strip() not in ("", "~", "null"):
        raise InputError(f"clusters.{name} is no mapping", remedy="ops validate")
    if node.start_mark.index < key.start_mark.index:
        raise InputError(f"clusters.{name} is an alias and cannot be edited in place", remedy="write the cluster out")
    return key, node


def _child(node: Node | None, name: str) -> tuple[Node, Node] | None:
    if not isinstance(node, MappingNode):
        return None
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _kept_lines(text: str, sequence: SequenceNode) -> dict[str, str]:
    """Each item's own lines, with comments above and beside it, by what the item says."""
    lines: dict[str, str] = {}
    since = _line_start(text, sequence.start_mark.index)
    for item, entry in zip(sequence.value, _entries_of(sequence) or (), strict=False):
        until = _line_end(text, _content_end(text, item))
        lines[_flow(entry)] = text[since:until]
        since = until
    return lines


def _entries_of(node: Node) -> list[ScheduleEntry] | None:
    """What the node says now; None where it says nothing valid."""
    if not isinstance(node, SequenceNode):
        return None
    try:
        return [ScheduleEntry.model_validate(_plain(item)) for item in node.value]
    except ValueError:
        return None


def _plain(item: Node) -> dict[str, Any]:
    if not isinstance(item, MappingNode):
        raise ValueError("an entry is a mapping")
    return {key.value: int(value.value) if key.value == "min" else value.value for key, value in item.value}


def _flow(entry: ScheduleEntry) -> str:
    if entry.at is not None:
        return f"{{at: {entry.at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z, min: {entry.min}}}"
    return f'{{cron: "{entry.cron}", min: {entry.min}}}'


def _flow_list(entries: list[ScheduleEntry]) -> str:
    return f"[{', '.join(_flow(entry) for entry in entries)}]"


def _block(text: str, column: int, entries: list[ScheduleEntry]) -> str:
    return "".join(f"{' ' * column}- {_flow(entry)}{_newline(text)}" for entry in entries)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _is_flow(text: str, key: Node, value: Node) -> bool:
    """Whether the pair stands inside braces: then it stays on its line."""
    before = text[_line_start(text, key.start_mark.index) : key.start_mark.index]
    return bool(before.strip()) or bool(isinstance(value, SequenceNode) and value.flow_style and value.value)


def _content_end(text: str, node: Node) -> int:
    """Where the node's last character ends: a block's own mark stands after the comments that follow it."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        return _content_end(text, node.value[-1][1])
    if isinstance(node, SequenceNode) and not node.flow_style and node.value:
        return _content_end(text, node.value[-1])
    return len(text[: node.end_mark.index].rstrip())


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """Just after the newline of the line that holds ``index``."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _said(before: str, after: str, cluster: str, part: str) -> tuple[Any, Any] | None:
    """What that part of the cluster said and says now; None where anything else says something else, too."""
    old, new = read_tree(before), read_tree(after)
    if new.faults:
        return None
    was, now = ({name: dict(value or {}) for name, value in tree.value["clusters"].items()} for tree in (old, new))
    said = was[cluster].pop(part, None), now[cluster].pop(part, None)
    return said if {**old.value, "clusters": was} == {**new.value, "clusters": now} else None


def _uneditable(cluster: str, part: str, remedy: str) -> InputError:
    problem = f"the {part} of {cluster} cannot be edited in place"
    return InputError(problem, [Fault(f"clusters.{cluster}.{part}", problem, remedy)], remedy=remedy)
