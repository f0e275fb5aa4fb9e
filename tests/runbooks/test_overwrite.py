"""A database that restored data take the place of, on a real PostgreSQL server; RDS is played."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.write_probe import Login
from quartermaster.runbooks.overwrite import Plan, kept_name
from tests.hosts.local_cluster import wait
from tests.postgres_server import PASSWORD, Server, running
from tests.runbooks.overwrite_world import NOW, THEN, World, ask, detail, overwriting

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def copied() -> Iterator[Server]:
    """Where data come back: a server of its own."""
    with running() as made:
        yield made


@pytest.fixture
def world(server: Server, copied: Server, request: pytest.FixtureRequest) -> World:
    """Five orders now; three of another kind came back, with a table that is gone since and one that is younger."""
    database = "orders_" + re.sub(r"\W", "_", request.node.name)[5:30].lower()
    of_server = [Login("127.0.0.1", it.port, database, "ops", PASSWORD) for it in (server, copied)]
    made = World(*of_server)
    for to in of_server:
        made.sql(f'create database "{database}"', replace(to, database="postgres"))
        made.sql("create table orders (id int primary key, what text)", to)
    made.sql("insert into orders select n, 'new' from generate_series(1, 5) n; create table young ()")
    made.sql(
        f"insert into orders select n, 'old' from generate_series(1, 3) n; create table gone (n int);"
        f"insert into gone values (1); alter database \"{database}\" set work_mem = '7MB'",
        made.copy,
    )
    return made


def test_what_was_restored_takes_the_place_under_load_and_what_was_there_is_kept(world: World) -> None:
    work, over = overwriting(world), threading.Event()
    seen: list[list[str]] = [[], [], []]
    plan = work.plan(THEN)
    assert (plan.at, plan.seconds, plan.known_by) == (THEN, 3600, "clock")
    found = detail(work.prepare(plan))
    assert found["rows"] == {
        "public.gone": {"now": None, "then": 1},
        "public.orders": {"now": 5, "then": 3},
        "public.young": {"now": 0, "then": None},
    }
    assert world.sql("select string_agg(distinct what, ',') from orders") == "new"

    def ask_on_and_on(seen: list[str]) -> None:
        """As a pool of connections does: at once again."""
        to, connection = world.original, None
        while not over.is_set():
            try:
                connection = connection or psycopg.connect(
                    host=to.host, port=to.port, user=to.user, password=to.password, dbname=to.database, autocommit=True
                )
                row = connection.execute("select max(what) from orders").fetchone()
                assert row is not None
                seen.append(row[0])
            except psycopg.Error:
                connection = None
        if connection is not None:
            connection.close()

    users = [threading.Thread(target=ask_on_and_on, args=[one]) for one in seen]
    for user in users:
        user.start()
    try:
        wait(lambda: all(seen))
        found = detail(work.exchange(plan))
        wait(lambda: all(one[-1] == "old" for one in seen))
    finally:
        over.set()
        for user in users:
            user.join()
    assert found["kept"] == kept_name(world.original.database, NOW)
    assert all(one == sorted(one) for one in seen)  # new, and from some answer on old
    found |= detail(work.finish())
    assert found["standby_zone"] and list(found["checks"].values()) == ["true"]
    assert world.sql("select string_agg(distinct what, ',') from orders; show work_mem; table gone") == "old\n7MB\n1"
    assert world.sql("select count(*) from orders", replace(world.original, database=found["kept"])) == "5"
    assert not world.there and world.names() == [world.original.database, found["kept"]]
    assert work.done_by() == "R1" and len(world.ordered) == 1
    assert work.drop_kept() == [found["kept"]]
    assert world.names() == [world.original.database]


def test_data_that_are_not_sound_are_not_even_loaded(world: World) -> None:
    world.sql("delete from orders where id = 1", world.copy)
    work = overwriting(world)
    with pytest.raises(OpsError, match=r"restored data of orders is not sound: .*count\(\*\) >= 3"):
        list(work.prepare(work.plan(THEN)))
    assert_as_before(world)


def test_data_for_which_there_is_no_room_are_not_loaded(world: World) -> None:
    world.storage = 2**20
    work = overwriting(world)
    with pytest.raises(OpsError, match=r"orders has -\d+ MiB of storage left, and \d+ are to come"):
        list(work.prepare(work.plan(THEN)))
    assert_as_before(world)


def test_a_load_that_fails_tells_why_and_leaves_nothing(world: World) -> None:
    """A role of then that is gone by now."""
    owner = f"owner_{world.original.database}"
    world.sql(f"create role {owner}; alter table gone owner to {owner}", world.copy)
    work = overwriting(world)
    with pytest.raises(OpsError, match=rf'cannot be loaded beside it: .*role "{owner}" does not exist'):
        list(work.prepare(work.plan(THEN)))
    assert_as_before(world)


@pytest.mark.soak
def test_what_a_killed_run_left_is_removed_by_the_next(world: World) -> None:
    work = overwriting(world)
    plan = work.plan(THEN)
    list(work.prepare(plan))  # and no word of it since
    copy = replace(world.copy, database="postgres")
    name = world.original.database
    world.sql(f'alter database "{name}_restored" rename to "{name}"', copy)  # RDS restores it anew
    again = overwriting(world, "R2")
    assert again.done_by() == ""
    list(again.prepare(plan))
    list(again.exchange(plan))
    assert overwriting(world).done_by() == "R2"


@pytest.mark.soak
def test_names_that_cannot_change_leave_all_as_it_was(world: World) -> None:
    work = overwriting(world)
    plan = work.plan(THEN)
    list(work.prepare(plan))
    name = world.original.database
    server = replace(world.original, database="postgres")
    world.sql(f'create database "{kept_name(name, NOW)}"', server)  # the name is taken
    with pytest.raises(OpsError, match="already exists"):
        list(work.exchange(plan))
    world.sql(f'drop database "{kept_name(name, NOW)}"', server)
    assert_as_before(world)


@pytest.mark.soak
def test_a_word_that_is_lost_after_the_exchange_is_no_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    work = overwriting(world)
    plan = work.plan(THEN)
    list(work.prepare(plan))
    told = ask

    def lost(name: str, to: Login, statement: str, *, seconds: float) -> str:
        said = told(name, to, statement, seconds=seconds)
        if "commit" in statement:
            raise OpsError("server closed the connection unexpectedly")
        return said

    monkeypatch.setattr(work._restorer, "_asking", lost)
    found = detail(work.exchange(plan))
    assert world.sql("select count(*) from orders", replace(world.original, database=found["kept"])) == "5"


def test_a_name_that_would_have_to_be_quoted_is_refused(world: World) -> None:
    world.original = replace(world.original, database='or"ders')
    with pytest.raises(InputError, match="no plain name"):
        overwriting(world)


def test_the_plan_asks_nobody_who_would_have_to_be_started_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    to = Login("db", 5432, "orders", "ops", PASSWORD)
    work = overwriting(World(to, to))
    monkeypatch.setattr(work._restorer, "_asking", lambda *_, **__: asked.append("") or "")
    assert work.plan(THEN).known_by == "clock"
    assert asked == []


def test_the_plan_tells_what_comes_back_and_what_is_lost() -> None:
    text = Plan(THEN, THEN, "asked for", 3600.0, "heartbeat").text
    assert f"as it was at {THEN:%F %T} UTC: asked for" in text
    assert "all that was written since: 3600 s up to its newest heartbeat" in text


def assert_as_before(world: World) -> None:
    assert world.sql("select string_agg(distinct what, ',') from orders") == "new"
    assert not world.there and world.names() == [world.original.database]
