"""`ops drill run tabletop`: at a terminal, from a file, and with nobody there."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quartermaster.cli import drill as commands
from quartermaster.cli.command_lines import complaint
from quartermaster.cli.main import run
from quartermaster.fleet.schema import load_fleet
from quartermaster.runbooks.kinds.tabletop import questions
from tests.cli.terminal import typing
from tests.runbooks.rehearsal import hands
from tests.runbooks.test_tabletop import TEXT, a_plan
from tests.runbooks.world import FakeWorld

IDS = ["called", "document", "zone_alarm", "zone_left", "zone_command", "change"]
RUN = ["drill", "run", "tabletop", "web", "--now", "--json", "--yes"]
Typed = Callable[..., int]


@pytest.fixture(autouse=True)
def _fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(commands, "planned", lambda ops, kind, of, **_: a_plan(of))
    monkeypatch.setattr(commands, "hands", lambda _: hands(FakeWorld()))


def answers(text: str) -> list[str]:
    Path("answers.yaml").write_text(text)
    return ["--answers", "answers.yaml"]


def test_with_nobody_there_it_says_at_once_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(RUN) == 2
    remedy = json.loads(capsys.readouterr().out)["remedy"]
    assert "--answers FILE.yaml" in remedy
    assert re.findall(r"^ {6}(\w+):", remedy, re.MULTILINE) == IDS


def test_the_answers_of_a_file_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    text = "people: [Ada]\nanswers:\n  called: {answer: Ben, seconds: 400, knew: no}\n"
    text += "".join(f"  {name}: in the wiki\n" for name in IDS[1:])
    assert run([*RUN, *answers(text)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["rto_seconds"], result["rpo_seconds"], result["objective_met"]) == (None, None, None)
    assert result["detail"]["people"] == ["Ada"]
    called, document = result["detail"]["answers"][:2]
    assert (called["answer"], called["seconds"], called["late"], called["knew"]) == ("Ben", 400, True, "no")
    assert (document["answer"], document["seconds"], document["knew"]) == ("in the wiki", None, None)


def test_every_fault_of_the_file_is_told_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = "people: Ada\nanswers:\n  called: {answer: Ben, knew: perhaps}\n  weather: fine\n"
    assert run([*RUN, *answers(text)]) == 2
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert {(fault["line"], fault["where"]) for fault in faults} == {
        (1, "people"),
        (3, "answers.called.knew"),
        (4, "answers.weather"),
        *((2, f"answers.{name}") for name in IDS[1:]),
    }
    assert all(fault["remedy"] and fault["file"] == "answers.yaml" for fault in faults)


def test_a_table_answers_at_the_terminal_and_judges_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["Ada, Ben"]
    for question in questions(load_fleet(Path("fleet.yaml")), "web"):
        typed += [f"about {question.id}"] + (["perhaps", "partly"] if question.known else [])
    monkeypatch.setattr(sys, "stdin", typing(*typed))
    assert run([word for word in RUN if word != "--json"]) == 0
    out, err = capsys.readouterr()
    assert "It is 3 at night and web fails" in err
    assert "the fleet says: alarms wake nobody" in err
    assert "table-top of web with Ada, Ben" in out
    assert "to work on: Who is called?; " in out


def test_the_file_in_the_guide_is_read_as_answers(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (Path(__file__).parents[2] / "docs/guide/runbooks.md").read_text(encoding="utf-8")
    block = "".join(re.findall(r"^ {8}(.*\n)", guide, re.MULTILINE))
    assert run([*RUN, *answers(block)]) == 2
    wheres = [fault["where"] for fault in json.loads(capsys.readouterr().out)["faults"]]
    assert wheres == [f"answers.{name}" for name in IDS[2:]]  # it answers two of them, and nothing in it is wrong


def test_answers_are_for_kinds_that_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drill", "run", "instance_loss", "web", *answers("answers: {}\n")]) == 2
    assert "instance_loss asks no questions" in capsys.readouterr().err


@pytest.mark.parametrize("of", ["web", "orders", "jobs", "shop"])
def test_what_the_fleet_says_names_only_commands_that_there_are(of: str) -> None:
    known = [item.known for item in questions(load_fleet(Path("fleet.yaml")), of)]
    told = [command for text in known for command in re.findall(r"`([^`]+)`", text)]
    assert told
    assert [complaint(command) for command in told if complaint(command)] == []
