"""YAML text to plain values, with the line of everything and every fault of the text itself.

YAML 1.2: ``on`` is a key, ``010`` is ten. Aliases work; tags that make objects do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from quartermaster.fleet.errors import Fault

__all__ = ["Path", "Tree", "dotted", "read_tree"]

Path = tuple[str | int, ...]
_MOST_NODES = 50_000
"""A fleet.yaml is far smaller; a few aliases of aliases are far larger."""
_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Tree:
    """Plain values (dict, tuple, scalars) with the line of each path."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line_of(self, where: str) -> int | None:
        """Line of the dotted path, or of the nearest part of the file above it."""
        lines = {dotted(path): line for path, line in self.lines.items()}
        while where and where not in lines:
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        return lines.get(where)


def dotted(path: Path) -> str:
    """``clusters.web.schedule[0].min``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_tree(text: str) -> Tree:
    """The tree of the text. A text that is no YAML gives a tree with that fault alone."""
    tree = Tree()
    try:
        node = YAML(typ="rt", pure=True).compose(StringIO(text))
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        problem = " ".join(part for part in (exc.context, exc.problem) if part)
        tree.faults.append(
            Fault("", f"not YAML: {problem}", "mend the indentation, quote or bracket here", mark and mark.line + 1)
        )
        return tree
    except (YAMLError, ValueError) as exc:
        tree.faults.append(Fault("", f"not YAML: {exc}", "save the file as UTF-8 text", 1))
        return tree
    except RecursionError:
        tree.faults.append(Fault("", "not YAML: it is nested too deep", "close what is left open", 1))
        return tree
    if node is not None:
        _Builder(tree).build_root(node)
    return tree


class _Builder:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._count = 0
        self._open: set[int] = set()

    def build_root(self, node: Node) -> None:
        self._tree.lines[()] = node.start_mark.line + 1
        self._tree.value = self._build(node, ())

    def _build(self, node: Node, path: Path) -> Any:
        self._count += 1
        if self._count > _MOST_NODES:
            if self._count == _MOST_NODES + 1:
                self._fault(node, path[:1], "the file unfolds to too many values", "write fewer aliases")
            return None
        if id(node) in self._open:
            self._fault(node, path, "this alias holds itself", "write the value out")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return self._sequence(node, path)
            assert isinstance(node, ScalarNode)
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _TAG + "merge":
                parts = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                for part in parts:
                    value = self._build(part, path)
                    merged = {**value, **merged} if isinstance(value, Mapping) else merged
                continue
            key = key_node.value if isinstance(key_node, ScalarNode) else None
            if not isinstance(key, str):
                self._fault(key_node, path, "a key must be plain text", "write a name before the colon")
                continue
            here = (*path, key)
            if key in out:
                first = self._tree.lines[here]
                self._fault(
                    key_node, here, f"{key!r} stands here a second time", f"keep one; the first is on line {first}"
                )
                continue
            out[key] = None
            self._tree.lines[here] = line
            out[key] = self._build(value_node, here)
        return {**merged, **out}

    def _sequence(self, node: SequenceNode, path: Path) -> tuple[Any, ...]:
        items = []
        for index, item in enumerate(node.value):
            here = (*path, index)
            self._tree.lines[here] = item.start_mark.line + 1
            items.append(self._build(item, here))
        return tuple(items)

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        kind = str(node.tag or "").removeprefix(_TAG)
        text: str = node.value
        try:
            match kind:
                case "str" | "":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return _whole(text)
                case "float":
                    return float(text.replace("_", ""))
                case "timestamp":
                    return _moment(text)
        except ValueError:
            if kind == "timestamp":
                return text  # looks like a date and is none: the field says better what it wants
            self._fault(node, path, f"{text!r} is no {kind}", "put it in quotes if it is meant as text")
            return text
        self._fault(node, path, f"the tag {node.tag!r} is not taken here", "write the plain value")
        return text

    def _fault(self, node: Node, path: Path, problem: str, remedy: str) -> None:
        self._tree.faults.append(Fault(dotted(path), problem, remedy, node.start_mark.line + 1))


def _whole(text: str) -> int:
    plain = text.replace("_", "")
    return int(plain, 0) if plain.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else int(plain)


def _moment(text: str) -> date | datetime:
    return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text.replace(" Z", "Z"))
