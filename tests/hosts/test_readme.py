"""Every `ops` command of the README, in its order, by the real command on the local cloud."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import quartermaster.examples
from tests.hosts.local_cluster import free_cidr

pytestmark = [pytest.mark.hosts, pytest.mark.engine]

ROOT = Path(__file__).parents[2]
SAMPLE = Path(quartermaster.examples.__path__[0]) / "metrics" / "web_requests_hourly.parquet"
OPS = [sys.executable, "-m", "quartermaster.cli"]


def commands() -> list[str]:
    lines = re.findall(r"^    (ops .+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return [line.split("#")[0].strip() for line in lines]


def ops(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it; it must ask nothing, so ``--yes`` is added."""
    arguments = [*shlex.split(command)[1:], "--yes"]
    return subprocess.run([*OPS, *arguments], cwd=folder, capture_output=True, text=True, timeout=400, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    history = pd.read_parquet(SAMPLE)
    weeks = (pd.Timestamp(datetime.now(UTC)) - history["timestamp"].max()) // pd.Timedelta(weeks=1)
    history["timestamp"] += pd.Timedelta(weeks=weeks)
    history.to_parquet(tmp_path / "requests.parquet")
    yield tmp_path
    if (tmp_path / "fleet.yaml").exists():
        ops("ops local down", tmp_path)


def test_every_command_of_the_readme_does_what_it_says(folder: Path) -> None:
    named = commands()
    assert len(named) >= 12
    for command in named:
        done = ops(command, folder)
        assert done.returncode == 0, f"`{command}` exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
        if command == "ops init":
            _fit(folder / "fleet.yaml")


def _fit(file: Path) -> None:
    """What cannot wait in a test: the window of Sunday night, and half a minute of draining; and a free network."""
    text = file.read_text(encoding="utf-8")
    for old, new in (
        ('window: "Sun 01:00-05:00" ', "window: always "),
        ("soak_minutes: 15", "soak_minutes: 0"),
        ("drain_seconds: 30", "drain_seconds: 3"),
        ("cidr: 10.20.0.0/16", f"cidr: {free_cidr()}"),
    ):
        assert old in text, f"the example no longer says {old!r}"
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
