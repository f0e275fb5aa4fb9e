"""What settings allow at best, worked by hand."""

from __future__ import annotations

import pytest

from quartermaster.fleet.objectives import detection_seconds, earliest_detection_seconds
from quartermaster.fleet.schema import Balancer


@pytest.mark.parametrize(
    ("interval", "threshold", "earliest", "latest"),
    [
        # Silent at 0: asked at 0 and 5, and given up at 8; where it answered right before, asked at 5 and 10.
        (5, 2, 8, 13),
        (5, 3, 13, 18),
        (30, 2, 35, 65),
        (5, 10, 48, 53),
    ],
)
def test_a_silent_host_is_noticed_within(interval: int, threshold: int, earliest: int, latest: int) -> None:
    balancer = Balancer(check_seconds=interval, unhealthy_after=threshold)
    assert (earliest_detection_seconds(balancer), detection_seconds(balancer)) == (earliest, latest)
