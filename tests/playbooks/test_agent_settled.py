"""What a role left on a host shows; what it does not touch does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from quartermaster.playbooks import agent_settled as settled
from quartermaster.playbooks.remote import _agent


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "etc"
    (folder / "nginx").mkdir(parents=True)
    (folder / "nginx" / "nginx.conf").write_text("worker_processes 2;\n")
    monkeypatch.setattr(settled, "_ETC", str(folder))
    monkeypatch.setattr(settled, "_DERIVED", (str(folder / "ld.so.cache"),))
    return folder


def packages(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    done = subprocess.CompletedProcess([], 0, said, "")
    monkeypatch.setattr(settled.subprocess, "run", lambda *_, **__: done)


def test_nothing_moved_when_nothing_did(etc: Path) -> None:
    before = settled.held(())
    (etc / "ld.so.cache").write_text("made anew")
    assert settled.moved(before) == ""


def test_a_setting_that_was_rewritten_is_named(etc: Path) -> None:
    before, file = settled.held(()), etc / "nginx" / "nginx.conf"
    file.write_text("worker_processes 1;\n")
    assert settled.moved(before) == str(file)


def test_settings_that_came_or_went_are_named(etc: Path) -> None:
    before, fresh = settled.held(()), etc / "cron.d"
    fresh.mkdir()
    assert settled.moved(before) == str(fresh)
    fresh.rmdir()
    (etc / "nginx" / "nginx.conf").unlink()
    assert settled.moved(before) == str(etc / "nginx" / "nginx.conf")


def test_the_mode_of_a_packaged_file_that_a_role_chose_is_held(
    etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text("v1")
    program.chmod(0o700)
    packages(monkeypatch, f"/.\n{program}\n")
    before = settled.held(["shop"])
    program.write_text("v2")
    assert settled.moved(before) == "", "another content is what an upgrade is for"
    program.chmod(0o755)
    assert settled.moved(before) == str(program)


@pytest.fixture
def run(etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that noted what it found, on a host that holds a bundle."""
    packages(monkeypatch, "")
    for name in ("bundles/b1", "bundles/b0", "run"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bundles" / "current").symlink_to("b1")
    (tmp_path / "bundles" / "previous").symlink_to("b0")
    settled.note(str(tmp_path / "run"), [{"name": "shop", "old": "1.0"}])
    return tmp_path / "run"


def why(run: Path) -> str:
    return settled.unsettled(str(run), str(run.parent / "bundles" / "current"))


def test_a_host_on_which_nothing_moved_need_not_converge(run: Path) -> None:
    assert why(run) == ""


def test_a_host_converges_when_a_setting_moved(run: Path, etc: Path) -> None:
    (etc / "nginx" / "nginx.conf").write_text("worker_processes 1;\n")
    assert why(run) == f"{etc / 'nginx' / 'nginx.conf'} is not as it was"


def test_a_host_converges_when_a_bundle_was_applied_in_part(run: Path) -> None:
    (run.parent / "bundles" / "b2").mkdir()
    assert why(run) == "another bundle was applied in part"


@pytest.mark.parametrize("left", ["rollback.log", "reboot.json"])
def test_a_host_converges_after_a_rollback_or_a_reboot(run: Path, left: str) -> None:
    (run / left).touch()
    assert why(run) == "it was rolled back or rebooted"


def test_a_host_converges_when_a_packaged_file_had_been_written_over(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages(monkeypatch, "??5??????   /srv/www/page/index.html\n")
    settled.note(str(run), [{"name": "shop", "old": "1.0"}])
    assert why(run) == "/srv/www/page/index.html of a package was not as packaged"


def test_a_host_converges_when_nothing_was_noted(run: Path) -> None:
    (run / "held.json").unlink()
    assert why(run) == "nothing was noted before the upgrade"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("??5?????? c /etc/nginx/nginx.conf\n", ""),
        ("missing     /usr/share/doc/shop/changelog.gz\n", ""),
        ("??5??????   /srv/www/page/index.html\n", "/srv/www/page/index.html"),
        ("missing     /usr/lib/shop/banner\n", "/usr/lib/shop/banner"),
    ],
)
def test_a_packaged_file_that_somebody_wrote_over_is_found(
    said: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "_ETC", "/etc")
    packages(monkeypatch, said)
    assert settled.rewritten(["shop"]) == found


def test_the_agent_goes_over_in_one_text_with_what_it_imports() -> None:
    done = subprocess.run(
        ["python3", "-I", "-c", f"import sys; exec(sys.stdin.buffer.read({len(_agent())}))"],
        input=_agent() + b'{"order": "facts"}\n',
        capture_output=True,
        check=True,
        cwd="/",
    )
    assert b"boot_id" in done.stdout
