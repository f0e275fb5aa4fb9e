"""What users read of runs, channels and machines that are not as a command needs them: whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from quartermaster.cli import demo_steps, patch, patch_database, rehearsal, rehearse
from quartermaster.cli import options as options_module
from quartermaster.cli import session as session_module
from quartermaster.cli.errors import guarded
from quartermaster.cli.logins import login_of
from quartermaster.cli.main import run
from quartermaster.cli.notify_send import send
from quartermaster.cli.options import Options
from quartermaster.cli.outfile import check_out
from quartermaster.cli.output import confirm
from quartermaster.cli.rehearsal import Rehearsal, Step
from quartermaster.cli.ssh import inventory
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.notices import Notice
from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.infra.local import client
from quartermaster.playbooks.patch_run import Tools
from tests.fleet.test_texts import Answering, denied
from tests.reads import reads

FLEET = "fleet: shop\nclusters: {web: {}}\ndatabases: {orders: {engine: postgres}}\n"
NO = "An error occurred (AccessDeniedException) when calling the Act operation: no"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a fleet.yaml, where the command is typed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    (tmp_path / ".ops").mkdir()
    return tmp_path


LEFT = {
    ("patch", "orders", "patch run orders"): (
        2,
        "error: patch run RUN of orders was cut short\n"
        "  remedy: ops patch resume orders goes on; ops patch recover orders puts everything back\n",
    ),
    ("patch", "web", "patch abort web"): (
        2,
        "error: patch run RUN of web was cut short: its process is gone\n"
        "  remedy: ops patch resume web goes on; ops patch recover web puts everything back\n",
    ),
    ("drill", "instance_loss web", "drill run instance_loss web"): (
        2,
        "error: drill RUN was cut short and is not put right\n  remedy: ops drill recover\n",
    ),
    ("patch", "web", "drill export RUN --out chaos"): (
        2,
        "error: RUN is no drill but a run of kind patch\n  remedy: ops drill list\n",
    ),
    ("drill", "instance_loss web", "patch resume web"): (
        2,
        "error: no patch run of web was cut short\n  remedy: ops patch run web\n",
    ),
}
"""A run whose process is gone, of a kind and a subject, and a command: its status and what it says."""


@pytest.mark.parametrize(("kind", "subject", "typed"), LEFT)
def test_a_run_that_was_left_is_told(
    kind: str,
    subject: str,
    typed: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as other:
        other.setattr("quartermaster.fleet.journal.process_started", lambda _pid: "1")
        left = Journal.open(folder / ".ops/ops.db").start(kind, stack="dev", subject=subject).id
    monkeypatch.setattr(client, "ensure_running", lambda *_: pytest.fail("the local cloud was begun"))
    status = run([*typed.replace("RUN", left).split(), "--yes"])
    assert (status, capsys.readouterr().err.replace(left, "RUN")) == LEFT[kind, subject, typed]


def closed(state: str, module: Any = patch, **document: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """A run that comes to its end in that state."""

    def cause(monkeypatch: pytest.MonkeyPatch) -> None:
        came_to = {"state": state, "why": "", "cluster": "web", "database": "orders", "hosts": [], **document}
        monkeypatch.setattr(module, "_outcome", lambda *_: came_to)
        monkeypatch.setattr(module, "_told", lambda _: "")
        record = SimpleNamespace(id="patch-1", finish=lambda *_: None)
        (patch.close if module is patch else patch_database._close)(SimpleNamespace(), record)  # type: ignore[arg-type]

    return cause


def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch run in whose midst ops itself fails."""
    monkeypatch.setattr(patch, "_tools", lambda *_: Tools(**dict.fromkeys(Tools.__dataclass_fields__)))  # type: ignore[arg-type]
    ops: Any = SimpleNamespace(
        hosts=SimpleNamespace(group=lambda name: SimpleNamespace(cluster=name, zones=("eu-west-1a",))),
        scope=lambda *parts: "/".join(parts),
        run=lambda *_, **__: nullcontext((SimpleNamespace(id="patch-1"), None)),
        journal=SimpleNamespace(events=lambda *_, **__: []),
    )
    with patch.under_way(ops, "web"):
        raise ZeroDivisionError("division by zero")


def shown(sent: int, failed: int) -> Callable[[pytest.MonkeyPatch], None]:
    """A demo's patch under a load of so many requests."""
    load = SimpleNamespace(sent=sent, failed=failed)
    demo: Any = SimpleNamespace(
        offer=lambda _: None, under_load=lambda *_: ({"hosts": []}, load), extras={}, fleet_file="demo/fleet.yaml"
    )
    return lambda _: demo_steps._patch(demo)


def nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    check_out(Path("plan.json"))


def copied(status: int, stdout: str) -> Callable[[pytest.MonkeyPatch], None]:
    """A command on the copy of a rehearsal that ends so."""

    def cause(monkeypatch: pytest.MonkeyPatch) -> None:
        ended = subprocess.CompletedProcess([], status, stdout)
        monkeypatch.setattr(rehearsal, "called", lambda *_: ended)
        Rehearsal(Path("fleet.yaml"), "web", Path("copy")).ops("provision", "up")

    return cause


def rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __init__(self, *_: object) -> None: ...

        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *_: object) -> None: ...

        def provision(self) -> Step:
            return Step("provision", 1.0, False, "the engine failed")

    monkeypatch.setattr(rehearsal, "Rehearsal", Failing)
    monkeypatch.setattr(options_module, "OPTIONS", Options(fleet=Path("fleet.yaml")))
    monkeypatch.setattr(session_module, "_BEGUN", [])
    rehearse.provision()


def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quartermaster.infra.local.network.routes", list)
    monkeypatch.setattr("quartermaster.infra.local.network.overlapping", lambda *_: "10.0.0.0/8 via eth0")
    rehearsal.free_network()


def cloud(target: str = "local") -> Any:
    """A session on a cloud that refuses everything."""
    refusing = SimpleNamespace(target=target, client=lambda _: Answering(denied()))
    return SimpleNamespace(cloud=refusing, fleet=read_text(FLEET).fleet, stack="dev")


def told(**channel: str) -> Callable[[pytest.MonkeyPatch], None]:
    fleet = Fleet.model_validate({"fleet": "shop", "notify": ({**channel},)})
    return lambda _: send(cloud(), fleet.notify[0], Notice("patch-1", "done", "patch.done", "Patched", "web"))


def refused_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(options_module, "OPTIONS", Options())
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: False)
    confirm("Remove everything?")


CASES: dict[str, tuple[Callable[[pytest.MonkeyPatch], object], str]] = {
    "a run that was aborted": (
        closed("aborted"),
        "error: patch-1 was aborted by hand; everything is put back\n  remedy: ops patch status web\n",
    ),
    "a run that stopped": (
        closed("stopped", why="Ctrl-C"),
        "error: patch-1 stopped part-way: Ctrl-C\n  remedy: ops patch resume web\n",
    ),
    "a run that failed": (
        closed("failed", why="2 hosts failed", hosts=[{"id": "i-1", "state": "drained", "why": "apt: broken"}]),
        "error: patch-1 failed: 2 hosts failed; i-1 drained: apt: broken\n  remedy: ops history patch-1\n",
    ),
    "maintenance that stopped": (
        closed("stopped", patch_database),
        "error: patch-1 stopped part-way\n  remedy: ops patch resume orders\n",
    ),
    "maintenance that was aborted": (
        closed("aborted", patch_database),
        "error: patch-1 was aborted by hand; what was done stays\n  remedy: ops patch status orders\n",
    ),
    "a run in which ops itself fails": (
        faulty,
        "error: a fault in ops itself: ZeroDivisionError: division by zero\n"
        "  remedy: ops patch recover web; --debug shows where\n",
    ),
    "a demo whose patch is noticed": (
        shown(900, 3),
        "error: 3 of 900 requests failed during the patch\n  remedy: look with: ops --fleet demo/fleet.yaml history\n",
    ),
    "an output that may not be written": (
        nobodys,
        "error: plan.json cannot be written: Permission denied\n  remedy: another --out\n",
    ),
    "a rehearsed command that is refused": (
        copied(2, '{"error": "no room", "remedy": "make room"}'),
        "error: no room\n  remedy: make room\n",
    ),
    "a rehearsed command that dies": (copied(-9, ""), "error: ops provision up exited with -9\n"),
    "a rehearsal that fails": (
        rehearsed,
        "error: the rehearsal of provision failed\n  remedy: see what happened, above\n",
    ),
    "a machine without a free network": (
        crowded,
        "error: no network 10.N.0.0/16 is free on this machine\n  remedy: ip route shows what is in the way\n",
    ),
    "a login that may not be read": (
        lambda _: login_of(cloud(), "orders"),
        f"error: the login shop/dev/orders cannot be read: {NO}\n  remedy: ops provision up, or your rights\n",
    ),
    "hosts on aws without its tools": (
        lambda _: inventory(cloud("aws"), ()),
        "error: hosts on aws are reached over SSM sessions, and AWS's command line and the plugin by which AWS's "
        "command line opens sessions is not installed here\n"
        "  remedy: install AWS CLI 2 and session-manager-plugin, and see that both are on PATH\n",
    ),
    "a topic that refuses": (
        told(kind="sns", topic="arn:aws:sns:eu-west-1:123456789012:ops"),
        f"error: AWS refused to publish the notice: {NO}\n"
        "  remedy: is arn:aws:sns:eu-west-1:123456789012:ops there, and may ops publish?\n",
    ),
    "an address that is none": (
        told(kind="email", url="post@example"),
        "error: the email address is none that can be told\n  remedy: see docs/guide/notices.md\n",
    ),
    "a question answered no": (refused_by_hand, "error: not confirmed; nothing was changed\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    cause, text = CASES[case]
    reads(lambda: cause(monkeypatch), text)


SYSTEM = {
    FileNotFoundError(2, "No such file or directory", "/etc/nowhere"): (
        "error: /etc/nowhere: No such file or directory\n"
        "  remedy: see that it is there, and yours to read and write; --debug shows where\n"
    ),
    OSError(28, "No space left on device"): (
        "error: what was written to: No space left on device\n  remedy: make room (df), then again\n"
    ),
}


@pytest.mark.parametrize("error", SYSTEM, ids=lambda error: str(error.errno))
def test_what_the_system_refuses_is_no_fault_of_ours(error: OSError, capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: list[str]) -> int:
        raise error

    assert guarded(work, []) == 1
    assert capsys.readouterr().err == SYSTEM[error]
