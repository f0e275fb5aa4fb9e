"""The ledger survives being killed while writing, and a sweep of nothing does nothing."""

from __future__ import annotations

from pathlib import Path

from quartermaster.infra.local.ledger import Entry, Ledger, sweep


def test_what_was_removed_is_no_longer_listed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.add("netns", "qm1-a")
    ledger.add("netns", "qm1-b")
    ledger.remove("netns", "qm1-a")
    assert ledger.entries() == [Entry("netns", "qm1-b")]


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.add("link", "qm1br")
    with (tmp_path / "ledger").open("a") as file:
        file.write('{"kind": "netns", "na')
    assert ledger.entries() == [Entry("link", "qm1br")]


def test_no_file_means_nothing_was_made(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.entries() == []
    ledger.forget()


def test_a_sweep_removes_folders_and_passes_over_what_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    (folder / "upper").mkdir(parents=True)
    entries = [Entry("folder", str(folder)), Entry("netns", "qm0none"), Entry("link", "qm0none")]
    assert sweep(entries) == [f"folder {folder}"]
    assert sweep(entries) == []
