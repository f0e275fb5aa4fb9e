"""The inventory: groups, the way over SSH, and who is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quartermaster.playbooks.inventory import Inventory, SshFacts, from_groups
from tests.playbooks import fakes

SSH = SshFacts(Path("/keys/id"), Path("/keys/known"))


def inventory(**ssh: object) -> Inventory:
    return from_groups([fakes.group(3)], {"web": "web"}, replace(SSH, **ssh))  # type: ignore[arg-type]


def test_hosts_are_grouped_by_cluster_role_and_zone() -> None:
    groups = inventory().to_ansible()["all"]["children"]
    assert set(groups["cluster_web"]["hosts"]) == set(groups["role_web"]["hosts"]) == {"i-0", "i-1", "i-2"}
    assert set(groups["zone_eu_west_1a"]["hosts"]) == {"i-0"}


def test_a_key_is_kept_under_the_instance_and_a_changed_one_is_refused() -> None:
    command = inventory().ssh_command("i-1")
    assert {"HostKeyAlias=i-1", "StrictHostKeyChecking=accept-new", "UserKnownHostsFile=/keys/known"} <= set(command)
    assert command[-1] == "admin@10.0.0.1"


def test_on_aws_ssh_goes_through_a_session_to_the_instance() -> None:
    command = inventory(session_manager=True, region="eu-west-1").ssh_command("i-1")
    proxy = next(word for word in command if word.startswith("ProxyCommand="))
    assert "aws ssm start-session --target i-1" in proxy and "--region eu-west-1" in proxy
    assert command[-1] == "admin@i-1"


def test_hosts_that_boot_or_end_are_left_out_with_the_reason() -> None:
    found = fakes.group(3)
    first, second, third = found.hosts
    hosts = (replace(first, lifecycle="Pending:Wait"), replace(second, address=""), third)
    result = from_groups([replace(found, hosts=hosts)], {"web": "web"}, SSH)
    assert [target.id for target in result.targets] == [third.id]
    assert "Pending:Wait" in result.left_out[first.id] and "address" in result.left_out[second.id]


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(KeyError, match="i-9"):
        inventory().ssh_command("i-9")
