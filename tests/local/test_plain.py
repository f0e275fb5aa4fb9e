"""The other way in: plain `pulumi` on the same program and state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stacks import Stand, run, stand

from quartermaster.infra import plain
from quartermaster.playbooks.bundle import build

pytestmark = pytest.mark.engine

FLEET = """
fleet: plain
zones: 2
network: {cidr: 10.23.0.0/16, nat: none}
clusters:
  web: {size: {min: 2, max: 4}}
backups: {rules: []}
"""


def pulumi(made: Stand, *words: str) -> int:
    """`ops pulumi -- WORDS`; its exit status."""
    deployment = made.deployment(build(made.fleet).stored(made.folder))
    folder = plain.project(made.workspace, made.fleet.fleet)
    with deployment.environment() as environment:
        return plain.run(
            words, folder=folder, stack="dev", fleet_file=made.workspace.fleet_file, environment=environment
        )


def test_after_up_plain_pulumi_sees_the_same_stack_and_nothing_to_change(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with stand(tmp_path, FLEET) as made:
        deployment = made.deployment(build(made.fleet).stored(tmp_path))
        run(deployment, "up")
        assert pulumi(made, "preview", "--expect-no-changes", "--json") == 0
        seen = json.loads(capfd.readouterr().out)["changeSummary"]
        # The engine's own count has the stack and the provider too.
        assert seen == {"same": pytest.approx(deployment.result.changes["create"], abs=20)}
