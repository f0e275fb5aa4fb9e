"""``ops init``, ``ops validate``, ``ops schema``: the one file a user writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from quartermaster.cli.outfile import writing
from quartermaster.cli.output import emit
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import Fault, InputError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command("init", epilog="Example: ops init --name shop")(init)
    app.command("validate", epilog="Example: ops validate --fleet shop/fleet.yaml")(validate)
    app.command("schema", epilog="Example: ops schema > fleet.schema.json")(schema)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to write fleet.yaml into.")] = Path(),
    name: Annotated[str, typer.Option(help="Name of the fleet.")] = "shop",
) -> None:
    """Write a commented fleet.yaml that validates and runs on the local cloud."""
    from quartermaster.fleet.schema import example

    text, path = example(name), folder / "fleet.yaml"
    with writing(path, "folder"):
        if path.exists():
            raise InputError(f"{path} exists and is not overwritten", remedy="choose another folder, or move it away")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    emit({"file": str(path)}, f"wrote {path}\nnext: ops validate, then ops provision preview")


def validate() -> None:
    """Check fleet.yaml: every fault at once, each with line, value and remedy."""
    from quartermaster.fleet.schema import read_fleet

    ops = session()
    loaded = read_fleet(ops.fleet_file, today=ops.clock.now().date())
    fleet = loaded.fleet
    text = (
        f"{ops.fleet_file}: valid: fleet {fleet.fleet}; stacks: {len(fleet.stacks)}, "
        f"clusters: {len(fleet.clusters)}, databases: {len(fleet.databases)}"
    )
    odd = (*loaded.warnings, *_of_roles(ops))
    warnings = [dataclasses.asdict(fault) for fault in odd]
    for fault in odd:
        text += f"\nwarning: {fault.file}:{fault.line} {fault.where}: {fault.problem}\n    → {fault.remedy}"
    emit({"file": str(ops.fleet_file), "valid": True, "fleet": fleet.fleet, "warnings": warnings}, text)


def _of_roles(ops: Session) -> Sequence[Fault]:
    """What `ops provision` will refuse: warnings here, as forecasts, plans and reports need no role."""
    try:
        _ = ops.bundle
    except InputError as error:
        return error.faults
    return ()


def schema() -> None:
    """Print the JSON Schema of fleet.yaml, for editors and CI."""
    import json

    from quartermaster.fleet.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
