"""The inventory: groups, the way over SSH, and who is left out."""

from __future__ import annotations

import shlex
import subprocess
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


def test_keys_are_kept_by_instance_and_none_but_those_is_taken() -> None:
    command = inventory().ssh_command("i-1")
    assert {"HostKeyAlias=i-1", "StrictHostKeyChecking=yes", 'UserKnownHostsFile="/keys/known/i-1"'} <= set(command)
    assert command[-1] == "admin@10.0.0.1"


def test_only_to_hosts_on_this_machine_the_cheaper_exchange_of_keys_comes_first() -> None:
    def exchanges(command: list[str]) -> list[str]:
        told = subprocess.run(
            [command[0], "-G", "-F", "none", *command[1:]], capture_output=True, text=True, check=True
        )
        return (
            next(line for line in told.stdout.splitlines() if line.startswith("kexalgorithms "))
            .split(" ")[1]
            .split(",")
        )

    usual = exchanges(["ssh", "host"])
    local, remote = (exchanges(found.ssh_command("i-1")) for found in (inventory(), inventory(session_manager=True)))
    assert local[0] == "curve25519-sha256" and set(local) == set(usual)
    assert remote == usual


def test_on_aws_ssh_goes_through_a_session_to_the_instance() -> None:
    command = inventory(session_manager=True, region="eu-west-1").ssh_command("i-1")
    proxy = next(word for word in command if word.startswith("ProxyCommand="))
    assert "aws ssm start-session --target i-1" in proxy and "--region eu-west-1" in proxy
    assert command[-1] == "admin@i-1"


def test_openssh_starts_the_session_and_opens_no_connection_of_its_own(tmp_path: Path) -> None:
    """What ssh itself makes of the options, and what Ansible hands on: the AWS CLI with these words, nothing else."""
    told = tmp_path / "told"
    aws = tmp_path / "aws"
    aws.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\n')
    aws.chmod(0o755)
    found = inventory(session_manager=True, region="eu-west-1", known_hosts=tmp_path / "keys")
    host = found.to_ansible()["all"]["hosts"]["i-1"]
    of_ansible = ["ssh", *shlex.split(host["ansible_ssh_common_args"]), f"admin@{host['ansible_host']}"]
    wanted = [
        "ssm", "start-session", "--target", "i-1", "--document-name", "AWS-StartSSHSession",
        "--parameters", "portNumber=22", "--region", "eu-west-1",
    ]  # fmt: skip
    for command in (found.ssh_command("i-1"), of_ansible):
        done = subprocess.run(
            command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 255, "the session ended at once"
        assert told.read_text().splitlines() == wanted
        told.unlink()


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
