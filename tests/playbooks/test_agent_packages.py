"""What the agent says of a package command that failed."""

from __future__ import annotations

import pytest

from quartermaster.playbooks.agent_packages import LIMITS, Trouble, complaint, execute, must

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
