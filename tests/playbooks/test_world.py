"""The cloud's group as a patch cycle sees it: few calls, none of them stale where it matters."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.hosts import Group
from quartermaster.playbooks import world
from quartermaster.playbooks.world import CloudWorld
from tests.playbooks import fakes


class Cloud:
    """Counts readings; its group is as acts left it."""

    def __init__(self) -> None:
        self.now = fakes.group(3)
        self.readings = 0
        self.calls: list[list[str]] = []
        self.refused: set[str] = set()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def group(self, _cluster: str) -> Group:
        self.readings += 1
        return self.now

    def enter_standby(self, _group: Group, host_ids: Sequence[str]) -> None:
        self.calls.append(list(host_ids))
        if len(self.calls) == 1:
            assert self.goes_on.wait(60)
        if set(host_ids) & self.refused:
            raise OpsError(f"{', '.join(host_ids)}: not in service")
        hosts = tuple(replace(h, lifecycle="Standby") if h.id in host_ids else h for h in self.now.hosts)
        self.now = replace(self.now, hosts=hosts, desired=self.now.desired - len(host_ids))

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


def moved_at_once(cloud: Cloud, *hosts: str) -> list[Future[None]]:
    """Let the first host enter standby, and the others come while its call is under way."""
    cloud.goes_on.clear()
    of = made(cloud)
    with ThreadPoolExecutor(len(hosts)) as pool:
        moved = [pool.submit(of.enter_standby, hosts[0])]
        while not cloud.calls:
            time.sleep(0.001)
        moved += [pool.submit(of.enter_standby, host) for host in hosts[1:]]
        while of._entering.qsize() < len(hosts) - 1:
            time.sleep(0.001)
        cloud.goes_on.set()
    return moved


def test_hosts_that_wait_for_a_call_share_the_next(cloud: Cloud) -> None:
    for moved in moved_at_once(cloud, "i-0", "i-1", "i-2"):
        moved.result()
    assert [sorted(call) for call in cloud.calls] == [["i-0"], ["i-1", "i-2"]]


def test_a_host_that_cannot_be_moved_keeps_no_other_from_it(cloud: Cloud) -> None:
    cloud.refused = {"i-1"}
    first, refused, other = moved_at_once(cloud, "i-0", "i-1", "i-2")
    first.result()
    other.result()
    with pytest.raises(OpsError, match=r"^i-1: not in service$"):
        refused.result()
    assert {host.id for host in cloud.now.hosts if host.lifecycle == "Standby"} == {"i-0", "i-2"}
