"""A plan as people read it: the tree of changes, what loses data, cost, policy, counts. Colour only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from quartermaster.cli.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.tree import Tree

    from quartermaster.infra.outcome import Outcome
    from quartermaster.infra.preview_tree import Node

__all__ = ["cost_text", "plan_text", "summary"]

_SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "replace": ("±", "bold red"), "delete": ("-", "red")}
_NAMED = 3
"""Resources without a price that a plan names; `ops provision cost` names all."""
_FILE_WIDTH = 160
"""Columns of a plan that goes to a file or a pipe."""


def plan_text(outcome: Outcome, title: str, *, everything: bool = False, stream: TextIO | None = None) -> str:
    """What would be done, as a tree, and what it means. ``stream`` decides on colour and width; default stdout."""
    parts: list[RenderableType] = []
    if outcome.steps:
        parts += _changes(outcome, title, everything=everything)
    text = _drawn(parts, stream or sys.stdout)
    return text + summary(outcome.to_json(), "would")


def summary(found: Mapping[str, Any], verb: str) -> str:
    """Counts, cost a month and policy of a plan or of what was done."""
    changes = found["changes"]
    words = [f"{kind} {count}" for kind, count in changes.items() if count and kind != "same"]
    text = f"{verb} {', '.join(words)}" if words else "nothing to change"
    text += f" ({changes['same']} unchanged)" if changes.get("same") else ""
    cost = found.get("cost_per_month")
    if cost:
        text += f"\n{_cost_line(cost)}; prices of {cost['dated']}: ops provision cost has each"
        if unknown := cost["unknown"]:
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            text += f"\n  without a price, which `ops prices update` may bring: {', '.join(unknown[:_NAMED])}{more}"
    text += _policy(found.get("policy", []))
    for urn in found.get("kept", []):
        text += f"\nkept, as it is protected: {urn}"
    return text


def cost_text(cost: Mapping[str, Any]) -> str:
    """Cost a month of each resource, and what the figures leave out."""
    rows = [
        (one["name"], one["type"], _usd(one["before"]), _usd(one["after"]), _delta(one["delta"]), one["why"])
        for one in cost["resources"]
    ]
    text = table(["resource", "type", "#before", "#after", "#change", "why"], rows) if rows else ""
    text += f"{_cost_line(cost)}\nprices of {cost['dated']}: {cost['source']}"
    for name in cost["unknown"]:
        text += f"\nwithout a price, so not in the sum: {name}"
    for name in cost["not_included"]:
        text += f"\npaid by use, so not in the sum: {name}"
    return text


def _cost_line(cost: Mapping[str, Any]) -> str:
    if cost["unknown"] and not cost["resources"]:
        return "cost per month: unknown: no part of it has a price"
    sums = f"{_usd(cost['before'])} → {_usd(cost['after'])}"
    moved = f" ({_delta(cost['delta'])})" if cost.get("delta") else ""
    beside = " and what has no price" if cost["unknown"] else ""
    return f"cost per month: {sums} {cost['currency']}{moved}{beside}, usage charges not included"


def _policy(findings: Sequence[Mapping[str, Any]]) -> str:
    held = [f for f in findings if not f.get("waived")]
    rows = [(f["severity"], f["rule"], f["resource"].rsplit("::", 1)[-1], f["reason"], f["remedy"]) for f in held]
    text = (
        "\n" + table(["severity", "rule", "resource", "why", "remedy"], rows, title="policy").rstrip() if rows else ""
    )
    for one in (f for f in findings if f.get("waived")):
        until, reason = one["waived"]["until"], one["waived"]["reason"]
        text += f"\nwaived until {until}: {one['rule']} of {one['resource'].rsplit('::', 1)[-1]}: {reason}"
    return text


def _changes(outcome: Outcome, title: str, *, everything: bool) -> list[RenderableType]:
    from rich.text import Text
    from rich.tree import Tree

    from quartermaster.infra.data_loss import losses
    from quartermaster.infra.preview_tree import tree

    root = Tree(Text(title, "bold"), guide_style="dim")
    nodes = tree(outcome.steps, everything=everything)
    _grow(root, nodes)
    parts: list[RenderableType] = [root] if nodes else []
    lost = losses(outcome.steps)
    if lost:
        parts.append(Text("data loss", "bold red"))
    parts += [Text(f"  {one.name}: {one.change} loses {one.lost}: {one.why}", "red") for one in lost]
    return parts


def _grow(branch: Tree, nodes: Iterable[Node]) -> None:
    from rich.text import Text

    from quartermaster.infra.preview_tree import label, shown

    for node in nodes:
        change = node.change
        sign, style = _SIGNS.get(change.act, ("", "")) if change.custom else ("", "")
        line = Text(f"{sign} " if sign else "", style).append(change.name, "bold" if not change.custom else style)
        line.append(f"  {label(change.type)}", "dim")
        if change.act == "replace":
            forced = ", ".join(change.forced_by) or "the provider"
            line.append(f"  replaced, forced by {forced}", "red")
        if node.loses_data:
            line.append("  LOSES DATA", "bold red")
        for item in change.properties:
            line.append(f"\n    {shown(item)}", "red" if item.replaces else "")
        _grow(branch.add(line), node.below)


def _drawn(parts: Iterable[RenderableType], stream: TextIO) -> str:
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    with console.capture() as capture:
        for part in parts:
            console.print(part, soft_wrap=False)
    return capture.get()


def _usd(value: float) -> str:
    return f"{value:,.2f}"


def _delta(value: float) -> str:
    return f"{value:+,.2f}" if value else ""
