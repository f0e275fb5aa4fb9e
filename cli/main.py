"""``ops``: the entry point. Quick to start: nothing heavy is imported until a command needs it."""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Sequence

__all__ = ["app", "run"]

_YOUNG = 50_000
"""Objects made between two searches for garbage: a start makes hundreds of thousands, and all of them stay."""


def app() -> None:
    """Run ``ops`` with this process's arguments and exit with its status."""
    gc.set_threshold(_YOUNG)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # arrows and euros, where the terminal or pipe takes Latin-1 alone
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run ``ops`` and return the exit status: 0 done, 1 failed, 2 bad input, 3 changes found, 4 resumable."""
    if list(arguments) == ["--version"]:
        from importlib.metadata import version

        sys.stdout.write(f"ops {version('quartermaster')}\n")
        return 0
    from quartermaster.cli.errors import guarded
    from quartermaster.cli.options import hoisted

    return guarded(_invoke, hoisted(arguments))


def _invoke(arguments: list[str]) -> int:
    from quartermaster.cli.commands import build
    from quartermaster.cli.session import hang_up

    try:
        build()(args=arguments, prog_name="ops")
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(bool(exit_.code))
    finally:
        hang_up()
    return 0
