"""`ops` is killed with -9 at the very end of `up`: everything is made, and nobody has written down that it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from census import census
from stacks import Stand, run, stand

from quartermaster.cli.main import run as ops
from quartermaster.fleet.journal import Journal
from quartermaster.infra.sweep import loose, own_tags

pytestmark = pytest.mark.engine

FLEET = """
fleet: shop
zones: 2
network: {cidr: 10.20.0.0/16, nat: none}
databases: {sessions: {engine: dynamodb}}
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path, FLEET) as built:
        yield built


def changes(made: Stand) -> dict[str, int]:
    """What another `up` would do; also that nothing in the account is unknown to the state."""
    state = made.deployment()._engine.export()
    assert loose(made.cloud, state, own_tags(made.cloud, [made.fleet.region])) == ()
    return {kind: count for kind, count in made.deployment().preview().changes.items() if count and kind != "same"}


def test_when_the_engine_has_told_of_the_last_resource(made: Stand) -> None:
    """Neither `ops` nor the engine has come to its end."""
    last = made.deployment().preview().changes["create"]
    with made.elsewhere("up", after=last) as (process, done):
        process.kill()
    assert (process.returncode, done) == (-signal.SIGKILL, last)
    there = census(made.cloud)
    run(made.deployment(), "up")
    assert census(made.cloud) == there
    assert changes(made) == {}


def test_when_only_the_journal_lacks_the_end(made: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["provision", "up", "--yes", "--fleet", str(made.folder)]
    each_step = {**os.environ, "PULUMI_SKIP_CHECKPOINTS": "false"}
    killed = subprocess.run([sys.executable, __file__, *words], capture_output=True, timeout=300, env=each_step)
    assert killed.returncode == -signal.SIGKILL
    there = census(made.cloud)
    journal = Journal.open(made.workspace.database)
    [row] = journal.runs("provision_up", stack="dev")
    assert row.interrupted
    assert ops(words) == 0
    assert f"{row.id} was cut short" in capsys.readouterr().err
    assert {one.state for one in journal.runs("provision_up", stack="dev")} == {"done", "recovered"}
    assert census(made.cloud) == there
    assert ops(["provision", "preview", "--exit-code", "--fleet", str(made.folder)]) == 0


def _main() -> None:
    """`ops`, which ends as by kill -9 where it would write the end of its run into the journal."""
    from quartermaster.fleet.journal import Run

    def finish(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    Run.finish = finish  # type: ignore[method-assign]
    ops(sys.argv[1:])


if __name__ == "__main__":
    _main()
