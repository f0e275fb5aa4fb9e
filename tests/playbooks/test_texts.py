"""What users read where hosts, buckets or past runs are not as a playbook needs them: message and remedy, whole."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import OpsError
from quartermaster.playbooks import configure, database_result, patch_past, publish, replace_past, runner
from quartermaster.playbooks.inventory import Inventory, SshFacts
from quartermaster.playbooks.replace_world import CloudRefreshes
from tests.fleet.test_texts import Answering, denied
from tests.playbooks import fakes

NO = "An error occurred (AccessDeniedException) when calling the Act operation: no"


class Bucket(Answering):
    """A bucket that may not be read, or may not be written."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, *, missing: bool = False) -> None:
        super().__init__(denied())
        self._missing = missing

    def head_object(self, **_: Any) -> None:
        raise denied("404" if self._missing else "AccessDeniedException")


BUNDLE: Any = SimpleNamespace(key="bundle-1", sha256="1", content=b"")
LEFT_OUT: Any = SimpleNamespace(targets=(), left_out={"i-1": "it boots"})
GROUP = fakes.group()
CASES: dict[str, tuple[Callable[[pytest.MonkeyPatch, Path], object], str]] = {
    "a bucket that may not be read": (
        lambda *_: publish.publish(Bucket(), "shop-dev", BUNDLE),
        f"error: bucket shop-dev cannot be read: {NO}\n  remedy: ops provision up\n",
    ),
    "a pointer that may not be read": (
        lambda *_: publish.current(Bucket(), "shop-dev"),
        f"error: bucket shop-dev cannot be read: {NO}\n  remedy: ops provision up\n",
    ),
    "a bucket that may not be written": (
        lambda *_: publish.publish(Bucket(missing=True), "shop-dev", BUNDLE),
        f"error: the bundle cannot be published to bucket shop-dev: {NO}\n  remedy: ops provision up\n",
    ),
    "no host to configure": (
        lambda *_: configure.plan(LEFT_OUT, BUNDLE, bucket="shop-dev"),
        "error: there is no host to configure (i-1: it boots)\n  remedy: ops provision up, or wait for boots\n",
    ),
    "a host that there is not": (
        lambda *_: Inventory.only(LEFT_OUT, ["api"]),
        "error: no cluster or host api\n  remedy: one of i-1\n",
    ),
    "a run that patched nothing": (
        lambda *_: patch_past.Past.of([]),
        "error: this run holds no patch plan\n  remedy: ops history, then name a patch run\n",
    ),
    "a run that replaced nothing": (
        lambda *_: replace_past.Past.of([]),
        "error: this run replaced no hosts\n  remedy: ops history, then name a patch run\n",
    ),
    "a run that maintained nothing": (
        lambda *_: database_result.planned([]),
        "error: this run maintained no database\n  remedy: ops history, then name a patch run\n",
    ),
    "no Ansible": (
        lambda monkeypatch, folder: bare(monkeypatch, folder),
        "error: ansible-playbook is not in {folder}\n  remedy: make setup, or pip install ansible-core\n",
    ),
    "a role that Ansible cannot read": (
        lambda monkeypatch, folder: list(unreadable(monkeypatch, folder)),
        "error: Ansible gave up: ERROR! couldn't resolve module/action 'shop.page'.\n"
        "  remedy: mend what it names; roles of your own lie under ansible.roles_path\n",
    ),
    "hosts of no launch template to replace": (
        lambda *_: untemplated().launched(),
        "error: group shop-dev-web starts its hosts from no launch template of its own\n"
        "  remedy: patching.web.method: in_place, or give the group a launch template\n",
    ),
}


def bare(monkeypatch: pytest.MonkeyPatch, folder: Path) -> object:
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return runner._environment(SimpleNamespace(), folder, folder)  # type: ignore[arg-type]


def unreadable(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[object]:
    """What a play tells of a playbook that Ansible refuses."""

    def run_async(*, event_handler: Callable[[dict[str, str]], bool], **_: Any) -> tuple[threading.Thread, None]:
        event_handler({"event": "error", "stdout": "ERROR! couldn't resolve module/action 'shop.page'.\n"})
        thread = threading.Thread(target=int)
        thread.start()
        return thread, None

    monkeypatch.setitem(sys.modules, "ansible_runner", SimpleNamespace(run_async=run_async))
    inventory = Inventory((), SshFacts(folder / "key", folder / "known"))
    return runner.play(runner.PlaybookOrder(folder / "site.yml", inventory), folder)


def untemplated() -> CloudRefreshes:
    """A group that was made outside, of a launch configuration."""
    client = Answering({"describe_auto_scaling_groups": {"AutoScalingGroups": [{"AutoScalingGroupName": GROUP.name}]}})
    cloud: Any = SimpleNamespace(client=lambda _: client)
    hosts: Any = SimpleNamespace(group=lambda _: GROUP)
    return CloudRefreshes(cloud, hosts, "web")


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cause, text = CASES[case]
    with pytest.raises(OpsError) as refused:
        cause(monkeypatch, tmp_path)
    assert render(refused.value) == text.replace("{folder}", str(tmp_path))
