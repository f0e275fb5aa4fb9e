"""Host keys: read once from what the host said at launch, kept, and believed by OpenSSH itself."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.names import host_key_name
from quartermaster.playbooks.host_keys import known_hosts_lines, learn
from quartermaster.playbooks.inventory import Inventory, SshFacts, from_groups
from tests.playbooks import fakes


class FakeS3:
    class exceptions:  # noqa: N801 - as boto3 spells it
        ClientError = ClientError

    def __init__(self, said: dict[str, str], *, code: str = "NoSuchKey") -> None:
        self.objects = {host_key_name("eu-west-1", "123456789012", host): text for host, text in said.items()}
        self.code = code
        self.reads: list[str] = []

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        self.reads.append(Key)
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": self.code}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key].encode())}


def inventory(folder: Path) -> Inventory:
    return from_groups([fakes.group(2)], {"web": "web"}, SshFacts(Path("/keys/id"), folder / "keys of hosts"))


def learned(found: Inventory, s3: FakeS3) -> Inventory:
    learn(found, s3, bucket="b", region="eu-west-1", account="123456789012")
    return found


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A real public key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    return (tmp_path / "key.pub").read_text()


def test_openssh_finds_the_key_under_the_instances_id(tmp_path: Path, key: str) -> None:
    found = learned(inventory(tmp_path), FakeS3({"i-0": key}))
    option = next(word for word in found.ssh_command("i-0") if word.startswith("UserKnownHostsFile="))
    file = option.partition("=")[2].strip('"')
    done = subprocess.run(["ssh-keygen", "-F", "i-0", "-f", file], capture_output=True, text=True, check=True)
    assert key.split()[1] in done.stdout
    shown = subprocess.run(["ssh", "-G", "-o", option, "i-0"], capture_output=True, text=True, check=True).stdout
    assert f"userknownhostsfile {file}" in shown


def test_a_key_that_is_known_is_not_asked_for_again(tmp_path: Path, key: str) -> None:
    found = learned(inventory(tmp_path), FakeS3({"i-0": key, "i-1": key}))
    before = found.ssh.keys_of("i-0").read_text()
    again = FakeS3({"i-0": "ssh-ed25519 AAAAother", "i-1": key})
    learned(found, again)
    assert (again.reads, found.ssh.keys_of("i-0").read_text()) == ([], before)


def test_a_new_instance_at_a_used_address_has_a_key_of_its_own(tmp_path: Path, key: str) -> None:
    found = learned(inventory(tmp_path), FakeS3({"i-0": key, "i-1": key}))
    newcomer = replace(found.targets[0], id="i-9")
    later = replace(found, targets=(newcomer,))
    learned(later, FakeS3({"i-9": "ssh-ed25519 AAAAnew root@i-9\n"}))
    assert later.ssh.keys_of("i-9").read_text() == "i-9 ssh-ed25519 AAAAnew\n"


def test_a_host_that_said_nothing_gets_no_file(tmp_path: Path) -> None:
    found = learned(inventory(tmp_path), FakeS3({}))
    assert not found.ssh.keys_of("i-0").exists()


def test_a_bucket_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="i-0 cannot be read from bucket b"):
        learned(inventory(tmp_path), FakeS3({}, code="AccessDenied"))


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (
            "ssh-ed25519 AAAA= root@h\necdsa-sha2-nistp256 BBBB\n",
            "i-1 ssh-ed25519 AAAA=\ni-1 ecdsa-sha2-nistp256 BBBB\n",
        ),
        ("@cert-authority * ssh-ed25519 AAAA\n", ""),
        ("* ssh-ed25519 AAAA\n", ""),
        ("ssh-ed25519\n\n<html>", ""),
    ],
)
def test_only_plain_keys_are_taken_from_what_a_host_says(said: str, lines: str) -> None:
    assert known_hosts_lines("i-1", said) == lines
