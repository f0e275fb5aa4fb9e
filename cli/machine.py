"""``ops setup`` and ``ops doctor``: what this machine has and lacks."""

from __future__ import annotations

import dataclasses

import typer

from quartermaster.cli.output import emit, table
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog="Example: ops doctor --json")(doctor)
    app.command("setup", epilog="Example: ops setup")(setup)


def doctor() -> None:
    """Show each part that ops needs here, found or missing, with the remedy; and what .ops holds."""
    from quartermaster.fleet.workspace import CONTENTS
    from quartermaster.infra.setup.doctor import checks

    found = checks()
    marks = {"found": "✓", "missing": "✗", "unsuitable": "!"}
    rows = [(marks[check.state], check.part, check.detail, check.remedy) for check in found]
    try:
        root = session().workspace.root
        kept = [(name, what) for name, what in CONTENTS.items() if (root / name).exists()]
    except InputError:
        kept = []
    text = table(["", "part", "found", "remedy"], rows)
    if kept:
        text += "\n" + table([".ops holds", ""], kept)
    emit({"parts": [dataclasses.asdict(check) for check in found], "holds": dict(kept)}, text)


def setup() -> None:
    """Install what is missing: the Pulumi engine, the hosts' base tree, system packages."""
    from quartermaster.infra.setup.run import main

    raise typer.Exit(main([part for name in ("packages", "engine", "base tree") for part in ("--only", name)]))
