"""``ops status`` on a stack of which the cloud is down: what the books alone tell."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quartermaster.cli.command_lines import complaint
from quartermaster.cli.main import run
from quartermaster.cli.plan_summary import peaks
from quartermaster.fleet.journal import Journal

FLEET = """\
fleet: shop
region: eu-west-1
clusters: {web: {}, api: {}}
databases: {orders: {engine: postgres}}
recovery: {drills: [{kind: instance_loss, of: web, every_days: 30}, {kind: restore, of: orders, every_days: 7}]}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    yield tmp_path


def _status(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["status", "--json", "--fleet", str(folder)]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_stack_that_was_never_made_is_unknown_not_an_error(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = _status(fleet, capsys)
    assert [remark["text"] for remark in found["remarks"]] == ["the local cloud is not running"]
    assert list(found["clusters"]) == ["web", "api"]
    assert found["clusters"]["api"]["level"] == "unknown"
    assert {(row["of"], row["kind"]) for row in found["overdue"]} == {("web", "instance_loss"), ("orders", "restore")}
    assert not (fleet / ".ops/local/daemon.json").exists()
    said = [*found["remarks"], *found["clusters"]["web"]["remarks"], *found["databases"]["orders"]["remarks"]]
    assert {remark["remedy"]: complaint(remark["remedy"]) for remark in said if complaint(remark["remedy"])} == {}


def test_drills_that_were_run_count_and_runs_cut_short_are_red(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal.open(fleet / ".ops/ops.db") if (fleet / ".ops").mkdir() is None else None
    assert journal is not None
    done = journal.start("drill", stack="dev", subject="instance_loss web")
    done.finish("done", {"rto_seconds": 52.0, "objective_met": True, "evidence": "rehearsed"})
    journal.start("drill", stack="dev", subject="restore orders").finish("stopped")
    journal.start("provision_drift", stack="dev").finish("done", {"drift": [{}, {}]})

    found = _status(fleet, capsys)

    assert found["level"] == "failing"
    assert found["remarks"][-1]["remedy"] == "ops drill recover"
    assert found["clusters"]["web"]["drills"][0]["rto_seconds"] == 52.0
    assert [row["of"] for row in found["overdue"]] == ["orders"]
    assert found["drift"]["properties"] == 2
    assert run(["status", "--fleet", str(fleet)]) == 0
    shown = capsys.readouterr().out
    assert (
        shown.index("drill of restore orders stopped part-way ")
        < shown.index("restore was never drilled")
        < shown.index("demand is unknown")
    )
    assert "instance loss 52.0 s" in shown


def test_a_runbook_that_somebody_left_part_way_is_red(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal.open(fleet / ".ops/ops.db") if (fleet / ".ops").mkdir() is None else None
    assert journal is not None
    left = journal.start("runbook", stack="dev", subject="zone_outage web")
    left.finish("stopped")
    remark = next(one for one in _status(fleet, capsys)["remarks"] if one["run"] == left.id)
    assert remark["remedy"] == f"ops runbook run --resume {left.id}"


def test_the_first_line_says_how_many_stand_how_and_parts_stand_apart(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "--fleet", str(fleet)]) == 0
    first, second, *parts = capsys.readouterr().out.rstrip().split("\n")
    assert first == "shop dev: 2 to look at, 2 unknown"
    assert second.startswith("local, ")
    assert [parts[place + 1].split()[0] for place, line in enumerate(parts) if not line] == [
        "of", "cluster", "database", "leases:",
    ]  # fmt: skip


@pytest.mark.parametrize("words", [["--watch", "1"], ["--watch"]])
def test_watching_needs_a_terminal(fleet: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--fleet", str(fleet), *words]) == 2
    assert "--watch draws on a terminal" in capsys.readouterr().err


@pytest.mark.slow
def test_watching_looks_again_until_ctrl_c(fleet: Path) -> None:
    far, near = pty.openpty()
    fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    command = [sys.executable, "-m", "quartermaster.cli", "status", "--watch", "0.1", "--fleet", str(fleet)]
    with subprocess.Popen(command, stdin=near, stdout=near, stderr=near, start_new_session=True) as watching:
        os.close(near)
        shown = b""
        while shown.count(b"the local cloud is not running") < 3:
            shown += os.read(far, 65536)
        watching.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # the terminal goes with its last user
            while more := os.read(far, 65536):
                shown += more
    os.close(far)
    assert watching.returncode in (4, 130)
    assert b"Traceback" not in shown


def test_the_peak_is_that_of_the_coming_day(tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
    hours = [
        [(now.replace(minute=0) + timedelta(hours=h)).isoformat(), 3 + (h == 5) + 9 * (h == 30)] for h in range(40)
    ]
    kept = {"web": {"at": now.isoformat(), "hours": hours, "runway": {"p50": None}}}
    (tmp_path / "plan-dev.json").write_text(json.dumps(kept), encoding="utf-8")
    found = peaks(tmp_path, "dev", now)["web"]
    assert (found.needed, found.needed_now, found.at.hour) == (4, 3, 17)
    assert peaks(tmp_path, "dev", now + timedelta(days=9)) == {}
