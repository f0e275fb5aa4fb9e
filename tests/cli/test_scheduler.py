"""``ops scheduler`` as processes: it leads, works and stops; another takes over; its units are sound."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from quartermaster.cli.main import run
from quartermaster.cli.systemd import service, timers_of
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import read_text

TEXT = """
fleet: shop
timezone: {zone}
clusters: {{web: {{}}}}
metrics: {{demand: {{}}}}
patching: {{web: {{window: "Sat,Sun 22:30-02:00; Wed 01:00-03:00"}}}}
"""


def zone_at(hour: int) -> str:
    """A time zone in which it is that hour now."""
    ahead = (hour - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}"


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts ``ops scheduler run`` beside a fleet.yaml in which it is four in the morning."""
    (tmp_path / "fleet.yaml").write_text(TEXT.format(zone=zone_at(4)), encoding="utf-8")
    begun: list[subprocess.Popen[str]] = []

    def one() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "quartermaster.cli", "scheduler", "run"]
        begun.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return begun[-1]

    yield one
    for process in begun:
        process.kill()
        process.communicate()


def heard(process: subprocess.Popen[str], words: str) -> str:
    """The line in which the scheduler says so."""
    assert process.stderr is not None
    return next(line for line in process.stderr if words in line)


@pytest.mark.slow
def test_it_does_what_is_due_and_stops_when_asked(begin: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(TEXT.format(zone=zone_at(20)), encoding="utf-8")
    process = begin()
    heard(process, "leads the schedule of dev")
    heard(process, "began report")
    journal = Journal.open(tmp_path / ".ops" / "ops.db")
    until = time.monotonic() + 240
    while not (tmp_path / ".ops" / "reports" / "report.html").exists() and time.monotonic() < until:
        time.sleep(0.2)
    assert Leases(journal.engine).held()[0].scope == "scheduler of dev"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    row = next(row for row in journal.runs("job") if row.subject == "report")
    assert row.state in ("done", "stopped")  # it may have been at its last line
    assert Leases(journal.engine).held() == []
    journal.engine.dispose()


@pytest.mark.soak
def test_who_stands_by_takes_over_when_the_leader_is_killed(begin: Callable[[], subprocess.Popen[str]]) -> None:
    first = begin()
    heard(first, "leads the schedule of dev")
    second = begin()
    assert "holds scheduler of dev" in heard(second, "standby")
    first.kill()
    heard(second, "leads the schedule of dev")
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=240)
    assert second.returncode == 0


def units(tmp_path: Path) -> dict[str, str]:
    fleet = read_text(TEXT.format(zone="Europe/Dublin").replace("demand: {}", "demand: {web: {}}")).fleet
    file = tmp_path / "a fleet's 50% file" / "fleet.yaml"
    return {**service("shop", "dev", file), **timers_of(fleet, "dev", file)}


def test_timers_say_when_windows_open_in_the_fleet_s_time(tmp_path: Path) -> None:
    found = units(tmp_path)
    assert (
        "OnCalendar=Sat,Sun *-*-* 22:30:00 Europe/Dublin\nOnCalendar=Wed *-*-* 01:00:00 Europe/Dublin"
        in found["quartermaster-shop-dev-patch-web.timer"]
    )
    assert {name.rpartition("-")[2] for name in found if name.endswith(".timer")} == {
        "web.timer", "sync.timer", "drift.timer", "report.timer"
    }  # fmt: skip
    assert all("50%%" in text for name, text in found.items() if name.endswith(".service"))


@pytest.mark.slow
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """By systemd's own verifier where it is installed, else by a reader of the same form."""
    found = units(tmp_path)
    for name, text in found.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    verifier = shutil.which("systemd-analyze")
    if verifier is not None:
        command = [verifier, "verify", "--man=no", *(str(tmp_path / name) for name in found)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        ours = [line for line in done.stderr.splitlines() if "quartermaster-" in line]
        assert not ours, done.stderr
    import configparser

    for text in found.values():
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read_string(text)
        assert "Unit" in parser and ({"Service", "Timer"} & set(parser))


def test_install_prints_and_installs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text(TEXT.format(zone="UTC"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(["scheduler", "install"]) == 2
    assert "--print" in capsys.readouterr().err
    assert run(["scheduler", "install", "--print"]) == 0
    assert "ExecStart=" in capsys.readouterr().out
    assert run(["scheduler", "install", "--print", "--timers"]) == 0
    assert "quartermaster-shop-dev-patch-web.timer" in capsys.readouterr().out
