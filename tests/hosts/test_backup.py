"""Backups of a real PostgreSQL: restored beside it, checked, and refused by name when they are damaged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quartermaster.fleet import heartbeat
from quartermaster.fleet.clock import SystemClock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import StepFinished
from quartermaster.fleet.write_probe import Login, ask
from quartermaster.runbooks import restoring
from quartermaster.runbooks.recovery_points import Choice, choose
from quartermaster.runbooks.restorer import Asking, Restorer
from quartermaster.runbooks.verify import READER, make_reader
from tests.hosts.backup_database import BackedUp, backed_up, beating
from tests.hosts.backup_hands import (
    answering,
    by_program,
    by_the_runners_program,
    flipped,
    killed_amid,
    mistaken,
    ops,
    other_key,
    over,
)
from tests.hosts.local_cluster import wait

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    with backed_up(tmp_path_factory.mktemp("backup")) as made, beating(made):
        yield made


def verified(database: BackedUp, *, draw: str = "", asking: Asking | None = None) -> dict[str, object]:
    restorer = database.restorer
    if asking:
        restorer = Restorer(database.backups, database.fleet, database.login, SystemClock(), asking)
    steps = restoring.verify(restorer, "orders", SystemClock(), poll=0.3, rpo=None, to=None, draw=draw)
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
    assert 0 <= float(str(found["rpo_seconds"])) - truth <= 1.0


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
    assert ask(login, "select count(*) from marks", seconds=30) == "1"
    assert login.host != database.state.address
    wide = "select count(*) from pg_hba_file_rules where 'all' = any(database) and netmask <> '255.255.255.255'"
    assert ask(login, wide, seconds=30) == "0"  # one address each: the server's own, and this machine's
    assert_the_reader_cannot_write(database, login)
    list(restoring.restore(restorer, "orders", clock, poll=0.3))  # done twice is done once
    assert restorer.backups.remove("orders")
    assert not restorer.backups.remove("orders")


def test_a_snapshot_by_hand_is_a_real_one_and_can_be_drawn(database: BackedUp) -> None:
    list(restoring.take(database.restorer, "orders", "by-hand", SystemClock(), poll=0.3))
    seeds = (str(number) for number in range(100))
    points = database.backups.points("orders")
    seed = next(seed for seed in seeds if choose(points, draw=seed).snapshot == "by-hand")
    found = verified(database, draw=seed, asking=by_the_runners_program(database))
    assert found["checks"] and str(found["asked_from"]).endswith("not proven on AWS")


def assert_the_reader_cannot_write(database: BackedUp, to: Login) -> None:
    for run in (lambda sql: ask(to, sql, seconds=30), lambda sql: by_program(database, to, sql)):
        make_reader(run)
        reader = replace(to, user=READER)
        assert ask(reader, "select count(*) = 1000 from orders", seconds=30) == "t"
        for sql in ("delete from orders", "set transaction_read_only = off; delete from orders", "create table x ()"):
            with pytest.raises(OpsError, match=r"read-only transaction|permission denied"):
                ask(reader, sql, seconds=30)


def test_the_drill_restores_measures_and_leaves_nothing(database: BackedUp) -> None:
    database.archived()
    done = subprocess.run(
        ops(database, "drill", "run", "restore", "orders", "--now"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["restored"] and found["objective_met"] and found["scope"] == "data_loss"
    assert found["rto_seconds"] == pytest.approx(sum(found["rto_phases"].values()), abs=0.01)
    assert 0 <= found["rpo_seconds"] < 40 and found["detail"]["rpo_from"] == "heartbeat"
    assert found["detail"]["checks"]["select count(*) = 1000 from orders"] == "true"
    assert not database.backups.left("orders")


def assert_all_is_well(database: BackedUp) -> None:
    assert database.sql("select count(*) from orders; table names") == "1000\nAda"
    wait(lambda: database.state.whole)
    assert not database.backups.left("orders")
    done = subprocess.run(
        ops(database, "backup", "remove", "orders", "--replaced"), capture_output=True, text=True, check=True
    )
    assert len(json.loads(done.stdout)["dropped"]) == 1
    assert database.sql("select count(*) from pg_database where datname like 'orders%'") == "1"
    database.sql("drop table names")
    wait(lambda: (beat := heartbeat.newest(database.sql)) and beat[0] and (beat[1] - beat[0]).total_seconds() < 5)


def test_what_came_back_takes_the_originals_place_and_tells_what_was_lost(database: BackedUp) -> None:
    before, login = mistaken(database), database.login("orders")
    done = subprocess.run(over(database, before), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, ended = json.loads(done.stdout), datetime.now(UTC)
    assert database.login("orders") == login
    assert found["lost_by"] == "heartbeat" and 0 < found["lost_seconds"] < (ended - before).total_seconds()
    assert found["standby_zone"] and list(found["checks"].values()) == ["true"]
    kept = replace(login, database=found["kept"])
    assert ask(kept, "table names", seconds=30) == "Bob"
    beat, _ = heartbeat.newest(lambda sql: ask(kept, sql, seconds=30))
    assert beat is not None and found["lost_seconds"] == pytest.approx((beat - before).total_seconds(), abs=0.01)
    assert_all_is_well(database)


@pytest.mark.soak
@pytest.mark.parametrize(
    "after",
    [
        "started clear", "finished order", "started load", "finished load", "started exchange", "finished exchange",
        "started verify",
    ],
)  # fmt: skip
def test_a_restore_over_the_original_that_is_killed_goes_on(database: BackedUp, after: str) -> None:
    words = over(database, mistaken(database))
    killed_amid(database, words, after)
    wait(lambda: answering(database))  # the one or the other
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if after in ("finished exchange", "started verify"):
        assert "ended" in json.loads(done.stdout)
    assert_all_is_well(database)


@pytest.mark.parametrize(
    "after",
    [
        "finished order",
        pytest.param("started steady_before", marks=pytest.mark.soak),
        pytest.param("started lose", marks=pytest.mark.soak),
        pytest.param("finished lose", marks=pytest.mark.soak),
        pytest.param("started order", marks=pytest.mark.soak),
        pytest.param("finished restored", marks=pytest.mark.soak),
        pytest.param("started check", marks=pytest.mark.soak),
        pytest.param("finished check", marks=pytest.mark.soak),
        pytest.param("started remove", marks=pytest.mark.soak),
    ],
)
def test_what_a_killed_drill_left_is_removed(database: BackedUp, after: str) -> None:
    words = ops(database, "drill", "run", "restore", "orders", "--now")
    dying = [sys.executable, "-m", "tests.hosts.ops_killed", after, *words[1:]]
    killed = subprocess.run(dying, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "ops drill recover" in refused.stderr
    done = subprocess.run(ops(database, "drill", "recover"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recovered"][0]["restored"]
    assert not database.backups.left("orders")


DAMAGES: dict[str, tuple[str, Any, str]] = {
    "truncated": ("/bundle/", lambda content: content[: len(content) // 2], "pgBackRest's restore"),
    "flipped bytes": ("/bundle/", flipped, "pgBackRest's restore"),
    "missing manifest": ("backup.manifest", None, "backup.manifest"),
    "missing base backup": ("/backup/db/", None, "unable to find backup set"),
    "another key": ("/backup/db/backup.info", other_key, "unable to load info file"),
    "missing WAL": ("/15-1/", None, "recovery ended before configured recovery target was reached"),
}
"""What is damaged, how, and what the drill says then."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_turns_the_drill_red_by_name(database: BackedUp, damage: str) -> None:
    part, content, reason = DAMAGES[damage]
    database.archived()
    objects = database.objects()
    keys = objects.keys(part)
    if damage == "missing WAL":
        keys = [key for key in keys if key.endswith(".lz4")][-1:]
    with objects.damaged(keys, content), pytest.raises(OpsError, match="could not be restored") as caught:
        database.drilled()
    assert reason in str(caught.value), caught.value
    assert not database.backups.left("orders")


def test_rows_that_are_missing_turn_the_drill_red(database: BackedUp) -> None:
    database.sql("delete from orders where id > 900")
    database.archived()
    try:
        with pytest.raises(
            OpsError, match=r"count\(\*\) = 1000 from orders: answers 'f'.*`ops backup run orders` first"
        ):
            database.drilled()
    finally:
        database.sql("insert into orders select generate_series(901, 1000)")
    assert not database.backups.left("orders")


def test_an_archive_that_has_stopped_turns_the_drill_red(database: BackedUp) -> None:
    config = database.workspace.folder("local") / "databases" / database.instance / "data/pgbackrest.conf"
    text = config.read_text()
    config.write_text(text.replace("repo1-s3-key=", "repo1-s3-key=OTHER"))  # credentials that are refused
    try:
        stopped = wait(lambda: database.state.restorable_to)
        wait(lambda: (datetime.now(UTC) - stopped).total_seconds() > 41)
        with pytest.raises(OpsError, match=r"too old: \d+ s are lost by the heartbeat, 40 s may be"):
            database.drilled()
    finally:
        config.write_text(text)
    assert not database.backups.left("orders")


def test_the_last_snapshot_of_a_deleted_database_is_whole(database: BackedUp) -> None:
    """Of a copy, so that the others keep theirs: it goes when its snapshot is there, and that holds its data."""
    rds, name = database.cloud.client("rds"), database.backups.restored_id("orders")
    database.archived()
    list(restoring.restore(database.restorer, "orders", SystemClock(), poll=0.3))
    database.restorer.reach("orders")
    rds.delete_db_instance(DBInstanceIdentifier=name, FinalDBSnapshotIdentifier="last-words")
    (going,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    assert going["DBInstanceStatus"] == "deleting"
    with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault):
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    wait(lambda: database.backups.restored("orders") is None, 90)
    (kept,) = rds.describe_db_snapshots(DBSnapshotIdentifier="last-words")["DBSnapshots"]
    assert kept["Status"] == "available"
    choice = Choice("last-words", None, datetime.now(UTC), "the last")
    database.backups.restore("orders", choice)
    wait(lambda: (found := database.backups.restored("orders")) is not None and found.ready, 90)
    assert ask(database.restorer.reach("orders"), "select count(*) = 1000 from orders", seconds=30) == "t"
    assert database.backups.remove("orders")
    rds.delete_db_snapshot(DBSnapshotIdentifier="last-words")


@pytest.mark.soak
@pytest.mark.parametrize("number", range(20))
def test_sound_backups_raise_no_alarm(database: BackedUp, number: int) -> None:
    list(restoring.take(database.restorer, "orders", f"sound-{number}", SystemClock(), poll=0.3))  # less WAL to replay
    database.archived()
    found = database.drilled()
    assert found.objective_met and found.restored and not found.failed
