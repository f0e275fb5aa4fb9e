"""Command groups: every command has help with one example, and says where the common options stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

__all__ = ["Confirm", "Group", "How", "Listed", "Root"]

Confirm = Annotated[str, typer.Option("--confirm", help="Name of a protected stack, typed.")]
How = Annotated[str, typer.Option(help="Which way, for kinds that can be run in several.")]
_F = TypeVar("_F", bound=Callable[..., Any])
_COMMON = "Everywhere: --fleet PATH · --stack NAME · --json · --yes"


class Group:
    """A typer app whose commands must state an example."""

    def __init__(self, name: str, help: str, cls: type[TyperGroup] | None = None) -> None:
        self.name = name
        self.app = typer.Typer(name=name, cls=cls or Listed, help=help, no_args_is_help=True, add_completion=False)

    def command(self, name: str, *, example: str, hidden: bool = False) -> Callable[[_F], _F]:
        """Register a command under ``name``."""
        epilog = f"Example: {example}\n\n{_COMMON}"
        return self.app.command(name, epilog=epilog, hidden=hidden)


class Listed(TyperGroup):
    """A group whose help lists what its commands do in full, where typer cuts each off at one short line."""

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the list."""
        shown = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, " ".join((command.help or "").partition("\n\n")[0].split()))
            for name, command in shown
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Root(Listed):
    """The root command, quick to complete."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse; for completion leave the values of options unread: typer reads them through pydantic (0.1 s)."""
        if not ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        _, rest, _ = self.make_parser(ctx).parse_args(args=list(args))
        ctx._protected_args, ctx.args = rest[:1], rest[1:]
        return ctx.args
