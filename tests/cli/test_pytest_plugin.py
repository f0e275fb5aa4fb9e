"""The plugin as a user's repository meets it: a pytest of its own, with nothing but a fleet.yaml and three lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PATCH = """\
def test_a_patch_loses_nothing(ops_rehearsal):
    step = ops_rehearsal("web").patch()
    assert step.passed and step.requests["failed"] == 0, step.outcome
"""
DRILL = """\
def test_the_fleet_outlives_a_host(ops_rehearsal):
    step = ops_rehearsal("web").drill("instance_loss")
    assert step.passed and step.requests["sent"] > 100 and step.serving_least == 1, step.outcome
"""


def _pytest(folder: Path, test: str, fleet: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_fleet.py").write_text(test, encoding="utf-8")
    (folder / "fleet.yaml").write_text(fleet, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_fleet_that_is_wrong_fails_with_its_faults(tmp_path: Path) -> None:
    test = "def test_fleet(ops_fleet):\n    assert ops_fleet.zones == 3\n"
    assert _pytest(tmp_path, test, "fleet: shop\n").returncode == 0
    done = _pytest(tmp_path, test, "fleet: shop\nzones: 9\nclusters: {web: {size: {min: 4, max: 2}}}\n")
    assert done.returncode == 1
    assert "clusters.web.size" in done.stdout
    assert "zones" in done.stdout


@pytest.mark.hosts
@pytest.mark.engine
@pytest.mark.soak
@pytest.mark.parametrize("lines", [PATCH, DRILL], ids=["patch", "drill"])
def test_three_lines_rehearse_it_on_the_users_own_fleet(tmp_path: Path, lines: str) -> None:
    fleet = (
        "fleet: shop\nzones: 2\nclusters: {web: {balancer: {drain_seconds: 2}}}\nrecovery: {web: {zone: {rto: 5m}}}\n"
    )
    done = _pytest(tmp_path, lines, fleet)
    assert done.returncode == 0, done.stdout + done.stderr
