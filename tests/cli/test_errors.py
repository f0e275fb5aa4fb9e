"""What a user sees of an error."""

import json

import pytest

from quartermaster.cli import options as options_module
from quartermaster.cli.errors import guarded, render
from quartermaster.cli.output import emit
from quartermaster.fleet.errors import Fault, InputError, LeaseHeld, OpsError, Stopped


@pytest.fixture(autouse=True)
def plain_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options_module, "OPTIONS", options_module.Options())


def failing(error: BaseException):
    def work(_: list[str]) -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code"),
    [(OpsError("x"), 1), (InputError("x"), 2), (LeaseHeld("x"), 1), (Stopped("x"), 4), (KeyboardInterrupt(), 130)],
)
def test_the_exit_status_is_the_errors_own(error: BaseException, code: int) -> None:
    assert guarded(failing(error), []) == code


def test_every_fault_is_shown_with_line_value_and_remedy() -> None:
    error = InputError(
        "fleet.yaml has 2 faults",
        [
            Fault("clusters.web.size.min", "min 9 is above max 3", "min ≤ 3", 12, "fleet.yaml"),
            Fault("zones", "7 zones, eu-west-1 has 3", "2 or 3", 4, "fleet.yaml"),
        ],
    )
    text = render(error)
    assert "fleet.yaml:12 clusters.web.size.min: min 9 is above max 3" in text
    assert "→ 2 or 3" in text


def test_a_fault_of_ours_shows_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(failing(ZeroDivisionError("oops")), []) == 1
    shown = capsys.readouterr().err
    assert "a fault in ops itself: ZeroDivisionError: oops" in shown
    assert "Traceback" not in shown


def test_with_json_the_error_is_one_document_on_stdout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options_module.OPTIONS, "json", True)
    guarded(failing(InputError("bad", [Fault("a", "b", "c", 1, "f")])), [])
    document = json.loads(capsys.readouterr().out)
    assert document["faults"] == [{"file": "f", "line": 1, "where": "a", "problem": "b", "remedy": "c"}]


def test_with_json_stdout_holds_one_document_also_when_the_work_failed(capsys: pytest.CaptureFixture[str]) -> None:
    options_module.OPTIONS.json = True

    def work(_: list[str]) -> int:
        emit({"state": "failed", "hosts": []})
        raise OpsError("one host failed")

    assert guarded(work, []) == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == {"state": "failed", "hosts": []}
    assert "one host failed" in told.err
    assert guarded(failing(OpsError("nothing was done")), []) == 1
    assert json.loads(capsys.readouterr().out)["error"] == "nothing was done"
