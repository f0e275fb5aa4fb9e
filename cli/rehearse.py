"""``ops rehearse``: play a change on a small local copy of the fleet before it touches the account."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.outfile import check_out, write_out
from quartermaster.cli.output import emit, table
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import InputError, OpsError

if TYPE_CHECKING:
    from quartermaster.cli.rehearsal import Rehearsal, Step

__all__ = ["group"]

group = Group("rehearse", "Rehearsals on a small local copy: what would happen to requests, capacity and time.")

Cluster = Annotated[str, typer.Argument(help="Cluster as fleet.yaml names it.")]
Faults = Annotated[str, typer.Option(help="Fault to inject meanwhile: bad-package or host-lost.")]
Junit = Annotated[Path | None, typer.Option(help="JUnit XML file to write the outcome to, too.")]


@group.command("provision", example="ops rehearse provision --junit rehearsal.xml")
def provision(junit: Junit = None) -> None:
    """Make the whole fleet, small, on the local cloud, look again for changes, and remove it."""
    _run(session(), "provision", "", "", junit, lambda _rehearsal: [])


@group.command("patch", example="ops rehearse patch web --fault bad-package")
def patch(cluster: Cluster, fault: Faults = "", junit: Junit = None) -> None:
    """Patch a copy of the cluster under load: who notices, how many hosts are left serving, how long it takes."""
    ops = session()
    if cluster not in ops.fleet.clusters:
        known = ", ".join(ops.fleet.clusters) or "none is declared"
        raise InputError(f"no cluster {cluster!r} to patch", remedy=f"clusters: {known}")
    _run(ops, "patch", cluster, fault, junit, lambda rehearsal: [rehearsal.patch(fault)])


@group.command("drill", example="ops rehearse drill zone_outage web")
def drill(
    kind: Annotated[str, typer.Argument(help="Kind of drill, e.g. zone_outage.")],
    of: Annotated[str, typer.Argument(help="Cluster or database.")],
    fault: Faults = "",
    junit: Junit = None,
) -> None:
    """Run the drill on a copy under load: is the objective met, what do users see."""
    from quartermaster.runbooks.drill import accept

    ops = session()
    accept(kind, of, ops.fleet)
    _run(ops, f"drill-{kind}", of, fault, junit, lambda rehearsal: [rehearsal.drill(kind, fault)])


def _run(
    ops: Session, name: str, of: str, fault: str, junit: Path | None, work: Callable[[Rehearsal], list[Step]]
) -> None:
    from quartermaster.cli.rehearsal import FAULTS, Rehearsal
    from quartermaster.cli.rehearsal import junit as as_junit

    if fault and fault not in FAULTS:
        raise InputError(f"no fault {fault!r}", remedy=f"one of: {', '.join(FAULTS)}")
    check_out(junit, "--junit")
    with Rehearsal(ops.fleet_file, of, ops.workspace.folder("cache") / "rehearsal") as rehearsal:
        steps = [rehearsal.provision()]
        if steps[0].passed:
            steps += work(rehearsal)
    if junit is not None:
        write_out(junit, as_junit(f"rehearsal of {ops.fleet.fleet}", steps), "--junit")
    passed = all(step.passed for step in steps)
    rows = [("passed" if step.passed else "FAILED", step.name, f"{step.seconds:.0f} s", step.outcome) for step in steps]
    document = {"kind": name, "of": of, "fault": fault, "passed": passed, "steps": [step.to_json() for step in steps]}
    emit(document, table(["", "step", "#took", "what happened"], rows))
    if not passed:
        raise OpsError(f"the rehearsal of {name} {of} failed".replace("  ", " "), remedy="see what happened, above")
