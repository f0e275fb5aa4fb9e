"""The failover of a real PostgreSQL under writes: drilled in both ways, killed in the middle, and by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.write_probe import Probe
from quartermaster.infra.local import client
from quartermaster.infra.local.timing import Timing
from quartermaster.runbooks import drill
from quartermaster.runbooks.document import PHASES
from quartermaster.runbooks.evidence import DrillResult
from tests.hosts.drill_database import DrillDatabase, drill_database
from tests.hosts.drilled import ORDERS, result_of
from tests.hosts.local_cluster import wait

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillDatabase]:
    with drill_database(tmp_path_factory.mktemp("failover"), timing="instant") as made:
        made.ask("create table kept (n int); insert into kept values (1)")
        yield made


def drilled(database: DrillDatabase, way: str) -> DrillResult:
    """The drill's result; it found the database in the other zone, whole, and left nothing there."""
    journal, plan = Journal.open(database.workspace.database), database.plan("failover", "orders", way=way)
    result = result_of(drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=database.hands))
    assert tuple(result.rto_phases) == PHASES
    assert (result.rpo_seconds, result.objective_met, result.restored, result.way) == (0.0, True, True, way)
    before = plan.before.databases["orders"]
    assert (database.state.zone, database.state.standby_zone) == (before.standby_zone, before.zone)
    assert (database.state.address, database.state.status) == (before.address, "available")
    assert_clean(database, journal)
    return result


def assert_clean(database: DrillDatabase, journal: Journal) -> None:
    """Whole, its standby streams and is one; no table of a probe and no lease is left."""
    assert database.state.whole
    assert database.ask("select state || '/' || sync_state from pg_stat_replication") == "streaming/sync"
    assert database.ask("select pg_is_in_recovery()", address=database.standby()["address"]) == "t"
    assert database.ask("select count(*) from pg_tables where tablename like 'ops_probe%'") == "0"
    assert Leases(journal.engine).held() == []
    journal.engine.dispose()


def writes(result: DrillResult) -> dict[str, float]:
    found: dict[str, float] = result.detail["writes"]["orders"]
    return found


def test_an_unplanned_failover_takes_what_aws_takes_and_loses_no_confirmed_write(tmp_path: Path) -> None:
    with drill_database(tmp_path, timing="real") as database:
        result, table = drilled(database, "unplanned"), Timing.named("real")
    assert result.rto_seconds == pytest.approx(sum(result.rto_phases.values()), abs=0.01)
    assert result.rto_phases["detect"] >= table["database_detect"] - 1
    # Clients are away from the loss until the standby answers at the endpoint: never for less than RDS takes.
    assert table["database_failover"] - 1 < writes(result)["longest_without_seconds"] < result.rto_seconds + 5
    assert (writes(result)["confirmed_and_lost"], result.evidence) == (0, "rehearsed")
    assert writes(result)["failed"] >= 1


def test_a_planned_failover_loses_no_confirmed_write(database: DrillDatabase) -> None:
    result = drilled(database, "planned")
    assert writes(result)["confirmed_and_lost"] == 0
    assert 0.3 < writes(result)["longest_without_seconds"] < result.rto_seconds + 5


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("started steady_before", marks=pytest.mark.soak),
        pytest.param("started lose", marks=pytest.mark.soak),
        "noted lose",
        pytest.param("finished standby", marks=pytest.mark.soak),
    ],
)
def test_kill_9_of_the_drill_is_put_right_by_recover_without_a_second_failover(
    database: DrillDatabase, after: str
) -> None:
    wait(lambda: database.state.whole)
    told = failovers(database)
    database.killed(database.plan("failover", "orders"), after)
    assert database.recovered().restored
    assert failovers(database) - told == (0 if after.endswith(("steady_before", "started lose")) else 1)
    assert_clean(database, Journal.open(database.workspace.database))
    assert database.ask("select n from kept") == "1"


def test_a_zone_that_is_cut_off_makes_it_fail_over_by_itself_and_gets_its_standby_back_when_it_heals(
    database: DrillDatabase,
) -> None:
    wait(lambda: database.state.whole)
    before, told = database.state, failovers(database)
    probe = Probe(database.writer("cut"))
    probe.start()
    client.fail_zone(database.workspace, before.zone)
    try:
        wait(lambda: database.state.zone == before.standby_zone)
        confirmed = probe.confirmed()
        wait(lambda: probe.confirmed() > confirmed + 3)
        assert database.state.standby_zone == ""
        assert database.ask("select 1", address=database.standby()["address"]).startswith("no answer")
    finally:
        client.heal_zone(database.workspace, before.zone)
    wait(lambda: database.state.whole)
    found = probe.stop()
    database.writer("cut").drop()
    assert (found.lost, failovers(database) - told) == (0, 1)
    assert (database.state.zone, database.state.standby_zone) == (before.standby_zone, before.zone)
    assert_clean(database, Journal.open(database.workspace.database))
    assert any("unreachable due to loss of network" in message for message in events(database))


@pytest.mark.soak
def test_without_a_standby_it_comes_back_in_its_own_zone_and_gets_one_when_asked(database: DrillDatabase) -> None:
    wait(lambda: database.state.whole)
    rds, zone = database.cloud.client("rds"), database.state.zone
    rds.modify_db_instance(DBInstanceIdentifier=ORDERS, MultiAZ=False, ApplyImmediately=True)
    wait(lambda: database.standby() is None)
    told = failovers(database)
    client.kill_database(database.workspace, ORDERS)
    assert database.ask("select n from kept").startswith("no answer")
    wait(lambda: database.ask("select n from kept") == "1")
    client.fail_zone(database.workspace, zone)
    try:
        wait(lambda: database.ask("select n from kept").startswith("no answer"))  # cut off by the cloud's next turn
        time.sleep(2 * Timing.named("instant")["database_recover"])
        assert database.ask("select n from kept").startswith("no answer")
    finally:
        client.heal_zone(database.workspace, zone)
    wait(lambda: database.ask("select n from kept") == "1")
    assert (database.state.zone, failovers(database)) == (zone, told)
    rds.modify_db_instance(DBInstanceIdentifier=ORDERS, MultiAZ=True, ApplyImmediately=True)
    wait(lambda: database.state.whole and database.state.multi_az)
    assert_clean(database, Journal.open(database.workspace.database))


def failovers(database: DrillDatabase) -> int:
    """How often it has failed over, as RDS tells."""
    return sum("failover completed" in message for message in events(database))


def events(database: DrillDatabase) -> list[str]:
    """All that RDS told of it."""
    return [message for _, message in database.databases.events("orders", datetime.now(UTC) - timedelta(days=1))]
