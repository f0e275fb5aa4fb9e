"""What a rendered runbook tells people beside its steps: the commands to type and the links to follow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["PROGRAMS", "Judge", "slug", "wrong_commands", "wrong_links"]

Judge = Callable[[str], str]
"""Takes a command line that people are told to type; says what is wrong with it, or nothing."""

PROGRAMS = ("ops ", "aws ")
"""What a command that a person types starts with."""
_REMOTE = ("http", "https", "mailto")
_UNDEFINED = re.compile(r"\[[^\]]+\]\[([^\]]*)\]")


def wrong_commands(text: str, judge: Judge) -> Iterator[tuple[int, str, str]]:
    """Line, command and complaint for each command in code marks that the judge refuses."""
    for line, token in _tokens(text):
        if token.type in ("code_inline", "fence", "code_block"):
            for offset, command in enumerate(token.content.splitlines()):
                at = line + offset + (token.type == "fence")
                if command.startswith(PROGRAMS) and (problem := judge(command)):
                    yield at, command, problem


def wrong_links(text: str, folder: Path) -> Iterator[tuple[int, str, str]]:
    """Line, target and complaint for each link that leads nowhere. Web addresses are judged by their form only.

    ``NAME.md`` beside the document is the runbook of that name as rendered; other paths are files of the folder.
    """
    for line, token in _tokens(text):
        if token.type in ("link_open", "image"):
            target = str(token.attrGet("href") or token.attrGet("src") or "")
            if problem := _dead(target, text, folder):
                yield line, target, problem
        elif token.type == "text":
            for found in _UNDEFINED.finditer(token.content):
                yield line, found[0], f"no line [{found[1] or 'its text'}]: … defines it"


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and our page make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _dead(target: str, text: str, folder: Path) -> str:
    parts = urlsplit(target)
    if parts.scheme:
        if parts.scheme not in _REMOTE:
            return f"no web address starts with {parts.scheme}:"
        place = parts.path.partition("@")[2] if parts.scheme == "mailto" else parts.hostname or ""
        return "" if re.fullmatch(r"[\w-]+(\.[\w-]+)+", place) else "it names no host"
    if parts.path:
        template = folder / f"{parts.path}.j2"
        found = template if template.is_file() else folder / parts.path
        if not found.is_file():
            return f"there is no {parts.path} beside it"
        text = found.read_text(encoding="utf-8") if parts.fragment else ""
    headings = {slug(line.lstrip("#")) for line in text.splitlines() if re.match(r"#{1,6} ", line)}
    return f"no heading is called #{parts.fragment}" if parts.fragment and parts.fragment not in headings else ""


def _tokens(text: str) -> Iterator[tuple[int, Token]]:
    """Each piece of the text with its line, from 1."""
    # The lines of the front matter stay, empty: the others keep their numbers.
    if text.startswith("---\n"):
        front, _, body = text.partition("\n---\n")
        text = "\n" * (front.count("\n") + 2) + body
    lines = text.splitlines()
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        start, end = token.map or (0, 0)
        if token.type != "inline":
            yield start + 1, token
            continue
        at = start
        for child in token.children or ():
            # A paragraph's pieces know only where it begins; each is looked for from where the last one stood.
            if child.type in ("code_inline", "link_open", "text"):
                wanted = child.content or str(child.attrGet("href") or "")
                at = next((row for row in range(at, end) if wanted in lines[row]), at)
            yield at + 1, child
