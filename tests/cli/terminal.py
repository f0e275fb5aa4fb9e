"""Somebody at a terminal."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    """A stream that says it is a terminal; as stdin, with what is typed there."""

    def isatty(self) -> bool:
        return True


def typing(*lines: str) -> Terminal:
    """Somebody who types these lines, and then goes away."""
    return Terminal("".join(f"{line}\n" for line in lines))
