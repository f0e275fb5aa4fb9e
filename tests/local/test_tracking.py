"""When target tracking changes a group, on periods made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quartermaster.infra.local.haproxy_servers import pool_requests
from quartermaster.infra.local.tracking import Change, Size, decide, per_host_and_minute

WEB = Size(hosts=3, desired=3, low=3, high=10, settling=False)
LARGE = replace(WEB, hosts=6, desired=6)


def to(points: list[float | None], size: Size = WEB) -> int | None:
    change = decide(points, 100.0, size)
    return change.desired if change else None


def test_three_periods_above_the_target_scale_out_in_proportion() -> None:
    assert to([50, 150, 160, 170]) == 6
    assert decide([170] * 3, 100.0, WEB) == Change(6, "170 requests per host and minute are more than 100")


@pytest.mark.parametrize("points", [[150, 150], [150, 90, 150], [150, None, 150], [100, 100, 100]])
def test_a_shorter_peak_changes_nothing(points: list[float | None]) -> None:
    assert to(points) is None


def test_no_more_than_the_max() -> None:
    assert to([900] * 3) == 10
    assert to([900] * 3, replace(WEB, desired=10)) is None


def test_hosts_on_their_way_in_are_counted() -> None:
    assert to([150] * 3, replace(WEB, desired=5, settling=True)) is None


def test_fifteen_quiet_periods_scale_in_and_never_below_the_min() -> None:
    assert to([40.0] * 14, LARGE) is None
    assert to([70.0] * 15, LARGE) == 5
    assert to([10.0] * 15, LARGE) == 3


@pytest.mark.parametrize("last", [95.0, None])
def test_near_the_target_or_without_a_metric_nothing_is_taken_away(last: float | None) -> None:
    assert to([40.0] * 14 + [last], LARGE) is None


def test_nothing_is_taken_away_while_a_host_settles() -> None:
    assert to([40.0] * 15, replace(LARGE, settling=True)) is None


def test_the_metric_is_per_host_and_minute() -> None:
    assert per_host_and_minute(50, 10, 3) == pytest.approx(100)
    assert per_host_and_minute(0, 10, 3) is None
    assert per_host_and_minute(50, 10, 0) is None


def test_requests_are_counted_by_target_group() -> None:
    names = ["hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other"]
    stat = "\n".join(
        [
            "# pxname,svname,mode," + ",".join(names),
            "listener-80,FRONTEND,http,0,9,0,0,0,0",
            "web,i-1,http,0,7,0,0,0,0",
            "web,BACKEND,http,0,7,1,0,1,0",
            "tcp,BACKEND,tcp,,,,,,",
        ]
    )
    assert pool_requests(stat) == {"web": 9}
