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
from quartermaster.cli import runbook_walk
from quartermaster.cli.errors import render
from quartermaster.cli.faults_aws import _arns
from quartermaster.cli.instants import instant
from quartermaster.cli.notify_send import send
from quartermaster.cli.options import Options
from quartermaster.cli.output import confirm
from quartermaster.cli.patch_control import open_until
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.notices import Notice
from quartermaster.fleet.schema import Fleet, read_text
from tests.fleet.test_texts import Answering

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
    "a question that nobody is here to answer": (
        unattended,
        "error: nobody here to ask: Remove everything?\n  remedy: --yes, after reading the plan\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cause, text = CASES[case]
    with pytest.raises(OpsError) as refused:
        cause(monkeypatch)
    assert render(refused.value) == text
