"""Command groups: every command has help with one example, and says where the common options stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer

__all__ = ["Group"]

_F = TypeVar("_F", bound=Callable[..., Any])
_COMMON = "Everywhere: --fleet PATH · --stack NAME · --json · --yes"


class Group:
    """A typer app whose commands must state an example."""

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.app = typer.Typer(name=name, help=help, no_args_is_help=True, add_completion=False)

    def command(self, name: str, *, example: str, hidden: bool = False) -> Callable[[_F], _F]:
        """Register a command under ``name``."""
        epilog = f"Example: {example}\n\n{_COMMON}"
        return self.app.command(name, epilog=epilog, hidden=hidden)
