"""Installing without starting services leaves the machine's own policy as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from quartermaster.infra.setup.quiet_services import quiet_services, restore, stale

THEIRS = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def system(tmp_path: Path) -> Path:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    return tmp_path


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else "" for path in folder.rglob("*")}


def test_services_are_denied_while_it_is_open(system: Path) -> None:
    with quiet_services(system):
        assert subprocess.run([system / "usr/sbin/policy-rc.d", "haproxy", "start"], check=False).returncode == 101
        drop_in = system / "etc/postgresql-common/createcluster.d/quartermaster.conf"
        assert "create_main_cluster = false" in drop_in.read_text()


def test_nothing_is_left_afterwards(system: Path) -> None:
    before = tree(system)
    with quiet_services(system):
        assert tree(system) != before
    assert tree(system) == before


def test_a_policy_of_someone_else_comes_back_after_a_failure(system: Path) -> None:
    policy = system / "usr/sbin/policy-rc.d"
    policy.write_text(THEIRS)
    policy.chmod(0o755)
    with pytest.raises(RuntimeError), quiet_services(system):
        raise RuntimeError
    assert policy.read_text() == THEIRS
    assert policy.stat().st_mode & 0o777 == 0o755


def test_what_a_killed_run_left_is_seen_and_put_back(system: Path) -> None:
    policy = system / "usr/sbin/policy-rc.d"
    policy.write_text(THEIRS)
    killed = quiet_services(system)
    killed.__enter__()
    assert policy in stale(system)
    restore(system)
    assert policy.read_text() == THEIRS
    assert stale(system) == []


def test_the_next_run_starts_from_what_was_there_before_the_kill(system: Path) -> None:
    (system / "usr/sbin/policy-rc.d").write_text(THEIRS)
    quiet_services(system).__enter__()
    with quiet_services(system):
        pass
    assert (system / "usr/sbin/policy-rc.d").read_text() == THEIRS


def test_files_of_others_are_not_called_stale(system: Path) -> None:
    (system / "usr/sbin/policy-rc.d").write_text(THEIRS)
    restore(system)
    assert (system / "usr/sbin/policy-rc.d").read_text() == THEIRS
