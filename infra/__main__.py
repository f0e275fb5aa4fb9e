"""What plain ``pulumi`` runs: the stack's program, from the fleet.yaml that environment or stack's config name.

OPS_FLEET, else the config key ``ops:fleet``, is the path of fleet.yaml; without either it is looked for here and above.
An entry point as ``ops`` is one, so it brings together what the capabilities do not know of each other.
"""

from __future__ import annotations

import os
from pathlib import Path

import pulumi

from quartermaster.fleet.aws import connect
from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import find_fleet, load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.deploy import Deployment
from quartermaster.playbooks.bundle import build


def main() -> None:
    """Declare the stack that the engine is at. Raises InputError for a project of another name."""
    said = os.environ.get("OPS_FLEET") or pulumi.Config("ops").get("fleet")
    file = Path(said) if said else find_fleet(Path.cwd())
    fleet, workspace = load_fleet(file), Workspace(file)
    if pulumi.get_project() != fleet.fleet:
        raise InputError(
            f"the project is {pulumi.get_project()!r} and the fleet {fleet.fleet!r}: every URN would be another",
            remedy=f"name: {fleet.fleet} in Pulumi.yaml, or `ops pulumi -- preview`",
        )
    stack = fleet.resolve_stack(pulumi.get_stack())
    cloud = connect(fleet, stack, workspace)
    bundle = build(fleet, file.resolve().parent).stored(workspace.folder("cache"))
    Deployment(fleet, stack, workspace, cloud, bundle=bundle).program()()


if __name__ == "__main__":
    main()
