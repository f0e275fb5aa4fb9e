"""Plain ``pulumi`` on a stack's own program and state: the project file it needs, and its command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from quartermaster.fleet.errors import MissingPart
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.setup import engine, language

__all__ = ["project", "run"]

_HERE = Path(__file__).resolve().parent


def project(workspace: Workspace, fleet: str) -> Path:
    """A folder whose Pulumi.yaml is infra/Pulumi.yaml under the fleet's name. Writes it.

    The stack's settings are those that `ops provision` keeps: the salt of its secrets is among them.
    """
    state = workspace.folder("state")
    folder = state / "plain"
    folder.mkdir(exist_ok=True)
    # JSON is YAML, and quotes whatever a path may hold.
    text = json.dumps(
        {
            "name": fleet,
            "runtime": "python",
            "main": str(_HERE),
            "stackConfigDir": str((state / "project").resolve()),
        },
        indent=1,
    )
    (folder / "Pulumi.yaml").write_text(text + "\n", encoding="utf-8")
    return folder


def run(arguments: Sequence[str], *, folder: Path, stack: str, fleet_file: Path, environment: Mapping[str, str]) -> int:
    """Run ``pulumi`` with the terminal as it is; its exit status. Raises MissingPart without engine or host."""
    program, host = engine.find(), language.find()
    if program is None or host is None:
        raise MissingPart("the Pulumi engine or its Python language host is not installed", remedy="ops setup")
    own = {
        "PATH": os.pathsep.join([str(program.parent), str(host.parent), os.environ.get("PATH", os.defpath)]),
        "PULUMI_PYTHON_CMD": sys.executable,
        "PULUMI_STACK": stack,
        "OPS_FLEET": str(fleet_file.resolve()),
    }
    done = subprocess.run(
        [program, "-C", str(folder), *arguments], env={**os.environ, **environment, **own}, check=False
    )
    return done.returncode
