"""The back-test is honest: no origin sees what comes after it, and the better forecaster has the larger part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from quartermaster.planner.backtest import origins_of, roll
from quartermaster.planner.cycles import Cycles, Shape, cut, shape_of
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import Seasons

HOURLY = Seasons(24, 168)


@dataclass(frozen=True)
class Planted:
    """Knows the truth, off by a share; or diverges."""

    wrong_by: float
    name: str = "planted"

    def refuses(self, shape: Shape, origins: int) -> str:
        return ""

    def paths(self, past: Cycles, origins: int, blocks: int) -> NDArray[np.float64]:
        truth = np.nan_to_num(past.came(origins, blocks), nan=past.values.mean())
        end = np.full((len(past), 1, truth.shape[2]), past.values.mean())
        return np.concatenate([truth, end], axis=1) * (1 + self.wrong_by)


@pytest.fixture
def values() -> NDArray[np.float64]:
    return demand(noise=0.1)["value"].to_numpy().copy()


def parts(values: NDArray[np.float64], planted: Planted) -> dict[str, float]:
    rolled = roll([values], shape_of(len(values), HOURLY), 48, [*candidates(), planted])
    assert rolled is not None
    return dict(zip(rolled.mixture.names, rolled.mixture.weights[0].mean(axis=1).tolist(), strict=True))


def test_a_planted_better_model_wins(values: NDArray[np.float64]) -> None:
    assert parts(values, Planted(0.01))["planted"] > 0.95


def test_a_planted_worse_model_has_no_part(values: NDArray[np.float64]) -> None:
    found = parts(values, Planted(0.8))
    assert found["planted"] == 0
    assert sum(found.values()) == pytest.approx(1)


def test_a_model_that_diverges_has_no_part_and_spoils_no_path(values: NDArray[np.float64]) -> None:
    rolled = roll([values], shape_of(len(values), HOURLY), 48, [*candidates(), Planted(np.nan)])
    assert rolled is not None
    assert np.isfinite(rolled.mixture.paths).all()
    assert not np.isfinite(rolled.mixture.errors[0, rolled.mixture.names.index("planted")])


@pytest.mark.parametrize("forecaster", candidates(), ids=lambda f: f.name)
def test_what_comes_after_an_origin_does_not_reach_its_forecast(forecaster, values) -> None:  # type: ignore[no-untyped-def]
    values[5::7] = np.nan
    shape = shape_of(len(values), HOURLY)
    spoiled = values.copy()
    spoiled[-5 * 24 :] *= 1.5
    first = [forecaster.paths(cut([v], shape), 10, 3)[0, :6] for v in (values, spoiled)]
    assert np.allclose(*first, rtol=1e-9)


@pytest.mark.parametrize("forecaster", candidates(), ids=lambda f: f.name)
def test_series_of_a_batch_do_not_see_each_other(forecaster, values) -> None:  # type: ignore[no-untyped-def]
    shape = shape_of(len(values), HOURLY)
    both = forecaster.paths(cut([values * 3 + 7, values], shape), 5, 2)
    assert np.array_equal(both[1], forecaster.paths(cut([values], shape), 5, 2)[0])


@pytest.mark.parametrize("length", [*range(12, 400, 7), 700, 1344, 9000])
@pytest.mark.parametrize("seasons", [HOURLY, Seasons(1, 7), Seasons(288, 2016), Seasons(1, 1)])
def test_any_length_gives_a_finite_path(length: int, seasons: Seasons) -> None:
    shape = shape_of(length, seasons)
    values = np.random.default_rng(length).random(length)
    rolled = roll([values], shape, 30, candidates())
    assert rolled is not None
    assert np.isfinite(rolled.mixture.paths[0, -1, :30]).all()
    assert origins_of(shape) < shape.count
