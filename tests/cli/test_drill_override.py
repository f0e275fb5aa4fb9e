"""`ops drill run --override`: which guards it breaks, and what it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartermaster.cli import drill as commands
from quartermaster.cli.main import run
from quartermaster.fleet.errors import OpsError
from tests.runbooks.test_tabletop import TEXT

RUN = ["drill", "run", "instance_loss", "web", "--json", "--yes"]


@pytest.fixture(autouse=True)
def _fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("guard", ["freezes", "capacity", "allow"])
def test_what_no_override_breaks_is_refused_with_what_one_does(guard: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*RUN, "--override", guard, "--reason", "why not"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["error"], told["remedy"]) == (
        f"no override breaks {guard!r}",
        "--override with one of: freeze, hours",
    )


@pytest.mark.parametrize("reason", [[], ["--reason", " "]])
def test_it_takes_a_reason(reason: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*RUN, "--override", "freeze", *reason]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "--override freeze needs a reason"


def test_it_goes_to_the_guards_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    def planned(*_: object, **what: object) -> None:
        given.update(what)
        raise OpsError("planned")

    monkeypatch.setattr(commands, "planned", planned)
    assert run([*RUN, "--override", "hours", "--reason", "the auditors are here"]) == 1
    assert given["overrides"] == {"hours": "the auditors are here"}
