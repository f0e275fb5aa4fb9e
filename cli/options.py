"""The options that every command takes, before or after the subcommand, and what is built from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OPTIONS", "Options", "hoisted", "options"]

_TAKES_VALUE = {"--fleet", "--stack"}
_FLAGS = {"--json", "--yes", "--debug"}


@dataclass(slots=True)
class Options:
    """The common options of this invocation."""

    fleet: Path | None = None
    stack: str | None = None
    json: bool = False
    yes: bool = False
    debug: bool = False
    answered: bool = False
    """Whether the one JSON document of this invocation is written."""


OPTIONS = Options()
"""Set once by the root callback."""


def options() -> Options:
    """The common options of this invocation."""
    return OPTIONS


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with common options moved to the front, where the root command reads them.

    What follows ``--`` belongs to another program and stays.
    """
    front: list[str] = []
    rest: list[str] = []
    pending = list(arguments)
    while pending:
        word = pending.pop(0)
        if word == "--":
            return [*front, *rest, word, *pending]
        if word in _FLAGS or (word.partition("=")[0] in _TAKES_VALUE and "=" in word):
            front.append(word)
        elif word in _TAKES_VALUE:
            front += [word, *pending[:1]]
            pending = pending[1:]
        else:
            rest.append(word)
    return [*front, *rest]
