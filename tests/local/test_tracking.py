"""When target tracking changes a group, on periods made by hand."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clockwork import Clockwork, clockwork

from quartermaster.infra.local.haproxy_servers import pool_requests
from quartermaster.infra.local.processor import seconds_by_namespace, used_seconds
from quartermaster.infra.local.tracking import Change, Size, decide, per_host_and_minute, percent_of

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


def test_cpu_is_what_each_host_used_of_its_own_vcpus() -> None:
    before, after = {"i-1": 5.0, "i-2": 8.0, "i-3": 90.0}, {"i-1": 11.0, "i-2": 14.0, "i-3": 2.0}
    # 6 s of 20 and 6 s of 40; the third has booted anew, the fourth was not there.
    assert percent_of(before, after, 10, {"i-1": 2, "i-2": 4, "i-3": 2, "i-4": 2}) == pytest.approx((30 + 15) / 2)
    assert percent_of(before, after, 10, {"i-4": 2}) is None


def test_a_process_is_counted_with_its_children_and_by_its_namespace() -> None:
    assert used_seconds(f"7 (a (b) c) S {' '.join(map(str, range(1, 50)))}") == pytest.approx(
        (11 + 12 + 13 + 14) / os.sysconf("SC_CLK_TCK")
    )
    stat, space = Path("/proc/self/stat"), str(Path("/proc/self/ns/pid").readlink())
    until, before, whole = time.process_time() + 0.3, used_seconds(stat.read_text()), seconds_by_namespace()[space]
    while time.process_time() < until:
        pass
    assert used_seconds(stat.read_text()) - before == pytest.approx(0.3, abs=0.1)
    assert seconds_by_namespace()[space] - whole > 0.2


@pytest.fixture
def by_cpu(tmp_path: Path) -> Iterator[Clockwork]:
    """A group of three m6i.large that is kept at 60 % of CPU."""
    with clockwork(tmp_path) as cloud:
        client = cloud.client("autoscaling")
        client.delete_policy(AutoScalingGroupName="web", PolicyName="web-requests")
        client.put_scaling_policy(
            AutoScalingGroupName="web", PolicyName="web-cpu", PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration={
                "TargetValue": 60.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
            },
        )  # fmt: skip
        yield cloud


def work(cloud: Clockwork, seconds: int, share: float) -> None:
    """Let all hosts use that share of their two vCPUs."""
    for _ in range(seconds):
        for row in cloud.group()["Instances"]:
            cloud.busy[row["InstanceId"]] = cloud.busy.get(row["InstanceId"], 0.0) + 2 * share
        cloud.turn(1)


def test_a_group_grows_and_shrinks_with_the_cpu_that_its_hosts_use(by_cpu: Clockwork) -> None:
    work(by_cpu, 60, 0.9)
    assert by_cpu.group()["DesiredCapacity"] == 5  # 3 * 90 / 60, rounded up
    work(by_cpu, 400, 0.2)
    assert by_cpu.group()["DesiredCapacity"] == 3


def test_without_hosts_that_run_there_is_no_metric_and_nothing_changes(by_cpu: Clockwork) -> None:
    by_cpu.turn(120)
    assert by_cpu.group()["DesiredCapacity"] == 3
