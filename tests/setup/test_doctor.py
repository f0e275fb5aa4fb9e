"""What the doctor says of a machine."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from quartermaster.infra.setup import doctor


def test_every_part_has_a_state_and_what_is_not_found_a_remedy() -> None:
    begun = _used()
    found = doctor.checks()
    assert _used() - begun < 5  # CPU seconds: it takes one
    assert {"python", "pulumi engine", "base tree", "haproxy", "postgresql", "root"} <= {check.part for check in found}
    assert [check.part for check in found if (check.state == "found") == bool(check.remedy)] == []


def _used() -> float:
    """CPU seconds of this process and those that it waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


@pytest.mark.parametrize(
    ("user", "capabilities", "state"),
    [(0, "000001ffffffffff", "found"), (0, "00000000a80425fb", "unsuitable"), (1000, "0000000000000000", "missing")],
)
def test_root_counts_only_with_the_right_to_mount(tmp_path: Path, user: int, capabilities: str, state: str) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tops\nCapEff:\t{capabilities}\n")
    assert doctor.root(user, status).state == state


def test_a_kernel_without_overlayfs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "filesystems"
    listed.write_text("nodev\ttmpfs\n\text4\n")
    monkeypatch.setattr(doctor.os, "uname", lambda: type("Uname", (), {"release": "0.0-none"}))
    assert doctor.overlay(listed).state == "missing"
    listed.write_text("nodev\toverlay\n")
    assert doctor.overlay(listed).state == "found"


def test_missing_namespaces_are_named(tmp_path: Path) -> None:
    (tmp_path / "net").symlink_to("net:[1]")
    assert "mnt, pid, uts, ipc" in doctor.namespaces(tmp_path).detail


def test_a_full_disk_is_unsuitable() -> None:
    assert doctor.disk(2**30).state == "unsuitable"
    assert doctor.disk(2**40).state == "found"
