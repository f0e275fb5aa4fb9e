"""What users read where the stack, its state or the engine is not as it should be: message, remedy, whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from pulumi.automation import CommandResult, errors

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.schema.safety import Adopted
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra import __main__ as program
from quartermaster.infra import adopt_import, bootstrap, deploy, interrupted, keys, plain
from quartermaster.infra import engine as engines
from quartermaster.infra.aws_errors import translated
from quartermaster.infra.hosted_zone import find_zone
from quartermaster.infra.layout import layout
from quartermaster.infra.locks import Holder
from quartermaster.infra.outcome import Outcome, Watcher
from quartermaster.infra.plan_basis import Basis
from quartermaster.infra.saved_plan import SavedPlan, refuse_moved
from quartermaster.infra.state import Pending
from quartermaster.infra.sweep import Births
from quartermaster.infra.zones import check_zones
from tests.fleet.test_texts import Answering, denied
from tests.reads import reads

VPC = Adopted(type="aws:ec2/vpc:Vpc", name="shop", id="vpc-1")
URN, STACK, PROVIDER = (
    f"urn:pulumi:dev::shop::{name}"
    for name in ("aws:ec2/vpc:Vpc::shop", "pulumi:pulumi:Stack::shop-dev", "pulumi:providers:aws::default")
)
BASIS = Basis({"fleet.yaml": "1f"}, {"pulumi": "3.1.0"}, {URN: "1f"})
MOVED = Basis({"fleet.yaml": "2e"}, {"pulumi": "3.2.0"}, {})
ZONES = {"AvailabilityZones": [{"ZoneName": f"eu-west-1{letter}"} for letter in "ab"]}
FORBIDDEN = {
    "rule": "encrypted-data", "severity": "mandatory", "resource": "orders", "reason": "it is unencrypted",
    "remedy": "databases.orders.encrypted: true", "waived": None,
}  # fmt: skip


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
        "error: AWS could not be asked: Unable to locate credentials\n"
        "  remedy: check network, AWS_PROFILE and region\n",
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
    "a stack that another works on": (
        lambda *_: said_by_the_engine(errors.ConcurrentUpdateError, "error: the stack is currently locked by 1 lock"),
        "error: another Pulumi process works on stack 'dev'\n"
        "  remedy: wait for it; if its machine is gone: ops pulumi -- cancel\n",
    ),
    "an engine that fails": (
        lambda *_: said_by_the_engine(errors.CommandError, "Updating (dev):\n error: incorrect passphrase\n"),
        "error: the Pulumi engine failed:\nerror: incorrect passphrase\n"
        "  remedy: correct it and run the command again\n",
    ),
    "an engine whose credentials ran out": (
        lambda *_: said_by_the_engine(errors.CommandError, "error: ExpiredToken: no"),
        "error: the Pulumi engine failed:\nerror: ExpiredToken: no\n"
        "  remedy: log in anew (aws sso login), or set AWS_PROFILE; what was made is known: the same command goes on "
        "from there\n",
    ),
    "a resource that fails": (
        lambda *_: faulted("web: InvalidParameterValue: no such image", "web: InvalidParameterValue: no such image"),
        "error: web: InvalidParameterValue: no such image\n  remedy: correct it and run the command again\n",
    ),
    "a resource that may not be made": (
        lambda *_: faulted("web: AccessDenied: no", "orders: AccessDenied: no"),
        "error: web: AccessDenied: no\norders: AccessDenied: no\n"
        "  remedy: ops iam policy --for provision prints the rights it takes; what was made is known: the same command "
        "goes on from there\n",
    ),
    "a stack of a local cloud that is gone": (
        lambda folder, monkeypatch: gone(folder, monkeypatch),
        "error: the local cloud that stack 'dev' was made on is gone, and its resources with it\n"
        "  remedy: ops local reset, then ops provision up\n",
    ),
    "a project of another name": (
        lambda folder, monkeypatch: as_project("store", folder, monkeypatch),
        "error: the project is 'store' and the fleet 'shop': every URN would be another\n"
        "  remedy: name: shop in Pulumi.yaml, or `ops pulumi -- preview`\n",
    ),
    "plain pulumi without an engine": (
        lambda folder, monkeypatch: plainly(folder, monkeypatch),
        "error: the Pulumi engine or its Python language host is not installed\n  remedy: ops setup\n",
    ),
    "an adopted thing that the fleet does not declare": (
        lambda *_: adopt_import.requests({}, Births(), [VPC]),
        "error: adopted: the fleet has no aws:ec2/vpc:Vpc called shop\n"
        "  remedy: name a cluster or database of this file, or take the entry out\n",
    ),
    "an adopted thing that went": (
        lambda *_: taken_in(),
        "error: aws:ec2/vpc:Vpc vpc-1 was not taken in as shop\n"
        "  remedy: see that it is still there, then run the command again\n",
    ),
    "a creation that was cut short, made twice": (
        lambda _, monkeypatch: cut_short(monkeypatch, ("vpc-1", "vpc-2")),
        f"error: {URN} exists 2 times: vpc-1, vpc-2\n  remedy: delete all but one of them\n",
    ),
    "a creation that was cut short, of no known type": (
        lambda _, monkeypatch: cut_short(monkeypatch, None),
        f"error: cannot find out whether {URN} was made: aws:ec2/vpc:Vpc cannot be looked up\n"
        "  remedy: look for it yourself, then: ops pulumi -- refresh --import-pending-creates if it is there, "
        "--clear-pending-creates if not\n",
    ),
    "a state that another machine holds": (
        lambda folder, _: held_elsewhere(folder),
        "error: process 77 on elsewhere has held the stack's state since 2026-11-20T09:30:00Z\n"
        "  remedy: wait for it; if elsewhere is gone for good, delete "
        "{folder}/.pulumi/locks/organization/shop/dev/1.json\n",
    ),
    "a state that an engine here is at work on": (
        lambda _, monkeypatch: at_work(monkeypatch),
        "error: Pulumi process 77 works on this stack\n  remedy: wait for it, or stop the `ops` that runs it\n",
    ),
    "a saved plan of another stack": (
        lambda *_: refuse_moved(plan_of("dev"), BASIS, fleet="shop", stack="prod"),
        "error: the plan is of stack dev of fleet shop, not of stack prod of fleet shop\n"
        "  remedy: --stack dev, or another plan\n",
    ),
    "a saved plan that no longer holds": (
        lambda *_: refuse_moved(plan_of("prod"), MOVED, fleet="shop", stack="prod"),
        "error: the plan of 2026-11-22T09:30:00Z no longer holds; nothing was changed\n"
        "  fleet.yaml: the file is another since the plan was saved\n      → put it back, or save a new plan\n"
        "  pulumi: the plan was saved with 3.1.0, this is 3.2.0\n      → put it back, or save a new plan\n"
        f"  {URN}: the state of the resource is gone since the plan was saved\n"
        "      → put it back, or save a new plan\n  remedy: ops provision preview --save writes a new plan\n",
    ),
    "a zone that the account does not have": (
        lambda *_: check_zones(
            SimpleNamespace(client=lambda *_, **__: Answering({"describe_availability_zones": ZONES})),  # type: ignore[arg-type]
            layout(Fleet.model_validate({"fleet": "shop", "region": "eu-west-1"}), "dev"),
        ),
        "error: the account does not have the zones that the stack is to stand in\n"
        "  zones: the account has eu-west-1a, eu-west-1b in eu-west-1, and not eu-west-1c\n"
        "      → zones: 2, another region, or network.vpc and subnets in zones that it has\n",
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
}


def at_work(monkeypatch: pytest.MonkeyPatch) -> object:
    """The lock of an engine that lives and has a parent."""
    monkeypatch.setattr(Holder, "alive", True)
    monkeypatch.setattr(Holder, "parent", 76)
    monkeypatch.setattr(interrupted, "_orphaned", lambda _: False)
    return interrupted._await_end(Holder("1.json", 77, "here", "", lambda: None))


def plan_of(stack: str) -> SavedPlan:
    return SavedPlan("shop", stack, "2026-11-22T09:30:00Z", {}, BASIS)


def said_by_the_engine(kind: type[errors.CommandError], text: str) -> None:
    with engines.Engine._translated(SimpleNamespace(stack_name="dev")):  # type: ignore[arg-type]
        raise kind(CommandResult(stdout="", stderr=text, code=255))


def faulted(*said: str) -> None:
    watcher = Watcher()
    watcher.errors.extend(said)
    with deploy._with_errors(watcher):
        raise OpsError("the Pulumi engine failed")


def gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """A stack with a resource, made on another local cloud than there is."""
    state = {"resources": [{"custom": True, "type": VPC.type, "urn": URN, "id": VPC.id}]}
    monkeypatch.setattr(deploy, "saved_state", lambda _: state)
    workspace = Workspace(folder / "fleet.yaml")
    (workspace.folder("state") / "clouds.json").write_text('{"dev": "1f2e"}', encoding="utf-8")
    stack = SimpleNamespace(_cloud=SimpleNamespace(target="local"), _engine=None, _workspace=workspace, _stack="dev")
    return deploy.Deployment._same_cloud(stack)  # type: ignore[arg-type]


def as_project(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    (folder / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}}\n", encoding="utf-8")
    monkeypatch.setenv("OPS_FLEET", str(folder / "fleet.yaml"))
    monkeypatch.setattr("pulumi.get_project", lambda: name)
    return program.main()


def plainly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(plain.engine, "find", lambda: None)
    return plain.run(["up"], folder=folder, stack="dev", fleet_file=folder / "fleet.yaml", environment={})


def taken_in() -> object:
    """What is not there any more as the engine is told to import it."""
    births = Births({URN: {"type": VPC.type, "urn": URN, "parent": STACK, "provider": f"{PROVIDER}::1f2e"}})
    there = [{"type": "pulumi:pulumi:Stack", "urn": STACK}, {"type": "pulumi:providers:aws", "urn": PROVIDER}]
    engine: Any = SimpleNamespace(export=lambda: {"resources": there}, take_in=lambda *_: None)
    return list(adopt_import.import_adopted(engine, births, [VPC]))


def cut_short(monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...] | None) -> object:
    """A creation of which these are there; None: its type cannot be looked up."""

    def find(_cloud: object, type_: str, *_: object) -> tuple[str, ...]:
        if there is None:
            raise KeyError(type_)
        return there

    monkeypatch.setattr(interrupted, "find", find)
    return interrupted._made(SimpleNamespace(), {}, [Pending(URN, VPC.type, "creating", {})])  # type: ignore[arg-type]


def held_elsewhere(folder: Path) -> object:
    lock = folder / ".pulumi/locks/organization/shop/dev/1.json"
    lock.parent.mkdir(parents=True)
    said = {"pid": 77, "hostname": "elsewhere", "timestamp": "2026-11-20T09:30:00Z"}
    lock.write_text(json.dumps(said), encoding="utf-8")
    engine: Any = SimpleNamespace(state_file=folder / ".pulumi/stacks/shop/dev.json", backend=f"file://{folder}")
    return list(interrupted._release_locks(engine, SimpleNamespace()))  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cause, text = CASES[case]
    reads(lambda: cause(tmp_path, monkeypatch), text.replace("{folder}", str(tmp_path)))
