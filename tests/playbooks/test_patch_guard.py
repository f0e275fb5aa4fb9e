"""What forbids a wave, as the world is when it would start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quartermaster.playbooks.patch_guard import crowded
from quartermaster.playbooks.patch_plan import Wave
from tests.playbooks import fakes

GROUP = fakes.group(6)
WAVE = Wave(2, "eu-west-1a", ("i-0",), canary=False, left=5, needed=5, left_after_loss=3, needed_after_loss=3)


def short(gone: int) -> str:
    """The wave's verdict with that many hosts not serving."""
    hosts = [replace(host, health="unhealthy") if n < gone else host for n, host in enumerate(GROUP.hosts)]
    return crowded(WAVE, replace(GROUP, hosts=tuple(hosts)), 1)


def test_a_wave_as_planned_may_start() -> None:
    assert crowded(WAVE, GROUP, 1) == ""


def test_too_few_that_would_serve_forbid_it() -> None:
    assert short(1) == "wave 2 would leave 4 of 5 serving hosts, 5 are needed"


def test_too_few_that_a_lost_zone_would_leave_forbid_it() -> None:
    wave = replace(WAVE, needed=4)
    hosts = (replace(GROUP.hosts[0], health="unhealthy"), *GROUP.hosts[1:])
    assert "would leave 2 hosts when a zone is lost, 3 are needed" in crowded(wave, replace(GROUP, hosts=hosts), 1)


@pytest.mark.parametrize("needed", [None, 0])
def test_the_last_serving_host_never_leaves_whatever_is_known(needed: int | None) -> None:
    wave = replace(WAVE, needed=needed, left_after_loss=None, needed_after_loss=None)
    assert crowded(wave, replace(GROUP, hosts=GROUP.hosts[:1]), 1)
    assert crowded(wave, replace(GROUP, hosts=GROUP.hosts[:2]), 1) == ""


def test_hosts_that_left_already_ask_for_no_room() -> None:
    assert crowded(WAVE, replace(GROUP, hosts=GROUP.hosts[:1]), 0) == ""
