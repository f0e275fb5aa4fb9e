"""Rows of drift from results as Ansible's modules give them; words of ssh and sudo as the programs print them."""

from __future__ import annotations

from typing import Any

import pytest

from quartermaster.playbooks.host_drift import HostDrift, drift_of
from quartermaster.playbooks.reach import in_words, reason


def drift(action: str, **result: Any) -> list[tuple[str, str, str, str]]:
    rows = drift_of("task", f"ansible.builtin.{action}", {"changed": True, **result})
    return [(row.kind, row.name, row.found, row.expected) for row in rows]


def test_packages_are_told_with_the_versions_found_and_expected() -> None:
    said = (
        "The following NEW packages will be installed:\n  sl\n"
        "Inst sl (5.02-1+b1 Debian:12.15/oldstable [amd64])\n"
        "Inst nginx [1.22.1-9] (1.22.1-9+deb12u1 Debian-Security:12/stable [amd64]) []\n"
        "Remv telnet [0.17-44]\n"
        "Conf sl (5.02-1+b1 Debian:12.15/oldstable [amd64])\n"
    )
    assert drift("package", stdout=said) == [
        ("package", "sl", "absent", "5.02-1+b1"),
        ("package", "nginx", "1.22.1-9", "1.22.1-9+deb12u1"),
        ("package", "telnet", "0.17-44", "absent"),
    ]


def test_packages_of_dnf_are_told_by_name() -> None:
    found = drift("package", results=["Installed: nginx-1:1.20.1-14.el9.x86_64", "Removed: telnet-0.17"])
    assert found == [
        ("package", "nginx-1:1.20.1-14.el9.x86_64", "absent", "present"),
        ("package", "telnet-0.17", "present", "absent"),
    ]


def test_a_mode_is_told_as_it_is_and_as_it_should_be() -> None:
    sides = {"before": {"path": "/a", "mode": "0644"}, "after": {"path": "/a", "mode": "0600"}}
    assert drift("file", path="/a", diff=sides) == [("file", "/a", "mode 0644", "mode 0600")]


def test_lines_are_told_that_are_too_many_and_that_lack() -> None:
    def sides(before: str, after: str) -> tuple[str, str]:
        ((_, _, found, expected),) = drift("copy", dest="/a", diff=[{"before": before, "after": after}])
        return found, expected

    assert sides("a\nb\nc\n", "a\n") == ("2 lines of its own", "without")
    assert sides("a\n", "a\nb\n") == ("without", "1 line that it lacks")
    assert sides("a\n", "b\n") == ("1 line of its own", "1 line that it lacks")
    assert sides("", "a\nb\n") == ("absent or empty", "2 lines")


def test_each_row_of_a_loop_that_changed_is_told() -> None:
    rows = [
        {"ansible_loop_var": "item", "changed": True, "invocation": {"dest": "/new"}, "diff": []},
        {"ansible_loop_var": "item", "changed": False, "invocation": {"dest": "/same"}},
    ]
    assert drift("template", results=rows) == [("file", "/new", "differs", "as the role says")]


def test_a_service_tells_how_it_was_found_where_systemd_knows() -> None:
    words = {"invocation": {"module_args": {"name": "nginx", "state": "started", "enabled": True}}}
    status = {"ActiveState": "inactive", "UnitFileState": "enabled"}
    assert drift("service", name="nginx", status=status, **words) == [
        ("service", "nginx", "inactive and enabled", "started and enabled")
    ]
    assert drift("service", **words) == [("service", "nginx", "not started or not enabled", "started and enabled")]


def test_a_task_of_another_kind_is_told_by_its_name() -> None:
    (row,) = drift_of("Turn the knob", "ansible.builtin.command", {"changed": True})
    assert row == HostDrift("task", "Turn the knob", "differs", "as the role says", task="Turn the knob")


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("ssh: connect to host 10.0.0.1 port 22: Connection refused", "refused"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", "timeout"),
        ("ssh: connect to host 10.0.0.1 port 22: No route to host", "no_route"),
        ("admin@10.0.0.1: Permission denied (publickey).", "auth"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "host_key_changed"),
        ("No ED25519 host key is known for i-1 and you have requested strict checking.", "host_key_unknown"),
        ("sudo: a password is required", "sudo"),
        ("Connection closed by 10.0.0.1 port 22", "lost"),
        ("An error occurred (TargetNotConnected) when calling the StartSession operation", "session"),
        ("Configuration of nginx is wrong", "failed"),
    ],
)
def test_why_a_host_was_not_reached_is_told_in_one_word(said: str, word: str) -> None:
    assert reason(said) == word


def test_what_ssh_says_of_a_changed_key_is_told_in_a_line() -> None:
    banner = "@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@\nHost key verification failed."
    assert in_words(banner) == "it answers with another SSH host key than it said at launch"
    assert in_words("Connection\n refused") == "Connection refused"
