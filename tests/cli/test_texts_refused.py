"""What users read of what is refused before anything is done: windows, alarms, runbooks, instants; whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import apprise
import pytest

from quartermaster.cli import options as options_module
from quartermaster.cli import runbook_walk, serve
from quartermaster.cli.adopt import _anywhere
from quartermaster.cli.faults_aws import _arns
from quartermaster.cli.instants import instant
from quartermaster.cli.notify_send import send
from quartermaster.cli.options import Options
from quartermaster.cli.output import confirm
from quartermaster.cli.patch_control import open_until
from quartermaster.fleet.notices import Notice
from quartermaster.fleet.schema import Fleet, read_text
from tests.fleet.test_texts import Answering
from tests.reads import reads

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
FLEET = """
fleet: shop
clusters: {web: {}}
patching: {web: {window: "Sat 01:00-05:00"}}
freezes: [{from: 2026-11-20, to: 2026-11-30, why: sale}]
"""


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, yes: bool = True) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: yes))


def walked(*asked: str) -> Callable[[pytest.MonkeyPatch], object]:
    def cause(monkeypatch: pytest.MonkeyPatch) -> object:
        at_a_terminal(monkeypatch)
        return runbook_walk.run(*asked)

    return cause


def now(text: str) -> object:
    ops: Any = SimpleNamespace(fleet=read_text(text).fleet, clock=SimpleNamespace(now=lambda: NOW))
    return open_until(ops, "web", "")


def alarms(*names: str) -> object:
    told = {"describe_alarms": {"MetricAlarms": [{"AlarmName": "web-errors", "AlarmArn": "arn:1"}]}}
    return _arns(SimpleNamespace(client=lambda _: Answering(told)), names)  # type: ignore[arg-type]


def untold(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(apprise.Apprise, "instantiate", lambda *_, **__: SimpleNamespace(notify=lambda **_: False))
    fleet = Fleet.model_validate({"fleet": "shop", "notify": ({"kind": "slack", "url": "https://hooks.example/T1"},)})
    return send(SimpleNamespace(), fleet.notify[0], Notice("patch-1", "done", "patch.done", "Patched", "web"))  # type: ignore[arg-type]


def unattended(monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, yes=False)
    monkeypatch.setattr(options_module, "OPTIONS", Options())
    confirm("Remove everything?")


def nowhere(monkeypatch: pytest.MonkeyPatch) -> object:
    """A look for what an account runs, where neither option nor profile names a region."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    return _anywhere("adopted", "")


def served(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("OPS_SERVE_TOKEN", "short")
    monkeypatch.setattr(serve, "session", lambda: SimpleNamespace(fleet=None))
    return serve.serve(host="0.0.0.0", port=0)


CASES: dict[str, tuple[Callable[[pytest.MonkeyPatch], object], str]] = {
    "a day before all days": (
        lambda _: instant("999999999d", NOW),
        "error: --since '999999999d' is before all calendars\n  remedy: a date such as 2026-01-01, or 30d\n",
    ),
    "a patch outside its window, in a freeze": (
        lambda _: now(FLEET),
        "error: web is not patched now: it is outside the window 'Sat 01:00-05:00'; the next opens Sat 05 Dec 01:00; "
        "the freeze from 2026-11-20 to 2026-11-30 holds (sale)\n"
        "  remedy: --override with --reason, if it must be now; `ops patch recover web` puts everything back\n",
    ),
    "no alarm to look for": (
        lambda _: alarms(),
        "error: no fault may be made on AWS: the stack has no alarm on errors or latency that would stop it\n"
        "  remedy: give a cluster a balancer; its alarms come with it\n",
    ),
    "alarms that are not there": (
        lambda _: alarms("web-errors", "web-latency"),
        "error: no fault may be made on AWS: these alarms would stop it and are not there: web-latency\n"
        "  remedy: ops provision up\n",
    ),
    "a channel that takes nothing": (
        untold,
        "error: slack was not told: no reason given\n  remedy: ops notify test\n",
    ),
    "a runbook of nothing": (
        walked("", ""),
        "error: say what to walk\n  remedy: `ops runbook run KIND OF`, or `ops runbook run --resume RUN`\n",
    ),
    "a runbook of a table-top": (
        walked("tabletop", "web"),
        "error: a table-top is talked through\n  remedy: ops drill run tabletop web --now\n",
    ),
    "no region to look in": (nowhere, "error: no region\n  remedy: --region, or AWS_REGION\n"),
    "a token that is guessed soon": (
        served,
        "error: OPS_SERVE_TOKEN has 5 characters\n  remedy: 16 or more, or none to have one made\n",
    ),
    "a question that nobody is here to answer": (
        unattended,
        "error: nobody here to ask: Remove everything?\n  remedy: --yes, after reading the plan\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cause, text = CASES[case]
    reads(lambda: cause(monkeypatch), text)
