"""Which packages are missing, and what is said where we may not install."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import MissingPart
from quartermaster.infra.setup import machine, packages
from quartermaster.infra.setup.packages import Package

LACKING = (Package("haproxy", "load balancers", "haproxy"), Package("mmdebstrap", "base tree", "mmdebstrap"))


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing", lambda **_: LACKING)
    monkeypatch.setattr(packages, "_run", lambda command: pytest.fail(f"ran {command}"))


def test_without_root_the_exact_command_is_named(lacking: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "is_debian", lambda: True)
    monkeypatch.setattr(machine, "is_root", lambda: False)
    with pytest.raises(MissingPart, match="haproxy, mmdebstrap") as caught:
        packages.ensure()
    assert "sudo apt-get install --no-install-recommends haproxy mmdebstrap`" in caught.value.remedy


def test_off_debian_each_package_is_named_with_its_use(lacking: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "is_debian", lambda: False)
    with pytest.raises(MissingPart) as caught:
        packages.ensure()
    assert "haproxy: load balancers" in caught.value.remedy
    assert "apt-get" not in caught.value.remedy


def test_nothing_missing_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing", lambda **_: ())
    monkeypatch.setattr(packages, "_run", lambda command: pytest.fail(f"ran {command}"))
    packages.ensure()


def test_a_browser_and_a_metrics_server_are_wanted_by_tests_only() -> None:
    plain, tests = ({package.name for package in packages.wanted(browser=asked)} for asked in (False, True))
    assert tests - plain == {"chromium", "fonts-dejavu-core", "libfaketime", "prometheus"}


def test_where_dpkg_is_unknown_programs_decide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packages.shutil, "which", lambda name, path="": "/bin/ssh" if name == "ssh" else None)
    names = {package.name for package in packages.missing()}
    assert "haproxy" in names
    assert "openssh-client" not in names


def test_downloads_wait_only_for_what_they_need() -> None:
    assert not packages.blocking(LACKING)
    assert packages.blocking([Package("ca-certificates", "TLS")])


def test_stale_lists_are_fetched_once_and_then_it_fails_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run(command: list[str]) -> tuple[int, str]:
        ran.append("update" if "update" in command else "simulate" if "--simulate" in command else "install")
        return (100, "404 Not Found") if ran[-1] == "install" else (0, "")

    monkeypatch.setattr(packages, "_run", run)
    with pytest.raises(packages.OpsError) as told:
        packages._install(LACKING, machine.silent)
    assert render(told.value) == (
        "error: apt-get could not install haproxy, mmdebstrap:\n404 Not Found\n"
        "  remedy: run `apt-get install --no-install-recommends haproxy mmdebstrap`\n"
    )
    assert ran == ["simulate", "install", "update", "install"]
