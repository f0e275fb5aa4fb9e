"""What the local cloud asks of pgBackRest, and what it makes of the answers. Nothing is run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from quartermaster.infra.local.backup_records import Base, Kept
from quartermaster.infra.local.backups import due
from quartermaster.infra.local.pgbackrest import Repository, archive_command, gist, restore_words

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _kept(*started: datetime, window: str = "03:00-04:00") -> Kept:
    bases = [Base(str(at), f"rds:{at}", at, at + timedelta(minutes=1), 1) for at in started]
    return Kept("orders", "db-A", "eu-west-1", 7, window, bases=bases)


def test_the_first_base_backup_is_due_at_once() -> None:
    assert due(_kept(), NOON)


def test_the_next_one_is_due_when_its_window_has_opened() -> None:
    yesterday = NOON - timedelta(days=1)
    assert due(_kept(yesterday), NOON)
    assert not due(_kept(yesterday), NOON - timedelta(hours=10))
    assert not due(_kept(yesterday, NOON - timedelta(hours=9)), NOON)


def test_one_taken_just_before_the_window_does_for_the_day() -> None:
    assert not due(_kept(NOON - timedelta(hours=10)), NOON)


def test_snapshots_by_hand_stand_for_no_automatic_backup() -> None:
    kept = _kept()
    kept.bases.append(Base("x", "by-hand", NOON, NOON, 1))
    assert due(kept, NOON)


def test_the_window_begins_with_the_oldest_base_backup_and_no_earlier_than_the_retention() -> None:
    now = datetime.now(UTC)
    assert _kept(now - timedelta(days=2)).earliest_at == now - timedelta(days=2) + timedelta(minutes=1)
    old = _kept(now - timedelta(days=30)).earliest_at
    assert old is not None and abs(old - (now - timedelta(days=7))) < timedelta(seconds=5)
    assert _kept().earliest_at is None


def test_a_restore_to_a_time_says_it_in_utc_and_refuses_less() -> None:
    to = datetime(2026, 3, 1, 13, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=1)))
    assert restore_words(label="", to=to) == [
        "--type=time",
        "--target=2026-03-01 12:00:00.250000+00",
        "--target-action=promote",
    ]


def test_a_restore_of_a_snapshot_replays_no_more_than_it_needs() -> None:
    assert restore_words(label="L", to=None) == ["--set=L", "--type=immediate", "--target-action=promote"]


def test_wal_is_let_go_where_there_are_no_backups() -> None:
    assert archive_command().startswith("test ! -f /var/lib/postgresql/pgbackrest.conf || ")


def test_the_gist_is_what_failed_once_and_without_prefix() -> None:
    said = "P00  ERROR: [082]: unable to push\n2026 FATAL:  recovery ended\n2026 FATAL:  recovery ended\nHINT: x"
    assert gist(said + "\n2026 FATAL:  the database system is starting up") == "unable to push; recovery ended"
    assert gist("no such thing\n") == "no such thing"


def test_what_is_stored_is_encrypted_by_the_server_and_goes_over_tls() -> None:
    text = Repository("10.0.0.1", 4433, "PEM", "b", "eu-west-1", "db-A", "K", "S", "P").text(5432, "rdsadmin")
    lines = set(text.splitlines())
    assert {"repo1-cipher-type=aes-256-cbc", "repo1-cipher-pass=P", "repo1-type=s3"} <= lines
    assert "repo1-storage-ca-file=/var/lib/postgresql/authority.pem" in lines
    assert not [line for line in lines if "verify" in line]
