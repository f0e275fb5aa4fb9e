"""What users read of a Dask cluster that nobody works on, or that is lost: message and remedy, whole."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any, Self

import pytest
from distributed import KilledWorker

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import OpsError
from quartermaster.planner import many


class Pending:
    """A piece whose answer comes to nothing, so."""

    def __init__(self, end: BaseException | None = None) -> None:
        self._end = end

    def done(self) -> bool:
        return self._end is not None

    def result(self) -> object:
        assert self._end is not None
        raise self._end


class Idle:
    """A cluster without workers."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def nthreads(self) -> dict[str, int]:
        return {}

    def wait_for_workers(self, *_: object, **__: object) -> None:
        raise TimeoutError


def alone() -> None:
    with many._cluster("tcp://planner:8786"):
        pytest.fail("somebody works")


def ended(end: BaseException | None = None) -> Callable[[], object]:
    return lambda: many._awaited(Pending(end), Idle())  # type: ignore[arg-type]


WORKER: Any = SimpleNamespace(address="tcp://w3:40001")
LOST = {
    "no workers": (
        alone,
        "error: the Dask cluster at tcp://planner:8786 has no workers\n"
        "  remedy: start some: dask worker tcp://planner:8786\n",
    ),
    "no workers any more": (
        ended(),
        "error: the Dask cluster has no workers left\n  remedy: start workers, then run it again\n",
    ),
    "workers that die": (
        ended(KilledWorker("_answer-1f2e", WORKER, 3)),
        "error: 4 workers died on one piece, the last at tcp://w3:40001\n"
        "  remedy: look at that one's log; give workers more memory\n",
    ),
    "a scheduler that is gone": (
        ended(OSError("Timed out trying to connect to tcp://planner:8786")),
        "error: the connection to the Dask scheduler is lost: Timed out trying to connect to tcp://planner:8786\n"
        "  remedy: run it again\n",
    ),
    "pieces that nobody holds any more": (
        ended(CancelledError("_answer-1f2e")),
        "error: the connection to the Dask scheduler is lost: _answer-1f2e\n  remedy: run it again\n",
    ),
    "workers of another version": (
        lambda: many._answer(None, None, "planner 1f2e, python 3.9.2"),  # type: ignore[arg-type]
        "error: the Dask worker on w3 has other software: planner 3d4c, python 3.11.7; here it is planner 1f2e, "
        "python 3.9.2\n  remedy: install the same quartermaster and Python there\n",
    ),
}


@pytest.mark.parametrize("case", LOST)
def test_a_cluster_that_fails_is_told(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_LONELY_SECONDS", -1.0)
    monkeypatch.setattr(many, "_software", lambda: "planner 3d4c, python 3.11.7")
    monkeypatch.setattr("platform.node", lambda: "w3")
    monkeypatch.setattr("distributed.Client", Idle)
    cause, text = LOST[case]
    with pytest.raises(OpsError) as told:
        cause()
    assert render(told.value) == text
