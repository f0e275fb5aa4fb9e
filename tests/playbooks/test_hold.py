"""What a host does with its bundles: the link moves in one step, the one before is kept, older ones go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

MODULE = Path(__file__).parents[2] / "playbooks/roles/base/library/ops_bundle.py"


def hold(home: Path, name: str, *, check: bool = False) -> dict[str, Any]:
    """The module's answer, as Ansible runs it on a host that has the bundle's folder."""
    (home / name).mkdir(exist_ok=True)
    arguments = {"name": name, "home": str(home), "_ansible_check_mode": check, "_ansible_remote_tmp": str(home)}
    # A module is run without its caller's folder on the path.
    command = [sys.executable, "-I", str(MODULE)]
    words = json.dumps({"ANSIBLE_MODULE_ARGS": arguments})
    done = subprocess.run(command, input=words, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def folders(home: Path) -> set[str]:
    return {path.name for path in home.iterdir() if path.is_dir() and not path.is_symlink()}


def test_a_new_bundle_becomes_current_and_the_one_before_is_kept(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        assert hold(tmp_path, name)["changed"]
    assert (tmp_path / "current").readlink() == Path("three")
    assert (tmp_path / "previous").readlink() == Path("two")
    assert folders(tmp_path) == {"two", "three"}


def test_holding_the_same_bundle_again_changes_nothing(tmp_path: Path) -> None:
    hold(tmp_path, "one")
    assert not hold(tmp_path, "one")["changed"]


def test_going_back_to_the_one_before_keeps_both(tmp_path: Path) -> None:
    for name in ("one", "two"):
        hold(tmp_path, name)
    hold(tmp_path, "one")
    assert (tmp_path / "current").readlink() == Path("one")
    assert folders(tmp_path) == {"one", "two"}


def test_a_check_tells_both_bundles_and_changes_nothing(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        hold(tmp_path, name)
    links = {name: (tmp_path / name).readlink() for name in ("current", "previous")}
    answer = hold(tmp_path, "four", check=True)
    assert (answer["changed"], answer["diff"]) == (True, {"before": {"bundle": "three"}, "after": {"bundle": "four"}})
    assert {name: (tmp_path / name).readlink() for name in links} == links
    assert folders(tmp_path) == {"two", "three", "four"}


def test_what_a_dead_download_left_goes_and_one_under_way_stays(tmp_path: Path) -> None:
    for name in (".four.999999999", ".five.1"):
        (tmp_path / name).mkdir()
    hold(tmp_path, "one")
    assert folders(tmp_path) == {"one", ".five.1"}
