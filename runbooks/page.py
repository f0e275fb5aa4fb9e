"""A rendered runbook as one HTML page: read on a phone at night, printed for the room, with no script in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from quartermaster.fleet.durations import duration
from quartermaster.runbooks.document import Step, is_label, parse
from quartermaster.runbooks.prose import PROGRAMS, slug
from quartermaster.runbooks.render import DOCUMENTS, environment

__all__ = ["duration", "render_html"]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A step as the page shows it; texts are HTML."""

    step: Step
    anchor: str
    prose: str
    by_hand: str
    expected: str
    owner: str
    limit: str


def render_html(markdown: str) -> str:
    """One HTML page of a rendered runbook: no script, readable on a phone and on paper."""
    document = parse(markdown)
    reader = _reader()
    lines = markdown.splitlines()
    first = document.steps[0].line - 1
    begins = lines.index("---", 1) + 1
    ends = [*(step.line - 1 for step in document.steps[1:]), len(lines)]
    shown = [
        _Shown(
            step=step,
            anchor=slug(f"{step.number}. {step.title}"),
            prose=reader.render("\n".join(line for line in lines[step.line : end] if not is_label(line))),
            by_hand=reader.renderInline(step.by_hand),
            expected=reader.renderInline(step.expected_words),
            owner=reader.renderInline(step.owner),
            limit=duration(step.limit_seconds),
        )
        for step, end in zip(document.steps, ends, strict=True)
    ]
    return (
        environment(DOCUMENTS, autoescape=True)
        .get_template("page.html.j2")
        .render(
            title=document.title,
            anchor=slug(document.title),
            head=document.head,
            intro=reader.render("\n".join(line for line in lines[begins:first] if not line.startswith("# "))),
            steps=shown,
            longest=duration(sum(step.limit_seconds for step in document.steps)),
        )
    )


def _reader() -> MarkdownIt:
    """Reads Markdown; commands are marked to be copied, and links lead to the pages of the other runbooks."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("code_inline", _code)
    reader.add_render_rule("link_open", _link)
    reader.add_render_rule("heading_open", _heading)
    return reader


def _code(self: Any, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    if tokens[index].content.startswith(PROGRAMS):
        tokens[index].attrSet("class", "run")
    return str(self.code_inline(tokens, index, options, env))


def _heading(self: Any, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("id", slug(tokens[index + 1].content))
    return str(self.renderToken(tokens, index, options, env))


def _link(self: Any, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    target = str(tokens[index].attrGet("href"))
    if "//" not in target:
        tokens[index].attrSet("href", re.sub(r"\.md(?=#|$)", ".html", target))
    return str(self.renderToken(tokens, index, options, env))
