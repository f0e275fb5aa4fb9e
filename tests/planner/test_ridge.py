"""Sums kept by origin give the fit that each origin would have made alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from quartermaster.planner.forecasters.ridge import Block, solved

SERIES, ORIGINS, STEPS = 3, 20, 6


def made(seed: int, ahead: int) -> Block:
    rng = np.random.default_rng(seed)
    shape = (SERIES, ORIGINS, STEPS)
    features = [rng.standard_normal(shape), rng.standard_normal((SERIES, ORIGINS, 1)), 0.1 * rng.standard_normal(shape)]
    rows = ORIGINS - ahead
    known = rng.random((SERIES, rows, STEPS)) < 0.8
    return Block(rng.standard_normal(shape), features, rng.standard_normal((SERIES, rows, STEPS)), known)


def alone(block: Block, series: int, origin: int, ahead: int, penalty: float, fade: float) -> NDArray[np.float64]:
    """The same by weighted rows and one solve, for one origin."""
    table = np.stack([np.broadcast_to(f, block.centre.shape)[series] for f in block.features], axis=2)
    rows = origin - ahead + 1
    if rows < 2:
        return np.asarray(block.centre[series, origin])
    weight = (fade ** np.arange(rows - 1, -1, -1.0))[:, None] * block.known[series, :rows]
    if block.weight is not None:
        weight = weight * block.weight[series, :rows]
    x, y, w = table[:rows].reshape(-1, 3), block.target[series, :rows].ravel(), weight.ravel()
    gram, moments = x.T @ (w[:, None] * x), x.T @ (w * y)
    scale = np.sqrt(np.diag(gram))
    fitted = np.linalg.solve(gram / np.outer(scale, scale) + penalty * np.eye(3), moments / scale) / scale
    return np.asarray(block.centre[series, origin] + table[origin] @ fitted)


@pytest.mark.parametrize(("ahead", "half_life"), [(1, None), (1, 5.0), (4, None), (4, 5.0)])
def test_each_origin_is_fitted_on_what_had_come_by_then(ahead: int, half_life: float | None) -> None:
    block = made(ahead, ahead)
    fade = 1.0 if half_life is None else 0.5 ** (1 / half_life)
    paths = solved(block, ahead, ORIGINS - 1, 0.3, half_life)
    for series in range(SERIES):
        for origin in range(ORIGINS):
            expected = alone(block, series, origin, ahead, 0.3, fade)
            assert paths[series, origin] == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_a_fit_is_the_same_however_many_origins_are_asked_for() -> None:
    block = made(7, 2)
    assert solved(block, 2, 3, 0.1, 9.0) == pytest.approx(solved(block, 2, 12, 0.1, 9.0)[:, -4:], rel=1e-9)


def test_series_of_a_batch_do_not_touch() -> None:
    block = made(8, 1)
    one = Block(block.centre[1:2], [f[1:2] for f in block.features], block.target[1:2], block.known[1:2])
    assert (solved(one, 1, 5, 0.1, None) == solved(block, 1, 5, 0.1, None)[1:2]).all()


def test_rows_count_by_their_weight() -> None:
    plain = made(9, 2)
    weight = np.random.default_rng(9).random(plain.target.shape)
    block = Block(plain.centre, plain.features, plain.target, plain.known, weight)
    paths = solved(block, 2, 5, 0.3, 5.0)
    expected = alone(block, 1, ORIGINS - 1, 2, 0.3, 0.5 ** (1 / 5.0))
    assert paths[1, -1] == pytest.approx(expected, rel=1e-6, abs=1e-7)
    assert paths[1, -1] != pytest.approx(solved(plain, 2, 5, 0.3, 5.0)[1, -1], rel=1e-3)
