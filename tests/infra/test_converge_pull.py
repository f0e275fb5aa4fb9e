"""The program that user data leaves on a host, run here against a bucket that fails in every way: whole or nothing."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
import time
import types
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quartermaster.fleet.names import host_key_name, pins_key
from quartermaster.infra.userdata import render

DOCUMENT = {"region": "eu-west-1", "accountId": "123456789012", "instanceId": "i-1"}
Answer = Callable[["Bucket", str], bytes]


def packed(version: str) -> bytes:
    """A bundle in which every file says its version."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in ("site.yml", "roles/web/tasks/main.yml", "vars/web.json", "whole"):
            entry = tarfile.TarInfo(name)
            entry.size = len(version)
            archive.addfile(entry, io.BytesIO(version.encode()))
    return out.getvalue()


OLD, NEW = packed("old"), packed("new")


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pointer(content: bytes) -> bytes:
    return json.dumps({"key": f"bundles/{sha(content)}.tar.gz", "sha256": sha(content)}).encode()


def whole(bucket: Bucket, key: str) -> bytes:
    return bucket.objects[key] if key in bucket.objects else gone(bucket, key)


def cut(bucket: Bucket, key: str) -> bytes:
    return bucket.objects[key][:-7]


def other(bucket: Bucket, key: str) -> bytes:
    return b"something else"


def gone(bucket: Bucket, key: str) -> bytes:
    raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")


def down(bucket: Bucket, key: str) -> bytes:
    raise ConnectionError("the bucket does not answer")


@dataclass
class Bucket:
    """Answers reads as told, one after the other, and well once nothing more is told. It publishes NEW at ``moves``."""

    answers: list[Answer] = field(default_factory=list)
    moves: int = -1
    reads: int = 0
    objects: dict[str, bytes] = field(default_factory=dict)
    put_fails: Exception | None = None
    meta: Any = field(default_factory=lambda: types.SimpleNamespace(events=types.SimpleNamespace(register=_no)))

    def __post_init__(self) -> None:
        self.objects = {f"bundles/{sha(one)}.tar.gz": one for one in (OLD, NEW)}
        self.objects["bundles/current.json"] = pointer(OLD)
        self.objects[pins_key("web")] = b'{"packages": {}}'

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if self.reads == self.moves:
            self.objects["bundles/current.json"] = pointer(NEW)
        self.reads += 1
        answer = self.answers.pop(0) if self.answers else whole
        return {"Body": io.BytesIO(answer(self, Key))}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ServerSideEncryption: str) -> None:  # noqa: N803
        if self.put_fails:
            raise self.put_fails
        if Key in self.objects:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.objects[Key] = Body


def _no(*_: object) -> None:
    pass


@dataclass
class Told:
    """What became of the host."""

    code: int
    hook: str
    """What its group was told."""
    converged: list[set[str]]
    """Contents of the files that each run of ansible-playbook saw."""
    waited: float
    packages: list[str] = field(default_factory=list)
    """What apt-get was told."""


class Host:
    """A host's folder and the services around it; its program is run in this process."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._patch = home, monkeypatch

    def boot(self, bucket: Bucket, playbook: Sequence[int] = (), apt: int = 0) -> Told:
        told, codes = Told(-1, "", [], 0.0), list(playbook)

        def client(service: str, **_: Any) -> Any:
            tell = types.SimpleNamespace(complete_lifecycle_action=lambda **words: hook(words["LifecycleActionResult"]))
            return bucket if service == "s3" else tell

        def hook(result: str) -> None:
            told.hook = result

        def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path = self.home, **_: Any) -> Any:
            assert env["APT_CONFIG"] == f"{self.home}/ops/pins.conf"
            if command[0] == "dpkg-query":
                return types.SimpleNamespace(stdout="bash\nnginx\nopenssl\n")
            if command[0] == "apt-get":
                told.packages.append(" ".join(command[6:]))
                return types.SimpleNamespace(returncode=apt)
            assert env["ANSIBLE_PIPELINING"] == "1"
            told.converged.append({path.read_text() for path in cwd.rglob("*") if path.is_file()})
            return types.SimpleNamespace(returncode=codes.pop(0) if codes else 0)

        def sleep(seconds: float) -> None:
            told.waited += seconds

        def ask(request: Any, timeout: float) -> Any:
            text = json.dumps(DOCUMENT) if request.full_url.endswith("document") else "i-1"
            return io.BytesIO(text.encode())

        patch = self._patch
        patch.setattr(boto3, "client", client)
        patch.setattr(subprocess, "run", run)
        patch.setattr(time, "sleep", sleep)
        patch.setattr(urllib.request, "urlopen", ask)
        patch.setattr("sys.argv", ["ops-converge"])
        text = render(
            bucket="b", pointer="bundles/current.json", region="eu-west-1", cluster="web", role="web", group="g",
            hook="converged",
        )  # fmt: skip
        program = re.search(r"<<'PYTHON'\n(.*?)^PYTHON$", text, re.S | re.M)
        assert program is not None
        source = program[1].replace("/opt/ops/bundles", str(self.home / "bundles"))
        source = source.replace('"/etc/ssh"', repr(str(self.home))).replace("/etc/ops", f"{self.home}/ops")
        (self.home / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA root@i-1\n")
        with pytest.raises(SystemExit) as ended:
            exec(compile(source, "ops-converge", "exec"), {"__name__": "__main__"})
        assert isinstance(ended.value.code, int)
        told.code = ended.value.code
        return told

    def bundles(self) -> set[str]:
        return {path.name for path in (self.home / "bundles").glob("*")}


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with monkeypatch.context() as patch:
        yield Host(tmp_path_factory.mktemp("host"), patch)


FAULTS = st.lists(st.sampled_from([whole, cut, other, gone, down]), max_size=14)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(answers=FAULTS, moves=st.integers(-1, 12))
def test_a_host_ends_with_one_bundle_whole_or_does_not_join(
    host: Host, tmp_path_factory: pytest.TempPathFactory, answers: list[Answer], moves: int
) -> None:
    host.home = tmp_path_factory.mktemp("host")
    told = host.boot(Bucket(list(answers), moves))
    assert all(seen in ({"old"}, {"new"}) for seen in told.converged)
    assert (told.hook, bool(told.converged)) in (("CONTINUE", True), ("ABANDON", False))
    assert host.bundles() <= {sha(OLD), sha(NEW)}


@pytest.mark.parametrize("fault", [cut, other, gone, down])
def test_a_short_fault_delays_a_host_and_a_lasting_one_keeps_it_out_within_a_minute(
    host: Host, capsys: pytest.CaptureFixture[str], fault: Answer
) -> None:
    assert host.boot(Bucket([fault] * 3)).hook == "CONTINUE"
    host.home = host.home / "again"
    host.home.mkdir()
    told = host.boot(Bucket([fault] * 100))
    assert (told.hook, told.code, told.converged) == ("ABANDON", 1, [])
    assert 20 < told.waited < 60
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("did not converge, and will not join: ")


def test_a_wrong_checksum_is_told_with_both(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    bucket = Bucket()
    bucket.objects[f"bundles/{sha(OLD)}.tar.gz"] = NEW
    assert host.boot(bucket).hook == "ABANDON"
    assert f"has sha256 {sha(NEW)}, the pointer says {sha(OLD)}" in capsys.readouterr().out


def test_what_a_push_left_half_is_made_anew(host: Host) -> None:
    half = host.home / "bundles" / sha(OLD)
    half.mkdir(parents=True)
    (half / "site.yml").write_text("half")
    assert host.boot(Bucket()).converged == [{"old"}]


def test_a_playbook_that_fails_is_tried_again_with_the_bundle_that_is_current_then(host: Host) -> None:
    told = host.boot(Bucket(moves=2), playbook=[2])
    assert (told.hook, told.converged) == ("CONTINUE", [{"old"}, {"new"}])


def test_a_playbook_that_keeps_failing_keeps_the_host_out(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    told = host.boot(Bucket(), playbook=[2] * 9)
    assert (told.hook, told.code, len(told.converged)) == ("ABANDON", 2, 3)
    assert "ansible-playbook ended with 2" in capsys.readouterr().out


def test_a_host_says_its_ssh_keys_once(host: Host) -> None:
    bucket = Bucket()
    name = host_key_name(DOCUMENT["region"], DOCUMENT["accountId"], DOCUMENT["instanceId"])
    assert host.boot(bucket).hook == "CONTINUE"
    assert bucket.objects[name] == b"ssh-ed25519 AAAA root@i-1\n"
    bucket.objects[name] = b"what it said first"
    assert host.boot(bucket).hook == "CONTINUE"
    assert bucket.objects[name] == b"what it said first"


@pytest.mark.parametrize(
    "problem", [ConnectionError("no answer"), ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")]
)
def test_a_host_whose_keys_nobody_could_know_does_not_join(host: Host, problem: Exception) -> None:
    told = host.boot(Bucket(put_fails=problem))
    assert (told.hook, told.converged) == ("ABANDON", [])


PINNED = b'{"packages": {"nginx": "1.2", "openssl": "3.4", "not-here": "5"}}'


def test_a_host_takes_the_pinned_versions_of_what_it_has_before_it_converges(host: Host) -> None:
    bucket = Bucket()
    bucket.objects[pins_key("web")] = PINNED
    told = host.boot(bucket)
    assert (told.hook, told.packages) == ("CONTINUE", ["update", "--only-upgrade install nginx openssl"])
    rules = (host.home / "ops/pins.pref").read_text().split("\n\n")
    assert rules[0] == "Package: nginx\nPin: version 1.2\nPin-Priority: 990"
    assert [rule.split()[1] for rule in rules] == ["nginx", "not-here", "openssl"]


def test_a_host_without_pins_takes_what_is_offered(host: Host) -> None:
    bucket = Bucket()
    del bucket.objects[pins_key("web")]
    told = host.boot(bucket)
    assert (told.hook, told.packages) == ("CONTINUE", [])
    assert (host.home / "ops/pins.pref").read_text() == ""


def test_a_host_whose_repository_is_down_serves_and_says_so(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    bucket = Bucket()
    bucket.objects[pins_key("web")] = PINNED
    told = host.boot(bucket, apt=100)
    assert (told.hook, told.packages) == ("CONTINUE", ["update"])
    assert "not at the pinned versions" in capsys.readouterr().out


def test_a_host_that_cannot_learn_its_pins_does_not_join(host: Host) -> None:
    bucket = Bucket([whole, whole, *[down] * 6])
    told = host.boot(bucket)
    assert (told.hook, told.converged) == ("ABANDON", [])
