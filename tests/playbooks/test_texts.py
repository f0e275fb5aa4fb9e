"""What users read where hosts, buckets or past runs are not as a playbook needs them: message and remedy, whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import OpsError
from quartermaster.playbooks import configure, database_result, patch_past, publish, replace_past, runner
from quartermaster.playbooks.inventory import Inventory
from tests.fleet.test_texts import Answering, denied

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
}


def bare(monkeypatch: pytest.MonkeyPatch, folder: Path) -> object:
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return runner._environment(SimpleNamespace(), folder, folder)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cause, text = CASES[case]
    with pytest.raises(OpsError) as refused:
        cause(monkeypatch, tmp_path)
    assert render(refused.value) == text.replace("{folder}", str(tmp_path))
