"""What a restore asks of whom, and what it makes of the answers. Nothing is restored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from quartermaster.cli.errors import render as shown
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.schema import read_text
from quartermaster.fleet.write_probe import Login
from quartermaster.runbooks.backups import Restored
from quartermaster.runbooks.document import parse
from quartermaster.runbooks.kinds.restore import KIND
from quartermaster.runbooks.recovery_points import RecoveryPoint
from quartermaster.runbooks.render import render
from quartermaster.runbooks.restorer import Restorer
from quartermaster.runbooks.vaults import RestoreTest
from tests.runbooks.stubbed import NOW, Clock

CHECK = "select count(*) > 0 from orders"
FLEET = f"fleet: shop\ndatabases: {{orders: {{heartbeat: BEATS}}}}\nrecovery: {{checks: {{orders: ['{CHECK}']}}}}\n"
LOGIN = Login("original", 5432, "orders", "ops", "secret")
TEST = RestoreTest("T1", "orders", "awsbackup-restore-test-1")
FAST = timedelta(seconds=2)
"""By so much the database's clock is before ours."""


@dataclass
class Servers:
    """The original and its copy, answering as if all were well, and what RDS has of them."""

    rows: str = "public.orders|10"
    restored_rows: str = "public.orders|10"
    check: str = "t"
    away: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def __call__(self, name: str, to: Login, statement: str, *, seconds: float) -> str:
        assert name == "orders"
        self.asked.append((to.host, to.user, statement))
        if self.away:
            raise OpsError("nobody answers")
        if "ops_heartbeat" in statement:
            beat = NOW - timedelta(seconds=90 if to.host == "copy" else 1)
            return f"{beat.timestamp()}|{(NOW + FAST).timestamp()}"
        if "information_schema" in statement:
            return self.restored_rows if to.host == "copy" else self.rows
        return "on" if "data_checksums" in statement else "7" if "amcheck" in statement else self.check

    def points(self, name: str) -> list[RecoveryPoint]:
        at = NOW - timedelta(seconds=90)
        return [RecoveryPoint("db-A", "continuous", at, at, "eu-west-1", None, True, "", None, "available")]

    def restored(self, name: str) -> Restored:
        return Restored("shop-dev-drill-orders", "available", "copy", 5432, "")

    def tested(self, test: RestoreTest) -> tuple[Restored, str]:
        return Restored(test.instance, "available", "copy", 5432, ""), "sg-tests"

    def password(self, instance: str, password: str) -> None:
        assert instance in ("shop-dev-drill-orders", TEST.instance)
        assert password == "secret"

    def answer(self, test: RestoreTest, wrong: str) -> None:
        assert test == TEST
        self.answers.append(wrong)


def restorer(servers: Servers, *, beats: bool = False) -> Restorer:
    backups: Any = servers
    fleet = read_text(FLEET.replace("BEATS", str(beats).lower())).fleet
    return Restorer(backups, fleet, lambda _: LOGIN, Clock(), servers)


def test_the_original_is_asked_in_read_only_sessions_and_the_copys_checks_by_the_reader() -> None:
    servers = Servers()
    tool = restorer(servers)
    tool.lose("orders")
    tool.check("orders", rpo=None)
    of_original = [sql for host, _, sql in servers.asked if host == "original"]
    assert len(of_original) == 3
    assert all(sql.startswith("set default_transaction_read_only = on;\n") for sql in of_original)
    by_reader = [sql for host, user, sql in servers.asked if (host, user) == ("copy", "ops_reader")]
    assert CHECK in by_reader and any("information_schema" in sql for sql in by_reader)
    assert not [sql for host, user, sql in servers.asked if (host, user) == ("copy", "ops") and CHECK in sql]


def test_losses_go_by_the_databases_clock() -> None:
    tool = restorer(Servers(), beats=True)
    assert tool.lose("orders")["lost_at"] == (NOW + FAST).isoformat()
    found = tool.check("orders", rpo=100)
    assert (found["rpo_seconds"], found["rpo_from"]) == (92.0, "heartbeat")


def test_all_that_is_not_sound_is_told_at_once() -> None:
    class Bare(Servers):
        def __call__(self, name: str, to: Login, statement: str, *, seconds: float) -> str:
            found = super().__call__(name, to, statement, seconds=seconds)
            return f"|{NOW.timestamp()}" if "ops_heartbeat" in statement and to.host == "copy" else found

    tool = restorer(Bare(restored_rows="", check="f"), beats=True)
    tool.lose("orders")
    with pytest.raises(OpsError) as told:
        tool.check("orders", rpo=30)
    assert shown(told.value) == (
        "error: the restored data of orders is not sound: rows: empty or missing: public.orders; "
        f"{CHECK}: answers 'f', not true; the recovery point was 92 s old: if what is missing is younger than that, "
        "`ops backup run orders` first, then try again; heartbeat: none came back; "
        "too old: 92 s are lost by the recovery point, 30 s may be\n"
    )


@pytest.mark.parametrize(
    ("beat", "told"),
    [("", "has never beaten"), (f"{(NOW - timedelta(seconds=60)).timestamp()}", "stopped 60 s ago")],
)
def test_a_heartbeat_that_does_not_beat_is_told_with_who_keeps_it(beat: str, told: str) -> None:
    class Silent(Servers):
        def __call__(self, name: str, to: Login, statement: str, *, seconds: float) -> str:
            found = super().__call__(name, to, statement, seconds=seconds)
            return f"{beat}|{NOW.timestamp()}" if "ops_heartbeat" in statement else found

    with pytest.raises(OpsError) as refused:
        restorer(Silent(), beats=True).lose("orders")
    assert shown(refused.value) == (
        f"error: the heartbeat of orders {told}\n  remedy: keep `ops backup heartbeat orders` running\n"
    )


def test_what_is_missing_is_told_with_the_age_of_the_recovery_point_and_what_to_do() -> None:
    tool = restorer(Servers(restored_rows="public.orders|0"))
    tool.lose("orders")
    with pytest.raises(
        OpsError, match=r"empty or missing: public\.orders; the recovery point was 92 s old.*ops backup run"
    ):
        tool.check("orders", rpo=None)


def test_a_restore_that_nobody_checks_asks_nobody() -> None:
    servers = Servers(away=True)
    restorer(servers, beats=True).lose("orders", compare=False)
    assert servers.asked == []


@pytest.mark.parametrize(("check", "wrong"), [("t", ""), ("f", f"{CHECK}: answers 'f', not true")])
def test_a_restore_test_is_checked_from_its_own_group_and_answered(check: str, wrong: str) -> None:
    servers, groups = Servers(check=check), list[str]()

    def asking(group: str) -> Servers:
        groups.append(group)
        return servers

    found = restorer(servers).answer(TEST, asking)
    assert found["sound"] is (not wrong)
    assert (groups, servers.answers) == (["sg-tests"], [wrong])


def test_what_cannot_be_reached_is_no_answer() -> None:
    servers = Servers(away=True)
    with pytest.raises(OpsError, match="nobody answers"):
        restorer(servers).answer(TEST, lambda _: servers)
    assert servers.answers == []


def test_whatever_a_drill_began_is_removed_from_its_first_question_on() -> None:
    """The first question starts a host on aws."""
    steps = parse(render(KIND, {})).steps
    undone = [step.name for step in steps if step.rollback.name == "remove_restored"]
    assert undone == ["lose", "order", "restored", "check", "remove"]
