"""Backups of a real PostgreSQL: restored beside it, checked, and refused by name when they are damaged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from quartermaster.fleet.clock import SystemClock
from quartermaster.fleet.events import StepFinished
from quartermaster.runbooks import restoring
from tests.hosts.backup_database import BackedUp, backed_up, beating
from tests.hosts.local_cluster import wait

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    with backed_up(tmp_path_factory.mktemp("backup")) as made, beating(made):
        yield made


def verified(database: BackedUp, *, to: datetime | None = None, draw: str = "") -> dict[str, object]:
    steps = restoring.verify(database.restorer, "orders", SystemClock(), poll=0.3, rpo=None, to=to, draw=draw)
    found: dict[str, object] = {}
    for event in steps:
        found |= dict(event.detail) if isinstance(event, StepFinished) else {}
    assert not database.backups.left("orders")
    return found


def test_a_database_has_backups_from_the_start(database: BackedUp) -> None:
    continuous, *snapshots = database.backups.points("orders")
    assert (continuous.kind, continuous.region, continuous.encrypted) == ("continuous", "eu-west-1", True)
    (first,) = snapshots
    assert first.kind == "automated snapshot" and first.id.startswith(f"rds:{database.instance}-")
    assert first.size_bytes is not None and first.size_bytes > 2**20
    assert first.expires_at == first.at + timedelta(days=7)
    assert first.at <= continuous.since <= continuous.at


def test_what_is_kept_is_encrypted_and_no_users(database: BackedUp) -> None:
    objects = database.objects()
    manifest = objects.read(objects.keys("backup.manifest")[0])
    assert manifest.startswith(b"Salted__") and b"backup-label" not in manifest
    assert database.cloud.client("s3").list_buckets()["Buckets"] == []


def test_lost_seconds_are_measured_by_the_heartbeat(database: BackedUp) -> None:
    database.archived()
    found = verified(database)
    lost_at, point = (datetime.fromisoformat(str(found[name])) for name in ("lost_at", "recovery_point"))
    truth = (lost_at - point).total_seconds()
    assert found["rpo_from"] == "heartbeat"
    assert abs(float(str(found["rpo_seconds"])) - truth) <= 1.2  # a beat a second, on a busy machine


def test_it_comes_back_as_it_was_at_an_instant_and_nobody_reaches_it(database: BackedUp) -> None:
    database.sql("create table marks (at timestamptz)")
    database.sql("insert into marks values (clock_timestamp())")
    database.archived()
    before = datetime.now(UTC)
    time.sleep(0.1)
    database.sql("drop table marks")
    database.archived()
    clock, restorer = SystemClock(), database.restorer
    list(restoring.restore(restorer, "orders", clock, poll=0.3, to=before))
    login = restorer.reach("orders")
    from quartermaster.fleet.write_probe import ask

    assert ask(login, "select count(*) from marks", seconds=30) == "1"
    assert login.host != database.state.address
    hba = ask(login, "select address from pg_hba_file_rules where address is not null", seconds=30).split()
    assert len(hba) == 3, hba
    list(restoring.restore(restorer, "orders", clock, poll=0.3))  # done twice is done once
    assert restorer.backups.remove("orders", clock)
    assert not restorer.backups.remove("orders", clock)


def test_a_snapshot_by_hand_is_a_real_one_and_can_be_drawn(database: BackedUp) -> None:
    list(restoring.take(database.restorer, "orders", "by-hand", SystemClock(), poll=0.3))
    wait(lambda: database.backups.snapshot("orders", "by-hand"))
    seeds = (str(number) for number in range(100))
    from quartermaster.runbooks.backups import choose

    points = database.backups.points("orders")
    seed = next(seed for seed in seeds if choose(points, draw=seed).snapshot == "by-hand")
    assert verified(database, draw=seed)["checks"]
