"""What users read of drills, restores and runbooks that may not begin or cannot go on: whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from quartermaster.cli.faults_aws import FisFaults
from quartermaster.fleet.write_probe import Login
from quartermaster.runbooks.experiments import lose_host
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.overwrite import Overwriting
from quartermaster.runbooks.render import render
from quartermaster.runbooks.runner import Runner
from quartermaster.runbooks.steady import steady_step
from tests.fleet.test_texts import Answering
from tests.reads import reads
from tests.runbooks.stubbed import Clock
from tests.runbooks.test_texts import step

NOBODY = cast("Any", None)


def outage_of(zone: str) -> object:
    """What the step that cuts a zone off requires, where the plan is of another."""
    plan: Any = SimpleNamespace(kind="zone_outage", of="web", zone="eu-west-1a")
    require = KINDS["zone_outage"].commands["fail_zone"].require
    assert require is not None
    return require(NOBODY, plan, zone)


def loaded(*said: str) -> object:
    """A load beside the original, when the servers answer so; there is 1 GiB of storage."""
    login, answers = Login("db.example", 5432, "orders", "ops", "secret"), iter(said)
    backups = SimpleNamespace(storage_bytes=lambda _: 2**30)
    restorer: Any = SimpleNamespace(
        original=lambda _: login, reach=lambda _: login, ask=lambda *_: next(answers), backups=backups
    )
    return Overwriting(restorer, NOBODY, "orders", Clock(), run="R1", poll=0)._load()


def cloud(answer: Mapping[str, object]) -> Any:
    return SimpleNamespace(client=lambda _: Answering(answer), fleet="shop", stack="prod", region="eu-west-1")


def asked(output: str) -> object:
    row = {"Status": "Success", "StandardOutputContent": output}
    runner = Runner(cloud({"get_command_invocation": row}), NOBODY, {}, NOBODY, Clock())
    return runner._answer("C1", "i-1", until=10, asked="db.example")


def experiment(status: str) -> object:
    state = {"status": status, "reason": "halted by stop condition"}
    faults = FisFaults(cloud({"get_experiment": {"experiment": {"state": state}}}), "123456789012", tuple, Clock())
    return faults._follow("EXP1", "zone/eu-west-1a", ("running",))


def undefined(folder: Path) -> object:
    (folder / "tabletop.md.j2").write_text("{{ nobody }}", encoding="utf-8")
    return render(KINDS["tabletop"], {}, folder=folder)


def steadily(document: str) -> object:
    plan: Any = SimpleNamespace(kind="mine", document=document)
    return steady_step(plan)


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a fault on AWS that no alarm would stop": (
        lambda _: lose_host("shop", "prod", "i-1").require(),
        "error: the loss of host/i-1 may not be made on AWS: no CloudWatch alarm of the stack would stop it\n"
        "  remedy: ops provision up makes the alarms and tags; else rehearse it on a local stack\n",
    ),
    "an experiment that never begins": (
        lambda _: experiment("running"),
        "error: experiment EXP1 (zone/eu-west-1a) is running after 300 s\n"
        "  remedy: aws fis stop-experiment --id EXP1, then ops drill recover\n",
    ),
    "an experiment that an alarm stops": (
        lambda _: experiment("stopped"),
        "error: experiment EXP1 is stopped: halted by stop condition (zone/eu-west-1a)\n"
        "  remedy: a ringing alarm of the stack stops it: look at ops status; for rights: ops iam policy --for drill "
        "prints the rights it takes, ops provision up makes the role of experiments\n",
    ),
    "another zone than was planned": (
        lambda _: outage_of("eu-west-1b"),
        "error: the world has moved since the plan: asked for eu-west-1b, planned was eu-west-1a\n"
        "  remedy: plan anew: ops drill run zone_outage web\n",
    ),
    "no room beside the original": (
        lambda _: loaded(str(2**30), str(2**29)),
        "error: orders has 512 MiB of storage left, and 1024 are to come beside it\n"
        "  remedy: databases.orders.storage_gib, then ops provision up\n",
    ),
    "data that cannot be loaded beside the original": (
        lambda _: loaded("1", "1", "", "pg_dump: error: no such role"),
        "error: what was restored of orders cannot be loaded beside it: pg_dump: error: no such role\n",
    ),
    "more rows than SSM brings back": (
        lambda _: asked("x" * 24_000),
        "error: db.example answers more than the 24000 characters that SSM brings back\n",
    ),
    "a template with a name that there is not": (
        undefined,
        "error: the runbook tabletop cannot be rendered: 'nobody' is undefined\n"
        "  tabletop.md.j2 tabletop: 'nobody' is undefined\n"
        "      → names that there are: of, stack, target, way, why, runner_up, objective, stops, calm_seconds, "
        "questions, scope, limits\n",
    ),
    "a runbook without a steady state": (
        lambda _: steadily("---\nkind: mine\n---\n# Mine\n" + step(1, "look", "verify")),
        "error: the runbook mine does not begin with a steady state\n  remedy: instance_loss does, for one\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, tmp_path: Path) -> None:
    cause, text = CASES[case]
    reads(lambda: cause(tmp_path), text)
