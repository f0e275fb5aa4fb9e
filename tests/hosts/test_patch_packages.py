"""What apt says of a host's packages: what an upgrade would drag along, and what could not be taken back.

The real apt, on package lists and a status of its own: nothing is installed.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from quartermaster.playbooks import agent, agent_packages
from quartermaster.playbooks.agent_packages import Trouble, dragged, fetch, simulate, unsaved

pytestmark = pytest.mark.hosts

INSTALLED = {"app": "1.0", "lib": "1.0", "tool": "1.0", "page": "1.0"}
OFFERED = """
Package: app
Version: 2.0
Depends: lib (>= 2.0)

Package: lib
Version: 2.0
Depends: base

Package: lib
Version: 1.0

Package: base
Version: 1.0

Package: tool
Version: 2.0

Package: page
Version: 2.0
Depends: app (>= 2.0)
"""


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """apt over a folder: four packages installed, newer ones in a repository."""
    rest = "Architecture: all\nMaintainer: x\nDescription: x\n"
    repository, lists = tmp_path / "repository", tmp_path / "var/lib/apt/lists/partial"
    for folder in (repository, lists, tmp_path / "var/cache/apt/archives/partial", tmp_path / "etc/apt"):
        folder.mkdir(parents=True)
    offered = "\n\n".join(
        f"{stanza}\n{rest}Filename: ./x.deb\nSize: 1\nSHA256: {hashlib.sha256(b'x').hexdigest()}"
        for stanza in OFFERED.strip().split("\n\n")
    )
    (repository / "x.deb").write_bytes(b"x")
    (repository / "Packages").write_text(offered + "\n")
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: {version}\n{rest}\n"
        for name, version in INSTALLED.items()
    )
    (tmp_path / "status").write_text(status)
    (tmp_path / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
    settings = {
        "Dir": tmp_path,
        "Dir::State::status": tmp_path / "status",
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Bin::dpkg": "/usr/bin/dpkg",
    }
    config = tmp_path / "apt.conf"
    config.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    monkeypatch.setitem(agent_packages.ENVIRONMENT, "APT_CONFIG", str(config))
    subprocess.run(["apt-get", "update"], env=agent_packages.ENVIRONMENT, check=True, capture_output=True)


def test_what_is_pending_is_what_apt_would_upgrade() -> None:
    found = {one["name"]: (one["old"], one["new"]) for one in simulate(["--with-new-pkgs", "upgrade"])}
    upgraded = dict.fromkeys(INSTALLED, ("1.0", "2.0"))
    assert found == {**upgraded, "base": ("", "1.0")}


def test_packages_that_drag_others_along_are_named_with_them() -> None:
    assert dragged({"app": "2.0", "tool": "2.0"}) == {"app": ["lib"]}
    assert dragged({"page": "2.0", "tool": "2.0"}) == {"page": ["app", "lib"]}


def test_pinned_together_or_brought_anew_nothing_is_dragged() -> None:
    assert dragged({"app": "2.0", "lib": "2.0"}) == {}
    assert dragged({"lib": "2.0"}) == {}


def test_what_it_says_as_it_fetches_is_what_it_would_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """apt's own words, whole, with a dependency that comes anew."""
    monkeypatch.setattr(agent_packages, "simulate", lambda words: pytest.fail("it was not understood"))
    assert fetch({"app": "2.0", "lib": "2.0"}) == [
        {"name": "base", "old": "", "new": "1.0"},
        {"name": "app", "old": "1.0", "new": "2.0"},
        {"name": "lib", "old": "1.0", "new": "2.0"},
    ]


def test_what_cannot_be_fetched_is_found_out_before_the_upgrade(tmp_path: Path) -> None:
    (tmp_path / "repository" / "x.deb").unlink()
    with pytest.raises(Trouble, match="Failed to fetch"):
        fetch({"app": "2.0", "lib": "2.0"})


def test_an_upgrade_beyond_the_pins_is_refused() -> None:
    with pytest.raises(Trouble, match="would also upgrade lib, which the plan does not hold"):
        fetch({"app": "2.0", "tool": "2.0"})


def test_a_version_that_no_repository_has_could_not_be_taken_back() -> None:
    changes = [{"name": name, "old": "1.0"} for name in INSTALLED]
    assert unsaved(changes) == ["app", "tool", "page"]


def test_the_order_answers_by_pin() -> None:
    assert agent.ORDERS["drags"](pins={"app": "2.0"}) == {"drags": {"app": ["lib"]}}
