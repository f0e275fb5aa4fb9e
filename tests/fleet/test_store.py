"""The database of the journal: steps from schema to schema, and a PostgreSQL server that is away for a while."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from quartermaster.fleet import store
from quartermaster.fleet.chain import digest
from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.store import SCHEMA, open_engine, open_url
from quartermaster.fleet.tables import deliveries, events, leases, readings, runs, updates_seen

if TYPE_CHECKING:
    from tests.postgres_server import Server


def opened(place: str) -> sa.Engine:
    return open_url(place) if "://" in place else open_engine(Path(place))


def of_the_first_schema(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal as schema 1 left it: two runs, one event, nothing of the runs in the chain, no number."""
    with monkeypatch.context() as patched:
        patched.setattr(store, "_STEPS", store._STEPS[:1])
        patched.setattr(store, "SCHEMA", 1)
        engine = opened(place)
    common = {
        "kind": "patch",
        "stack": "dev",
        "subject": "web",
        "owner": "ann",
        "host": "h",
        "pid": 1,
        "pid_started": "",
    }
    record = json.dumps({"kind": "noted", "step": "drain", "title": "", "host": "", "zone": "", "detail": {},
                         "message": "hello", "level": "info"}, sort_keys=True)  # fmt: skip
    with engine.begin() as db:
        for name, state, ended in (("patch-1", "done", "2026-11-01T10:05:00+00:00"), ("patch-2", "running", None)):
            db.execute(runs.insert().values(
                id=name, state=state, started_at=f"2026-11-0{name[-1]}T10:00:00+00:00", ended_at=ended,
                inputs={"wave": "25%"}, result={"hosts": 3} if ended else None, **common,
            ))  # fmt: skip
        at = "2026-11-01T10:01:00+00:00"
        hash_ = digest("", "patch-1", at, record)
        db.execute(events.insert().values(run="patch-1", at=at, record=record, prior_hash="", hash=hash_))
        db.execute(sa.text("drop table schema_version"))
    engine.dispose()


def test_a_journal_of_the_first_schema_is_brought_up_and_keeps_what_it_holds(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_first_schema(place, monkeypatch)
    engine = opened(place)
    journal = Journal(engine)
    assert [(row.id, row.result) for row in journal.runs()] == [("patch-2", None), ("patch-1", {"hosts": 3})]
    assert [item.seq for item in journal.events("patch-1")] == [1]
    assert journal.broken_at() is None
    with engine.begin() as db:
        db.execute(sa.text("update runs set result = null where id = 'patch-1'"))
    broken = journal.broken_at()
    assert broken is not None and "patch-1" in broken.why, "what was there before is held to from now on"
    engine.dispose()


def test_readings_of_a_version_that_kept_them_beside_the_schema_stay(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_first_schema(place, monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(store, "_STEPS", store._STEPS[:3])
        patched.setattr(store, "SCHEMA", 3)
        engine = opened(place)
    assert not any(sa.inspect(engine).has_table(table.name) for table in (updates_seen, readings, deliveries))
    with engine.begin() as db:
        readings.create(db)
        db.execute(readings.insert().values(stack="dev", cluster="web", at="2026-11-01", tally="{}", hosts="[]"))
    engine.dispose()
    engine = opened(place)
    with engine.connect() as db:
        assert [row.cluster for row in db.execute(sa.select(readings))] == ["web"]
        assert db.execute(sa.select(deliveries)).all() == db.execute(sa.select(updates_seen)).all() == []
    engine.dispose()


def test_opening_again_changes_nothing(place: str) -> None:
    engine = opened(place)
    Journal(engine).start("patch", stack="dev")
    lines = len(list(Journal(engine).lines()))
    engine.dispose()
    again = opened(place)
    assert len(list(Journal(again).lines())) == lines
    with again.connect() as db:
        assert db.execute(sa.text("select version from schema_version")).scalars().all() == [SCHEMA]
    again.dispose()


def test_a_journal_from_a_newer_version_is_refused(place: str) -> None:
    engine = opened(place)
    with engine.begin() as db:
        db.execute(sa.text("update schema_version set version = 99"))
    engine.dispose()
    with pytest.raises(InputError, match=f"schema 99, from a newer ops; this one knows {SCHEMA}"):
        opened(place)


@pytest.mark.parametrize("url", ["mysql://ops:hunter2@books/ops", "sqlite:///ops.db", "books/ops hunter2"])
def test_a_url_of_another_database_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(InputError) as refused:
        open_url(url)
    assert "hunter2" not in str(refused.value) + refused.value.remedy


@pytest.mark.postgres
def test_a_server_that_does_not_answer_is_named_without_the_password(server: Server) -> None:
    with pytest.raises(OpsError, match=r"the journal at 127.0.0.1/ops: .*refused") as refused:
        open_url("postgresql://ops:hunter2@127.0.0.1:1/ops")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(OpsError, match="password authentication failed") as refused:
        open_url(server.url().replace("hunter2", "hunter3"))
    assert "hunter3" not in str(refused.value)
    with pytest.raises(OpsError, match="invalid connection option"):
        open_url(f"{server.url()}?colour=red")


@pytest.mark.postgres
def test_a_server_that_goes_in_the_middle_of_a_change_is_told_and_leaves_nothing(server: Server) -> None:
    journal = Journal.at(server.database())
    with pytest.raises(OpsError, match=r"the journal at 127.0.0.1/journal_\w+: "), journal.engine.begin() as db:
        db.execute(runs.delete())
        server.stop()
        db.execute(leases.delete())
    server.start()
    journal.start("patch", stack="dev")
    assert len(journal.runs()) == 1
    journal.engine.dispose()


def test_a_journal_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "ops.db")
    with engine.connect() as db, pytest.raises(OpsError, match=r"ops\.db: attempt to write a readonly") as refused:
        db.exec_driver_sql("pragma query_only=on")
        db.execute(runs.delete())
    assert refused.value.remedy == "its file and folder must be yours to write"
    engine.dispose()
    (tmp_path / "other.db").write_text("this is no database, and it is long enough to be seen as none" * 20)
    with pytest.raises(OpsError, match=r"other\.db: file is not a database"):
        open_engine(tmp_path / "other.db")


def test_a_disk_without_room_is_told_before_sqlite_maps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 1000, 20, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    with pytest.raises(OpsError, match="its disk is full") as refused:
        open_engine(tmp_path / "ops.db")
    assert refused.value.remedy == "make room on its disk"
    assert not (tmp_path / "ops.db").exists()
