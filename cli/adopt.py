"""``ops adopt``: a fleet.yaml for what an account already runs, and what it names taken into the state."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.outfile import check_out, write_out
from quartermaster.cli.output import confirm, draw, emit, say
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("adopt", epilog="Example: ops adopt --region eu-west-1 --tag app=shop --out fleet.yaml")(_adopt)


def _adopt(
    region: Annotated[str, typer.Option("--region", help="Region to look in; default: that of your AWS profile.")] = "",
    tag: Annotated[str, typer.Option("--tag", help="Only what has this tag: KEY=VALUE.")] = "",
    vpc: Annotated[str, typer.Option("--vpc", help="Only what is in this VPC: vpc-…")] = "",
    name: Annotated[str, typer.Option("--name", help="Name of the fleet.")] = "adopted",
    out: Annotated[Path, typer.Option("--out", help="File to write; one that exists is never overwritten.")] = Path(
        "fleet.yaml"
    ),
    take_in: Annotated[
        bool, typer.Option("--import", help="Take what fleet.yaml names as adopted into the state.")
    ] = False,
) -> None:
    """Read what an account runs into a commented fleet.yaml; with --import, take it into the state. Makes nothing."""
    if take_in:
        _import()
    else:
        _discover(region, tag, vpc, name, out)


def _discover(region: str, tag: str, vpc: str, name: str, out: Path) -> None:
    from quartermaster.fleet.schema import load_fleet
    from quartermaster.infra.adopt import discover
    from quartermaster.infra.adopt_text import fleet_text
    from quartermaster.infra.aws_errors import translated

    if tag and "=" not in tag:
        raise InputError(f"--tag {tag}: no value", remedy="--tag KEY=VALUE")
    check_out(out)
    if out.exists():
        raise InputError(f"{out} exists and is not overwritten", remedy="--out with another name")
    key, _, value = tag.partition("=")
    local = "AWS_ENDPOINT_URL" in os.environ
    with translated():
        found = discover(_anywhere(name, region), tag=(key, value) if tag else None, vpc=vpc)
    text, notes = fleet_text(found, name, local=local)
    write_out(out, text)
    load_fleet(out)
    for note in notes:
        say(f"not expressed: {note}")
    counts = {"groups": len(found.groups), "databases": len(found.databases)}
    said = f"wrote {out}: {counts['groups']} groups, {counts['databases']} databases"
    emit({"file": str(out), **counts, "not_expressed": notes}, f"{said}\nnext: read it, then ops adopt --import")


def _anywhere(name: str, region: str) -> Cloud:
    """Whatever account the credentials of this shell are for: there is no fleet.yaml yet that could say."""
    import boto3

    from quartermaster.fleet.aws import Cloud

    made = boto3.Session(region_name=region or None)
    if not made.region_name:
        raise InputError("no region", remedy="--region, or AWS_REGION")
    return Cloud(name, "", "aws", made.region_name, made)


def _import() -> None:
    ops = session()
    if not ops.fleet.adopted:
        raise InputError(f"{ops.fleet_file} names nothing as adopted", remedy="ops adopt writes a file that does")
    plan = "\n".join(f"{item.id} → {item.name} ({item.type.rsplit(':', 1)[-1]})" for item in ops.fleet.adopted)
    confirm("Take these into the state? Nothing is changed in the account.", plan=plan)
    with ops.run("adopt", scopes=[ops.scope()]) as (run, lease):
        deployment = ops.deployment()
        draw(run.record(lease.fenced(deployment.adopt())))
        changes = dict(deployment.preview().changes)
        result = {"adopted": [item.id for item in ops.fleet.adopted], "changes": changes}
        run.finish("done", result)
    words = ", ".join(f"{kind} {count}" for kind, count in changes.items() if count and kind != "same")
    emit(result, f"taken in; `ops provision preview` now shows: {words or 'no change'}")
