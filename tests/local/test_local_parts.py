"""Small pure parts of the local cloud: cron, schedules, overlaps, metadata paths, the timing table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.infra import cron
from quartermaster.infra.local import imds, packages
from quartermaster.infra.local.moto_schedule import is_due, sizes
from quartermaster.infra.local.network import overlapping
from quartermaster.infra.local.timing import Timing, table

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("expression", "hit"),
    [
        ("0 12 * * *", True),
        ("0 12 * * 1-5", True),
        ("0 12 * * mon-fri", True),
        ("0 12 * * 6", False),
        ("*/15 * * * *", True),
        ("30 12 * * *", False),
        ("0 12 20 * *", True),
        ("0 12 1 * 5", True),
        ("0 12 1 * *", False),
        ("0 12 * nov *", True),
        ("0 12 * 1-10 *", False),
        ("0 12 */3 * fri", False),
    ],
)
def test_cron_matches_the_minute(expression: str, hit: bool) -> None:
    assert cron.matches(expression, NOON) is hit


def test_cron_is_read_in_the_actions_time_zone() -> None:
    before = NOON - timedelta(seconds=30)
    assert cron.due("0 13 * * *", "Europe/Berlin", before, NOON)
    assert not cron.due("0 12 * * *", "Europe/Berlin", before, NOON)


def test_a_minute_is_due_once() -> None:
    assert cron.due("0 12 * * *", "UTC", NOON - timedelta(seconds=1), NOON)
    assert not cron.due("0 12 * * *", "UTC", NOON, NOON + timedelta(seconds=30))


def test_a_one_off_action_is_due_when_its_start_passes() -> None:
    assert is_due("", "UTC", NOON, None, NOON - timedelta(seconds=1), NOON)
    assert not is_due("", "UTC", NOON, None, NOON, NOON + timedelta(seconds=1))


def test_a_recurring_action_keeps_to_its_start_and_end() -> None:
    before = NOON - timedelta(seconds=1)
    assert not is_due("0 12 * * *", "UTC", NOON + timedelta(days=1), None, before, NOON)
    assert not is_due("0 12 * * *", "UTC", None, NOON - timedelta(days=1), before, NOON)


@pytest.mark.parametrize(
    ("wanted", "result"),
    [((5, None, None), (5, 9, 5)), ((None, 2, None), (1, 2, 2)), ((None, None, 7), (1, 9, 7)), ((2, 4, 1), (2, 4, 2))],
)
def test_a_schedule_moves_desired_between_the_bounds(wanted: tuple[int | None, ...], result: tuple[int, ...]) -> None:
    assert sizes((1, 9, 3), wanted) == result


def test_an_overlapping_route_is_named() -> None:
    taken = [("192.168.0.0/24", "eth0"), ("10.8.0.0/14", "vpn0")]
    assert overlapping("10.9.0.0/16", taken) == ("10.8.0.0/14", "vpn0")
    assert overlapping("10.20.0.0/16", taken) is None


def test_metadata_lists_folders_and_gives_leaves() -> None:
    facts = {"meta-data/instance-id": "i-1", "meta-data/placement/region": "eu-west-1"}
    assert imds.lookup(facts, "meta-data/instance-id") == "i-1"
    assert imds.lookup(facts, "/meta-data/") == "instance-id\nplacement/"
    assert imds.lookup(facts, "meta-data/nothing") is None


def test_session_tokens_of_hosts_are_forgotten_when_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(imds.time, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(imds, "_reply", lambda *_: None)
    service = imds.MetadataServer(lambda _address: {})
    asked: Any = SimpleNamespace(
        path="/latest/api/token", client_address=("10.8.0.9", 1),
        headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"},
    )  # fmt: skip
    for _ in range(50):
        seconds[0] += 30
        service._grant(asked)
    assert len(service._tokens) <= 3


def test_every_delay_has_a_source_and_a_date_and_is_never_longer_than_awss() -> None:
    for name, row in table().items():
        assert row["source"].startswith("http"), name
        assert isinstance(row["on"], date), name
        assert row["instant"] <= row["real"] <= row["aws"], name
        assert row["real"] == row["aws"] or row["why"], name


def test_an_unknown_timing_set_is_refused() -> None:
    with pytest.raises(InputError, match="slow"):
        Timing.named("slow")


def test_the_release_file_names_its_checksums() -> None:
    assert "\n e3b0c44298fc1c14" in packages.release({"Packages": b""})
