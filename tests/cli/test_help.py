"""Every command has help with one example."""

from collections.abc import Iterator
from typing import Any

import pytest

from quartermaster.cli.command_lines import complaint
from quartermaster.cli.commands import build


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from commands(child, (*path, name))


ROOT = build()
ALL = [(" ".join(path), command) for path, command in commands(ROOT)]


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path for path, _ in ALL])
def test_help_says_what_it_does_and_shows_an_example_of_itself(path: str, command: Any) -> None:
    assert command.help
    example = (command.epilog or "").partition("Example: ")[2].splitlines()[0]
    assert f"ops {path}" in example, f"`ops {path}` has no example of itself in its help"
    assert not complaint(example), "it is no command that ops would take"


def test_the_commands_of_the_contract_exist() -> None:
    have = {path for path, _ in ALL}
    assert {
        "init",
        "validate",
        "doctor",
        "configure",
        "report",
        "provision preview",
        "provision up",
        "provision destroy",
        "provision outputs",
        "provision drift",
        "provision refresh",
        "provision graph",
        "adopt",
        "local up",
        "local down",
        "local status",
        "local reset",
        "local packages add",
        "local fail",
        "local heal",
        "local exec",
        "local env",
        "patch plan",
        "patch run",
        "patch resume",
        "patch recover",
        "patch status",
        "patch report",
        "metrics import",
        "metrics list",
        "metrics show",
        "metrics sync",
        "forecast run",
        "forecast backtest",
        "capacity plan",
        "capacity apply",
        "capacity whatif",
        "capacity report",
        "drill schedule",
        "schedule show",
        "scheduler run",
        "scheduler install",
        "drill run",
        "drill recover",
        "drill list",
        "drill lint",
        "drill report",
        "runbook render",
        "runbook list",
        "runbook check",
        "lease list",
        "lease break",
        "history list",
        "history show",
        "history export",
        "history verify",
    } <= have
