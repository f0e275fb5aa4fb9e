"""What AWS's scalers would have done, against counting by hand."""

from __future__ import annotations

import numpy as np

from quartermaster.planner.scalers import predicted, tracked

ONE = np.array([0])


def column(*counts: int) -> np.ndarray:
    return np.array(counts, dtype=np.int64)[:, None]


def test_tracking_serves_a_metric_delay_and_a_lead_time_after_the_rise() -> None:
    wanted = column(2, 2, 5, 5, 5, 5, 5, 5, 5)
    out = tracked(wanted, wanted, ONE, np.ones_like(wanted), lead_minutes=10)
    # Seen one step later, served two steps after that.
    assert list(out[:, 0]) == [2, 2, 2, 2, 2, 5, 5, 5, 5]


def test_tracking_removes_only_after_fifteen_calm_minutes() -> None:
    wanted = column(5, 5, 2, 2, 2, 2, 2, 2)
    out = tracked(wanted, wanted, ONE, np.ones_like(wanted), lead_minutes=0)
    assert list(out[:, 0]) == [5, 5, 5, 5, 5, 5, 2, 2]


def test_a_floor_takes_its_lead_time_and_holds_against_tracking() -> None:
    wanted = column(1, 1, 1, 1, 1, 1)
    out = tracked(wanted, wanted, ONE, column(1, 4, 4, 4, 4, 4), lead_minutes=10)
    assert list(out[:, 0]) == [1, 1, 1, 4, 4, 4]


def test_each_way_goes_by_its_own_target() -> None:
    wanted = np.array([[2, 4], [2, 4], [3, 6], [3, 6], [3, 6]])
    out = tracked(wanted, wanted, np.array([1, 0, 1]), np.ones((5, 3), dtype=np.int64), lead_minutes=0)
    assert out.T.tolist() == [[4, 4, 4, 6, 6], [2, 2, 2, 3, 3], [4, 4, 4, 6, 6]]


def test_predictive_scaling_knows_fourteen_days_and_renews_every_six_hours() -> None:
    week = np.tile(np.arange(1.0, 25.0), 7)
    hours = np.concatenate([np.full(24, 900.0), week, week, week[:24]])
    found = predicted(hours, len(hours) - 24)
    # What lies more than 14 days back, the 900, is not seen; a steady week goes on.
    assert np.allclose(found, week[:24])
    broken = hours.copy()
    broken[-1] = 500.0
    assert np.allclose(predicted(broken, len(hours) - 24)[:18], found[:18])


def test_it_follows_the_level_of_the_last_day() -> None:
    week = np.tile(np.arange(1.0, 25.0), 7)
    hours = np.concatenate([week, week])
    hours[-24:] *= 2
    assert np.allclose(predicted(np.append(hours, np.zeros(6)), len(hours)), 2 * week[:6])
