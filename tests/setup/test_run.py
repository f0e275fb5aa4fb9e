"""Set-up as a whole: order, failures, and that it needs no dependency."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quartermaster.infra.setup import run, venv
from quartermaster.infra.setup.parts import PARTS, Part, Wish


def part(name: str, *, ready: bool = False, waits: bool = False, skip: str = "") -> Part:
    return Part(name, lambda _: ready, lambda *_: None, lambda _: waits, lambda _: skip)


def brought(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, parts: list[Part]) -> dict[str, str]:
    """What failed, where each part is brought by a shell script that knows its name as $1."""
    start = subprocess.Popen

    def popen(command: list[str], **options: object) -> object:
        return start(["sh", "-c", script, "sh", command[command.index("--part") + 1]], cwd=tmp_path, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(run.subprocess, "Popen", popen)
    return run._bring(parts, Wish(tmp_path))


def test_a_part_that_is_there_costs_no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert brought(monkeypatch, tmp_path, "exit 1", [part("venv", ready=True)]) == {}


def test_what_needs_packages_begins_after_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parts = [part("packages"), part("base tree", waits=True), part("engine")]
    assert brought(monkeypatch, tmp_path, 'echo "$1" >> began; [ "$1" != packages ] || sleep 0.3', parts) == {}
    began = (tmp_path / "began").read_text().split("\n")
    assert began.index("base tree") == 2


def test_a_failure_keeps_its_reason_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = 'touch "$1"; [ "$1" = venv ] || { echo "no mirror" >&2; exit 1; }'
    parts = [part("packages"), part("venv"), part("base tree", waits=True)]
    failed = brought(monkeypatch, tmp_path, script, parts)
    assert failed == {"packages": "no mirror", "base tree": "not tried, it needs the system packages"}
    assert (tmp_path / "venv").exists()


def test_a_part_this_machine_cannot_have_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert brought(monkeypatch, tmp_path, "exit 1", [part("base tree", skip="root is needed")]) == {}
    assert "base tree left out: root is needed" in capsys.readouterr().err


def test_progress_is_shown_and_a_series_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brought(monkeypatch, tmp_path, "for n in 1 2 3; do echo compiled $n; sleep 0.05; done; sleep 0.2", [part("engine")])
    said = capsys.readouterr().err
    assert said.count("compiled") == 1
    assert "done" in said


def test_an_installed_package_brings_no_environment(tmp_path: Path) -> None:
    environment = next(part for part in PARTS if part.name == "venv")
    assert not environment.ready(Wish(tmp_path))
    assert "installed as a package" in environment.skip(Wish(tmp_path))
    assert environment.skip(Wish(venv.project())) == ""


def test_setup_imports_nothing_but_the_standard_library() -> None:
    home = venv.project()
    code = "import quartermaster.infra.setup.run, quartermaster.infra.setup.doctor"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(home / '.venv/types')!r}); {code}"]
    subprocess.run(command, check=True)


def test_an_unknown_part_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run.main(["--only", "kitchen"])
    assert caught.value.code == 2
    assert "base tree" in capsys.readouterr().err
