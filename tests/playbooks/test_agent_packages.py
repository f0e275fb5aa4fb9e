"""What the agent says of a package command that failed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from quartermaster.playbooks import agent_packages
from quartermaster.playbooks.agent_packages import (
    LIMITS,
    Trouble,
    announced,
    complaint,
    execute,
    fetch,
    keep,
    must,
    unasked,
)

UNPACKING = """Unpacking page (2.0) over (1.0) ...
dpkg: error processing archive /var/cache/apt/archives/page_2.0_all.deb (--unpack):
 cannot copy extracted data for './srv/page' to '/srv/page.dpkg-new': failed to write (No space left on device)
dpkg-deb: error: paste subprocess was killed by signal (Broken pipe)
Errors were encountered while processing:
 /var/cache/apt/archives/page_2.0_all.deb
E: Sub-process /usr/bin/dpkg returned an error code (1)
"""


def test_a_complaint_begins_at_the_first_error_and_holds_its_cause() -> None:
    said = complaint(UNPACKING)
    assert said.startswith("dpkg: error processing archive") and "No space left on device" in said


def test_without_an_error_the_last_lines_are_told() -> None:
    assert complaint("one\ntwo\nthree\nfour\nfive\n") == "two three four five"


def test_a_command_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "transaction", 0.2)
    assert execute(["sleep", "30"]).returncode == 124


def test_a_command_that_fails_is_named_with_its_complaint() -> None:
    with pytest.raises(Trouble, match=r"^sh .*: E: no such thing$"):
        must(["sh", "-c", "echo fine; echo 'E: no such thing' >&2; exit 3"])


class Repository:
    """Answers ``apt-get download`` for what it has, all or nothing, and counts how often it is asked."""

    def __init__(self, *has: str) -> None:
        self.has = has
        self.asked: list[list[str]] = []

    def __call__(self, command: list[str], cwd: str = "/", **_: Any) -> subprocess.CompletedProcess[str]:
        wanted = command[command.index("download") + 1 :]
        self.asked.append(wanted)
        if not set(wanted) <= set(self.has):
            return subprocess.CompletedProcess(command, 100, "", "E: Version not found")
        for one in wanted:
            (Path(cwd) / f"{one.replace('=', '_')}_all.deb").touch()
        return subprocess.CompletedProcess(command, 0, "", "")


CHANGES: list[dict[str, Any]] = [{"name": name, "old": "1.0", "new": "2.0"} for name in ("page", "shop", "tls")]


@pytest.mark.parametrize(
    ("has", "cached", "missing", "asked"),
    [
        (("page=1.0", "shop=1.0", "tls=1.0"), (), [], 1),
        (("page=1.0", "tls=1.0"), (), ["shop"], 4),
        (("page=1.0", "tls=1.0"), ("shop",), [], 1),
        ((), ("page", "shop", "tls"), [], 0),
    ],
)
def test_the_present_packages_are_kept_from_cache_and_repository(
    has: tuple[str, ...], cached: tuple[str, ...], missing: list[str], asked: int,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cache, folder = tmp_path / "cache", tmp_path / "debs"
    cache.mkdir()
    folder.mkdir()
    for name in cached:
        (cache / f"{name}_1.0_all.deb").touch()
    repository = Repository(*has)
    monkeypatch.setattr(agent_packages, "execute", repository)
    monkeypatch.setattr(
        agent_packages, "_cached", lambda change: [str(path) for path in cache.glob(f"{change['name']}_*.deb")]
    )
    assert keep(str(folder), CHANGES) == missing
    assert len(repository.asked) == asked
    kept = {path.name.partition("_")[0] for path in folder.iterdir()}
    assert kept == {change["name"] for change in CHANGES} - set(missing)


ANNOUNCED = """Reading package lists...
The following additional packages will be installed:
   libtls (2.0)
The following NEW packages will be installed:
   libtls (2.0)
The following packages will be upgraded:
   page (1:1.0 => 1:2.0)
   shop:i386 (1.0 => 2.0)
2 upgraded, 1 newly installed, 0 to remove and 4 not upgraded.
Need to get 612 B of archives.
"""


def test_what_apt_changes_is_read_from_what_it_says() -> None:
    assert announced(ANNOUNCED) == [
        {"name": "libtls", "old": "", "new": "2.0"},
        {"name": "page", "old": "1:1.0", "new": "1:2.0"},
        {"name": "shop:i386", "old": "1.0", "new": "2.0"},
    ]
    assert announced("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n") == []


@pytest.mark.parametrize("said", [ANNOUNCED.replace(" => ", " to "), "Download complete and in download only mode\n"])
def test_what_is_not_said_as_expected_is_asked_again(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read wrongly, a package would not be kept, and its upgrade could not be taken back."""
    commands: list[list[str]] = []

    def must(command: list[str]) -> str:
        commands.append(command)
        return "Inst page [1.0] (2.0 local [all])\n" if "--simulate" in command else said

    monkeypatch.setattr(agent_packages, "must", must)
    found = fetch({"page": "2.0"})
    assert [(one["name"], one["old"], one["new"]) for one in found] == [("page", "1.0", "2.0")]
    assert [[word for word in command if word.startswith(("--print", "--sim", "--down"))] for command in commands] == [
        ["--download-only"],
        ["--simulate"],
    ]


def test_what_the_plan_does_not_hold_is_not_upgraded_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_packages, "must", lambda command: ANNOUNCED)
    with pytest.raises(Trouble, match="would also upgrade shop:i386, which"):
        fetch({"page": "1:2.0"})


@pytest.mark.parametrize(
    ("hooks", "cleared"),
    [
        (["/usr/sbin/dpkg-preconfigure --apt || true"], True),
        (["/usr/sbin/dpkg-preconfigure --apt || true", "/usr/bin/apt-listchanges --apt || true"], False),
        ([], False),
    ],
)
def test_debconf_is_not_to_ask_ahead_unless_another_hook_would_be_forgotten_with_it(
    hooks: list[str], cleared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "".join(f"{hook}\n" for hook in ["", *hooks])
    monkeypatch.setattr(agent_packages, "execute", lambda command: subprocess.CompletedProcess(command, 0, said, ""))
    unasked(str(tmp_path / "apt.conf"))
    assert (tmp_path / "apt.conf").exists() is cleared
