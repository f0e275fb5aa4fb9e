"""What users read where the stack, its state or the local cloud is not as it should be: message, remedy, whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.processes import process_started
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra import bootstrap, interrupted, keys
from quartermaster.infra import engine as engines
from quartermaster.infra.aws_errors import translated
from quartermaster.infra.hosted_zone import find_zone
from quartermaster.infra.local import client
from quartermaster.infra.outcome import Outcome
from tests.fleet.test_texts import Answering, denied

FORBIDDEN = {
    "rule": "encrypted-data", "severity": "mandatory", "resource": "orders", "reason": "it is unencrypted",
    "remedy": "databases.orders.encrypted: true", "waived": None,
}  # fmt: skip


def asked(folder: Path, call: Callable[[Workspace], object], *, pid: int = 0, endpoint: str = "") -> object:
    """The call, where the local cloud said of itself that it is this process at that endpoint."""
    workspace = Workspace(folder / "fleet.yaml")
    said = {
        "instance": "1f2e", "pid": pid or os.getpid(), "pid_started": process_started(pid or os.getpid()),
        "endpoint": endpoint or "http://127.0.0.1:9", "access_key": "a", "secret_key": "s",
    }  # fmt: skip
    fields = client.LocalCloud.__dataclass_fields__
    document = {name: said.get(name, "") for name in fields}
    (workspace.folder("local") / "daemon.json").write_text(json.dumps(document), encoding="utf-8")
    return call(workspace)


def damaged(folder: Path) -> object:
    state = folder / "dev.json"
    state.write_text('{"checkpoint": {"la', encoding="utf-8")
    return interrupted._read(state)


def no_engine(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(engines, "find", lambda: None)
    return engines.Engine._open(SimpleNamespace())  # type: ignore[arg-type]


def of_another(status: int, region: str = "") -> object:
    refused = denied("403")
    refused.response["ResponseMetadata"] = {"HTTPStatusCode": status}  # type: ignore[typeddict-item]
    answer: Any = {"get_bucket_location": {"LocationConstraint": region}} if region else refused
    return bootstrap._bucket_is_there(
        Answering(answer), SimpleNamespace(name="shop-ops-state", account="123456789012", region="eu-west-1")
    )


def unsigned() -> None:
    with translated():
        raise NoCredentialsError


CASES: dict[str, tuple[Callable[[Path, pytest.MonkeyPatch], object], str]] = {
    "a plan that policy forbids": (
        lambda *_: Outcome({}, 1.0, policy=[FORBIDDEN]).refuse_blocked(),
        "error: policy forbids it:\nencrypted-data: orders: it is unencrypted\n"
        "  remedy: databases.orders.encrypted: true\n",
    ),
    "a name that the account has no zone for": (
        lambda *_: find_zone(
            SimpleNamespace(client=lambda _: Answering({"list_hosted_zones_by_name": {"HostedZones": []}})),  # type: ignore[arg-type]
            "shop.example",
        ),
        "error: the account has no public hosted zone shop.example\n"
        "  dns.zone: the account has no public hosted zone shop.example\n"
        "      → create it in Route 53, and give its name servers to the registrar of shop.example\n",
    ),
    "no credentials": (
        lambda *_: unsigned(),
        "error: AWS does not answer: Unable to locate credentials\n  remedy: check network, AWS_PROFILE and region\n",
    ),
    "somebody else's bucket": (
        lambda *_: of_another(403),
        "error: bucket shop-ops-state belongs to another account\n"
        "  stacks: bucket shop-ops-state belongs to another account\n"
        "      → another name: state: s3://NAME, which all of AWS must not have yet\n",
    ),
    "a bucket in another region": (
        lambda *_: of_another(200, "us-west-2"),
        "error: bucket shop-ops-state is in us-west-2, and the fleet in eu-west-1\n"
        "  stacks: bucket shop-ops-state is in us-west-2, and the fleet in eu-west-1\n"
        "      → another name: state: s3://NAME\n",
    ),
    "no engine": (
        lambda _, monkeypatch: no_engine(monkeypatch),
        "error: the Pulumi engine is not installed\n  remedy: ops setup\n",
    ),
    "no ssh-keygen": (
        lambda folder, _: keys.private_key(Workspace(folder / "fleet.yaml")),
        "error: ssh-keygen is not installed\n  remedy: apt-get install openssh-client\n",
    ),
    "a damaged state": (
        lambda folder, _: damaged(folder),
        "error: the state {folder}/dev.json is damaged, and no sound copy stands beside it\n"
        "  remedy: restore it from a backup\n",
    ),
    "a local cloud that never ran": (
        lambda folder, _: client.fail_zone(Workspace(folder / "fleet.yaml"), "eu-west-1a"),
        "error: the local cloud is not running\n  remedy: ops local up\n",
    ),
    "a local cloud that is gone": (
        lambda folder, _: asked(folder, lambda there: client.ensure_running(there, "shop"), pid=2**22 + 1),
        "error: the local cloud of fleet 'shop' is gone (its process died or the machine restarted), and with it every "
        "resource it held\n  remedy: ops local reset\n",
    ),
    "a local cloud that does not answer": (
        lambda folder, _: asked(folder, lambda there: client.fail_zone(there, "eu-west-1a")),
        "error: the local cloud does not answer at http://127.0.0.1:9: <urlopen error [Errno 111] Connection refused>\n"
        "  remedy: ops local reset\n",
    ),
    "a local cloud whose word is damaged": (
        lambda folder, _: spoilt(folder),
        "error: {folder}/.ops/local/daemon.json is not what the local cloud wrote: Expecting value: line 1 column 1 "
        "(char 0)\n  remedy: delete it, then ops local down removes what it was about\n",
    ),
    "a package that is not there": (
        lambda folder, _: client.add_package(Workspace(folder / "fleet.yaml"), folder / "app.deb"),
        "error: no package file {folder}/app.deb\n  remedy: ops local packages add FILE.deb\n",
    ),
}


def spoilt(folder: Path) -> object:
    workspace = Workspace(folder / "fleet.yaml")
    (workspace.folder("local") / "daemon.json").write_text("no word", encoding="utf-8")
    return client.running(workspace)


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cause, text = CASES[case]
    with pytest.raises(OpsError) as refused:
        cause(tmp_path, monkeypatch)
    assert render(refused.value) == text.replace("{folder}", str(tmp_path))
