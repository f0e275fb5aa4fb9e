"""The cloud's group as a patch cycle sees it: few calls, none of them stale where it matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from quartermaster.fleet.hosts import Group
from quartermaster.playbooks import world
from quartermaster.playbooks.world import CloudWorld
from tests.playbooks import fakes


class Cloud:
    """Counts readings; its group is as acts left it."""

    def __init__(self) -> None:
        self.now = fakes.group(3)
        self.readings = 0

    def group(self, _cluster: str) -> Group:
        self.readings += 1
        return self.now

    def enter_standby(self, _group: Group, host_ids: Sequence[str]) -> None:
        hosts = tuple(replace(h, lifecycle="Standby") if h.id in host_ids else h for h in self.now.hosts)
        self.now = replace(self.now, hosts=hosts, desired=self.now.desired - 1)

    def set_desired(self, group: Group, desired: int) -> None:
        self.now = replace(self.now, desired=desired)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr(world, "_FRESH_SECONDS", 60.0)
    return Cloud()


def made(cloud: Any) -> CloudWorld:
    return CloudWorld(cloud, "web")


def test_threads_share_a_reading(cloud: Cloud) -> None:
    of = made(cloud)
    assert of.group() is of.group()
    assert cloud.readings == 1


def test_hosts_move_without_a_reading_each_and_are_seen_as_they_moved(cloud: Cloud) -> None:
    of = made(cloud)
    of.group()
    for host in cloud.now.hosts[:2]:
        of.enter_standby(host.id)
    assert cloud.readings == 1
    assert [host.lifecycle for host in of.group().hosts] == ["Standby", "Standby", "InService"]
    assert cloud.readings == 2


def test_a_size_is_reckoned_from_the_group_as_it_is(cloud: Cloud) -> None:
    of = made(cloud)
    of.group()
    of.enter_standby(cloud.now.hosts[0].id)
    of.hold(2)
    assert cloud.now.desired == 1
