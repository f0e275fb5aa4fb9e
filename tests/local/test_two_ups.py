"""Two people type `ops provision up` at once: one works, the other is told who does, and nothing exists twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from census import CENSUS, census
from stacks import stand

from quartermaster.cli.main import run as ops
from quartermaster.fleet.journal import Journal
from quartermaster.infra.state import custom
from quartermaster.infra.sweep import loose, own_tags

pytestmark = pytest.mark.engine

FLEET = """
fleet: shop
zones: 2
network: {cidr: 10.20.0.0/16, nat: none}
databases: {sessions: {engine: dynamodb}}
"""


def test_the_second_is_refused_and_the_account_is_what_the_state_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with stand(tmp_path, FLEET) as made:
        before = census(made.cloud)
        words = ["provision", "up", "--yes", "--fleet", str(tmp_path)]
        with subprocess.Popen([sys.executable, "-m", "quartermaster.cli", *words]) as first:
            journal = Journal.open(made.workspace.database)
            until = time.monotonic() + 120
            while not (runs := journal.runs("provision_up")) or len(journal.events(runs[0].id)) < 10:
                assert first.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            assert ops(words) == 1
        assert first.returncode == 0
        said = capsys.readouterr().err
        assert f"run {runs[0].id} by" in said
        assert f"pid {first.pid}" in said
        state = made.deployment()._engine.export()
        assert loose(made.cloud, state, own_tags(made.cloud, [made.fleet.region])) == ()
        there, known = Counter(census(made.cloud)), Counter(item["type"] for item in custom(state))
        there.subtract(before)
        assert {kind: there[kind] for kind in CENSUS.values()} == {kind: known[type_] for type_, kind in CENSUS.items()}
        assert ops(["provision", "preview", "--exit-code", "--fleet", str(tmp_path)]) == 0
