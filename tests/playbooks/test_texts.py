"""What users read where hosts, buckets or past runs are not as a playbook needs them: message and remedy, whole."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quartermaster.fleet.hosts import Group
from quartermaster.playbooks import (
    configure,
    database_result,
    host_keys,
    patch,
    patch_past,
    patch_saved,
    publish,
    replace_past,
    runner,
)
from quartermaster.playbooks.inventory import Inventory, SshFacts, Target
from quartermaster.playbooks.machine import Survey
from quartermaster.playbooks.patch_pins import BucketPins
from quartermaster.playbooks.patch_plan import PatchPlan
from quartermaster.playbooks.patch_waves import Need
from quartermaster.playbooks.replace_world import CloudRefreshes
from tests.fleet.test_texts import Answering, denied
from tests.playbooks import fakes
from tests.playbooks.test_patch_plan import NOW, asked
from tests.playbooks.test_replace import planned as replaced
from tests.reads import reads

NO = "An error occurred (AccessDeniedException) when calling the Act operation: no"


class Bucket(Answering):
    """A bucket that may not be read, or may not be written."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, *, missing: bool = False) -> None:
        super().__init__(denied())
        self._missing = missing

    def get_object(self, **_: Any) -> None:
        raise denied()

    def put_object(self, **_: Any) -> None:
        raise denied()

    def head_object(self, **_: Any) -> None:
        raise denied("404" if self._missing else "AccessDeniedException")


BUNDLE: Any = SimpleNamespace(key="bundle-1", sha256="1", content=b"")
LEFT_OUT: Any = SimpleNamespace(targets=(), left_out={"i-1": "it boots"})
GROUP = fakes.group()


def planned(
    found: Group | None = None, *, surveys: dict[str, Survey] | None = None, need: Need | None = None, **policy: Any
) -> PatchPlan:
    found, outlook = found or GROUP, need and asked(need)
    fleet = fakes.fleet(**policy)
    return patch.plan(found, fleet, surveys or fakes.surveys(found), NOW, drain_seconds=0, outlook=outlook)


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
    "a plan outside its window": (
        lambda *_: planned(window="Mon 02:00-05:00"),
        "error: web is not patched now: it is outside the window 'Mon 02:00-05:00'; the next opens Mon 23 Nov "
        "02:00\n"
        "  remedy: --override with --reason, if it must be now\n",
    ),
    "a plan on a frozen day": (
        lambda *_: planned(freezes=({"from": "2026-11-20", "to": "2026-11-24", "why": "sale"},)),
        "error: web is not patched now: the freeze from 2026-11-20 to 2026-11-24 holds (sale)\n"
        "  remedy: --override with --reason, if it must be now\n",
    ),
    "a plan for hosts that are ill": (
        lambda *_: planned(replace(GROUP, hosts=(replace(GROUP.hosts[0], health="unhealthy"), *GROUP.hosts[1:]))),
        "error: web is not patched now: i-0 is InService and unhealthy\n  remedy: mend that first\n",
    ),
    "hosts that are offered different versions": (
        lambda *_: planned(surveys={**fakes.surveys(GROUP), "i-0": Survey((replace(fakes.PAGE, new="3.0"),))}),
        "error: the hosts are offered different versions (shop-page: 2.0, 3.0)\n"
        "  remedy: see that all ask one package repository, or wait until it has reached all\n",
    ),
    "a demand that leaves no room": (
        lambda *_: planned(need=Need(12, 12, "test")),
        "error: web is not patched now: with 1 host(s) in standby 5 would serve and 12 are needed, and max 12 "
        "allows no more\n"
        "  remedy: raise clusters.web.size.max (`ops capacity plan`), or wait for an hour with less demand\n",
    ),
    "a replacement outside its window": (
        lambda *_: replaced(window="Sun 02:00-05:00"),
        "error: web is not replaced now: it is outside the window 'Sun 02:00-05:00'; the next opens Sun 06 Jan "
        "02:00\n"
        "  remedy: --override with --reason, if it must be now\n",
    ),
    "a replacement that leaves no room": (
        lambda *_: replaced(replace(GROUP, max=6), wave=2, canary=0, need=Need(6, 6, "test")),
        "error: web is not replaced now: with 0 replaced and a zone lost 4 would serve and 6 are needed\n"
        "  remedy: raise clusters.web.size.max, or wait for an hour with less demand\n",
    ),
    "pins that may not be written": (
        lambda *_: BucketPins(Bucket(), "shop-dev", "web").write({"page": "2.0"}),
        f"error: the pinned versions cannot be written at s3://shop-dev/bundles/pins/web.json: {NO}\n"
        "  remedy: ops provision up\n",
    ),
    "a host key that may not be read": (
        lambda _, folder: host_keys.learn(
            Inventory((Target("i-1", "web", "web", "eu-west-1a", "10.0.0.1"),), SshFacts(folder / "key", folder)),
            Bucket(),
            bucket="shop-dev",
            region="eu-west-1",
            account="1",
        ),
        f"error: the SSH host key of i-1 cannot be read from bucket shop-dev: {NO}\n"
        "  remedy: ops provision up, or the rights that `ops iam` lists\n",
    ),
    "a plan of another cluster": (
        lambda *_: patch_saved.refuse_moved(
            patch_saved.SavedPlan("shop", "prod", "2026-11-22T02:00:00Z", planned()),
            planned(),
            fleet="shop",
            stack="dev",
        ),
        "error: the plan is of cluster web of stack prod of fleet shop, not of cluster web of stack dev of fleet "
        "shop\n"
        "  remedy: ops patch run web --stack prod, or another plan\n",
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
    reads(lambda: cause(monkeypatch, tmp_path), text.replace("{folder}", str(tmp_path)))
