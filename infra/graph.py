"""A stack as a drawing: its components as boxes, what each needs as arrows. Pure, from the state to SVG text.

Layers run from left to right: on the left what needs nothing, each box one layer right of the last that it needs.
Within a layer boxes stand near what they are joined to (the barycentre rule of Sugiyama, Tagawa and Toda, 1981).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from quartermaster.infra.resources import name_of
from quartermaster.infra.state import custom

__all__ = ["Part", "drawing", "needs", "parts"]

_WIDTH, _LINE, _HEAD, _FOOT = 280, 16, 42, 10
_ACROSS, _DOWN, _EDGE, _TITLE = 90, 26, 24, 46
_SWEEPS = 4
_STYLE = """
svg{font:12px system-ui,sans-serif;background:#fff;color:#1c2733}
.box{fill:#f6f8fa;stroke:#8b98a5}.name{font-weight:600;font-size:13px}.kind{fill:#5b6875;font-size:11px}
.way{fill:none;stroke:#7b8794;stroke-width:1.3}.tip{fill:#7b8794}text{fill:#1c2733}.title{font-size:17px;font-weight:600}
.kept{fill:#9a5b00}
@media(prefers-color-scheme:dark){svg{background:#11161c}.box{fill:#1b232c;stroke:#4a5866}text{fill:#dbe3ea}
.kind{fill:#93a1ae}.way{stroke:#8795a3}.tip{fill:#8795a3}.kept{fill:#f0b35a}}
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A component, or a resource that stands in none."""

    urn: str
    name: str
    kind: str
    holds: tuple[tuple[str, int], ...]
    """Type and number of the resources in it."""
    protected: tuple[str, ...] = ()
    """Names of those that `destroy` keeps."""

    @property
    def height(self) -> int:
        """Of its box, in pixels."""
        return _HEAD + _LINE * len(self.holds) + _FOOT


def parts(state: Mapping[str, Any]) -> tuple[Part, ...]:
    """The boxes of a state, in its order."""
    held: dict[str, list[Mapping[str, Any]]] = {}
    for resource in custom(state):
        held.setdefault(_owner(state, resource), []).append(resource)
    found = []
    for urn, members in held.items():
        counts = Counter(_word(item["type"]) for item in members)
        kept = tuple(sorted(name_of(item["urn"]) for item in members if item.get("protect")))
        kind = _word(urn.rpartition("::")[0])
        found.append(Part(urn, name_of(urn), kind, tuple(sorted(counts.items())), kept))
    return tuple(found)


def needs(state: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Pairs of parts' URNs (who, what): a member of who depends on a member of what.

    What another of its needs needs anyway is left out.
    """
    owner = {item["urn"]: _owner(state, item) for item in custom(state)}
    direct: dict[str, set[str]] = {urn: set() for urn in owner.values()}
    for item in custom(state):
        for other in item.get("dependencies") or ():
            if other in owner and owner[other] != owner[item["urn"]]:
                direct[owner[item["urn"]]].add(owner[other])
    forward = _forward(list(direct), [(who, what) for who, others in direct.items() for what in sorted(others)])
    onward: dict[str, set[str]] = {urn: {what for who, what in forward if who == urn} for urn in direct}
    far = {urn: _reach(onward, urn) for urn in direct}
    return frozenset(
        (urn, other)
        for urn, others in direct.items()
        for other in others
        if other not in onward[urn] or not any(other in far[way] for way in onward[urn] - {other})
    )


def drawing(found: Sequence[Part], ways: Iterable[tuple[str, str]], *, title: str) -> str:
    """The SVG document."""
    edges = sorted(ways)
    places = _places(found, edges)
    wide = max((x for x, _ in places.values()), default=0) + _WIDTH + _EDGE
    high = max((places[part.urn][1] + part.height for part in found), default=_TITLE) + _EDGE + _LINE
    by_urn = {part.urn: part for part in found}
    lines = [_way(by_urn[who], places[who], by_urn[what], places[what]) for who, what in edges]
    boxes = [_box(part, *places[part.urn]) for part in found]
    note = "An arrow points at what its origin needs; dashed where the two need each other."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">',
            f"<style>{_STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<text class="title" x="{_EDGE}" y="28">{escape(title)}</text>',
            *lines,
            *boxes,
            f'<text class="kind" x="{_EDGE}" y="{high - 10}">{note}</text>',
            "</svg>",
            "",
        ]
    )


def _owner(state: Mapping[str, Any], resource: Mapping[str, Any]) -> str:
    """The component around it, or itself: what is under nothing but the stack."""
    known = {item["urn"] for item in state.get("resources") or () if not item.get("custom")}
    parent = str(resource.get("parent") or "")
    return parent if parent in known and "pulumi:pulumi:Stack" not in parent else str(resource["urn"])


def _word(type_: str) -> str:
    return type_.rsplit(":", 1)[-1]


def _reach(direct: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(direct[start])
    while waiting:
        urn = waiting.pop()
        if urn not in seen:
            seen.add(urn)
            waiting += direct[urn]
    return seen


def _forward(urns: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The arrows without those that close a circle, met by going down from each box in turn."""
    kept: list[tuple[str, str]] = []
    done: set[str] = set()
    under_way: set[str] = set()

    def visit(urn: str) -> None:
        under_way.add(urn)
        for who, what in edges:
            if who == urn and what not in under_way:
                kept.append((who, what))
                if what not in done:
                    visit(what)
        under_way.discard(urn)
        done.add(urn)

    for urn in urns:
        if urn not in done:
            visit(urn)
    return kept


def _layers(found: Sequence[Part], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """URNs by layer; a box stands right of all that it needs."""
    level: dict[str, int] = {part.urn: 0 for part in found}
    forward = _forward([part.urn for part in found], edges)
    for _ in found:
        for who, what in forward:
            level[who] = max(level[who], level[what] + 1)
    return [[part.urn for part in found if level[part.urn] == row] for row in sorted(set(level.values()))]


def _places(found: Sequence[Part], edges: Sequence[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    layers = _layers(found, edges)
    joined: dict[str, list[str]] = {part.urn: [] for part in found}
    for who, what in edges:
        joined[who].append(what)
        joined[what].append(who)
    for _ in range(_SWEEPS):
        for before, layer in (*pairwise(layers), *((b, a) for a, b in pairwise(reversed(layers)))):
            rank = {urn: place / max(1, len(before)) for place, urn in enumerate(before)}
            layer.sort(key=lambda urn: _middle([rank[other] for other in joined[urn] if other in rank]))
    heights = {part.urn: part.height for part in found}
    tall = max((_stack_height(layer, heights) for layer in layers), default=0)
    places = {}
    for column, layer in enumerate(layers):
        y = _TITLE + (tall - _stack_height(layer, heights)) // 2
        for urn in layer:
            places[urn] = (_EDGE + column * (_WIDTH + _ACROSS), y)
            y += heights[urn] + _DOWN
    return places


def _middle(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _stack_height(layer: Sequence[str], heights: Mapping[str, int]) -> int:
    return sum(heights[urn] for urn in layer) + _DOWN * (len(layer) - 1)


def _box(part: Part, x: int, y: int) -> str:
    rows = [
        f'<text x="{x + 12}" y="{y + _HEAD + _LINE * row + 10}">{escape(_row(word, count))}</text>'
        for row, (word, count) in enumerate(part.holds)
    ]
    lock = f'<text class="kept" x="{x + _WIDTH - 12}" y="{y + 20}" text-anchor="end">protected</text>'
    kept = f"\nprotected: {', '.join(part.protected)}" if part.protected else ""
    return (
        f"<g><title>{escape(part.urn + kept)}</title>"
        f'<rect class="box" x="{x}" y="{y}" width="{_WIDTH}" height="{part.height}" rx="6"/>'
        f'<text class="name" x="{x + 12}" y="{y + 20}">{escape(part.name)}</text>'
        f'<text class="kind" x="{x + 12}" y="{y + 34}">{escape(part.kind)}</text>'
        f"{lock if part.protected else ''}{''.join(rows)}</g>"
    )


def _row(word: str, count: int) -> str:
    return f"{word} ({count})" if count > 1 else word


def _way(who: Part, at: tuple[int, int], what: Part, to: tuple[int, int]) -> str:
    """From side to side; dashed where it closes a circle and so points to the right."""
    back = at[0] <= to[0]
    x1, y1 = at[0] + (_WIDTH if back else 0), at[1] + who.height // 2
    x2, y2 = to[0] + (-2 if back else _WIDTH + 2), to[1] + what.height // 2
    if back:
        y1, y2 = y1 + _LINE, y2 + _LINE  # beside the arrow that comes the other way
    bend = max(40, abs(x1 - x2) // 2) * (-1 if back else 1)
    dashed = ' stroke-dasharray="5 4"' if back else ""
    return (
        f'<path class="way"{dashed} marker-end="url(#tip)" '
        f'd="M{x1} {y1}C{x1 - bend} {y1} {x2 + bend} {y2} {x2} {y2}">'
        f"<title>{escape(f'{who.name} needs {what.name}')}</title></path>"
    )
