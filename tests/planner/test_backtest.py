"""The back-test is honest: no origin sees what comes after it, and the better forecaster wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from quartermaster.planner.backtest import origins, pasts, trial
from quartermaster.planner.forecasters.base import Diverged
from quartermaster.planner.forecasters.registry import REFERENCES, candidates
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import Seasons

HOURLY = Seasons(24, 168)


@dataclass(frozen=True)
class Planted:
    """Knows the truth, off by a share; or fails."""

    truth: tuple[float, ...]
    wrong_by: float
    name: str = "planted"
    costly: bool = False
    fails: bool = False

    def refuses(self, length: int, seasons: Seasons) -> str:
        return ""

    def predict(self, rows: NDArray[np.float64], seasons: Seasons, steps: int) -> NDArray[np.float64]:
        if self.fails:
            raise Diverged("it was told to")
        truth = np.array(self.truth)
        out = []
        for row in rows:
            tail = row[-5:]
            at = next(i for i in range(5, len(truth) + 1) if np.array_equal(truth[i - 5 : i], tail))
            path = np.full(steps, truth[-1])
            path[: len(truth[at : at + steps])] = truth[at : at + steps]
            out.append(path * (1 + self.wrong_by))
        return np.stack(out)


@pytest.fixture
def values() -> NDArray[np.float64]:
    return demand(noise=0.1)["value"].to_numpy().copy()


def test_a_planted_better_model_wins(values: NDArray[np.float64]) -> None:
    result = trial(values, HOURLY, 48, [*REFERENCES, Planted(tuple(values), 0.01)])
    assert result is not None
    assert result.chosen[0].name == "planted"
    assert result.scores[0].relative_error is not None and result.scores[0].relative_error < 0.2


def test_a_planted_worse_model_is_not_used(values: NDArray[np.float64]) -> None:
    result = trial(values, HOURLY, 48, [*REFERENCES, Planted(tuple(values), 0.8)])
    assert result is not None
    assert "planted" not in {f.name for f in result.chosen}
    assert next(s for s in result.scores if s.model == "planted").reason.startswith("not used: worse")


def test_a_model_that_diverges_is_refused_by_name(values: NDArray[np.float64]) -> None:
    result = trial(values, HOURLY, 48, [*REFERENCES, Planted(tuple(values), 0.0, fails=True)])
    assert result is not None
    assert next(s for s in result.scores if s.model == "planted").reason == "refused: it was told to"


def test_what_comes_after_an_origin_does_not_reach_its_forecast(values: NDArray[np.float64]) -> None:
    values[5::7] = np.nan
    at = origins(len(values), HOURLY, 48)
    assert at is not None
    spoiled = values.copy()
    spoiled[at.ends[0] :] = 1e6
    for forecaster in candidates():
        clean = forecaster.predict(pasts(values, HOURLY, at.ends[:1], at.window), HOURLY, at.steps)
        after = forecaster.predict(pasts(spoiled, HOURLY, at.ends[:1], at.window), HOURLY, at.steps)
        assert np.array_equal(clean, after), forecaster.name


@pytest.mark.parametrize("length", range(1, 2000, 37))
@pytest.mark.parametrize("horizon", [1, 48, 336, 5000])
def test_origins_fit_into_the_history(length: int, horizon: int) -> None:
    at = origins(length, HOURLY, horizon)
    if at is not None:
        assert len(at.ends) >= 3
        assert at.window <= at.ends[0]
        assert at.ends == tuple(sorted(set(at.ends)))
        assert at.ends[-1] + at.steps == length


def test_rows_of_a_batch_do_not_see_each_other(values: NDArray[np.float64]) -> None:
    rows = np.stack([values[-1000:], values[-1000:] * 3 + 7])
    for forecaster in candidates():
        if not forecaster.costly:  # those fit on the first row by design
            both = forecaster.predict(rows, HOURLY, 30)
            assert np.array_equal(both[1], forecaster.predict(rows[1:], HOURLY, 30)[0]), forecaster.name
