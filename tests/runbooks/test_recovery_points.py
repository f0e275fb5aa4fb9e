"""Which recovery point is restored, and what restored data are asked. Nothing is restored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.runbooks.recovery_points import COPY, RecoveryPoint, choose
from quartermaster.runbooks.verify import unaskable, verify

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def point(
    name: str, kind: str, at: datetime, since: datetime | None = None, status: str = "available"
) -> RecoveryPoint:
    return RecoveryPoint(name, kind, at, since or at, "eu-west-1", 1, True, "", None, status)


CONTINUOUS = point("db-A", "continuous", NOON, NOON - 5 * HOUR)
SNAPSHOT = point("nightly", "automated snapshot", NOON - 9 * HOUR)


def test_the_newest_is_an_instant_of_continuous_backup_and_fixed_when_chosen() -> None:
    chosen = choose([SNAPSHOT, CONTINUOUS])
    assert (chosen.snapshot, chosen.to, chosen.at) == ("", NOON, NOON)


def test_without_continuous_backup_it_is_the_newest_snapshot() -> None:
    older = point("older", "manual snapshot", NOON - 30 * HOUR)
    assert choose([older, SNAPSHOT]).snapshot == "nightly"


def test_one_that_is_not_complete_is_none() -> None:
    with pytest.raises(InputError, match="orders has no recovery point"):
        choose([point("x", "manual snapshot", NOON, status="creating")], database="orders")


def test_where_there_are_copies_only_the_newest_is_named_and_how_it_is_restored() -> None:
    copies = [replace(point(f"arn:{age}", COPY, NOON - age * HOUR), region="eu-central-1") for age in (9, 3, 6)]
    with pytest.raises(InputError, match=r"of orders there are only copies in eu-central-1, .* 09:00:00 UTC") as caught:
        choose(copies, database="orders")
    assert "--region eu-central-1 --recovery-point-arn arn:3 " in caught.value.remedy
    assert choose([*copies, SNAPSHOT]).snapshot == "nightly"


def test_an_instant_must_be_within_the_window_and_the_refusal_tells_it() -> None:
    assert choose([SNAPSHOT, CONTINUOUS], to=NOON - HOUR).to == NOON - HOUR
    with pytest.raises(InputError) as caught:
        choose([SNAPSHOT, CONTINUOUS], to=NOON + HOUR)
    assert "2026-03-01 07:00:00 to 2026-03-01 12:00:00" in str(caught.value.remedy)


def test_a_draw_takes_each_point_sometimes_and_no_instant_outside_of_the_window() -> None:
    drawn = [choose([SNAPSHOT, CONTINUOUS], draw=str(number)) for number in range(50)]
    assert {one.snapshot for one in drawn} == {"", "nightly"}
    instants = {one.at for one in drawn if not one.snapshot}
    assert len(instants) > 10 and all(CONTINUOUS.since <= at <= CONTINUOUS.at for at in instants)
    assert choose([SNAPSHOT, CONTINUOUS], draw="7") == choose([CONTINUOUS, SNAPSHOT], draw="7")


def answers(**said: str) -> object:
    """A database that answers the checks so; the whole of the rest is in order."""

    def ask(sql: str) -> str:
        if "data_checksums" in sql:
            return said.get("checksums", "on")
        if "amcheck" in sql:
            if "broken" in said:
                raise OpsError(said["broken"])
            return said.get("structure", "160")
        if "information_schema" in sql:
            return said.get("rows", "public.orders|10\npublic.empty|0")
        return said.get("check", "t")

    return ask


def failed(source: dict[str, int] | None = None, **said: str) -> dict[str, str]:
    ask: Any = answers(**said)
    found = verify(ask, ask, ["select true"], source)
    return {check.name: check.found for check in found if not check.holds}


def test_sound_data_pass() -> None:
    assert failed() == {}
    assert failed({"public.orders": 12, "public.empty": 0}) == {}


def test_what_amcheck_tells_is_told() -> None:
    assert "invalid page" in failed(broken="ERROR: invalid page in block 3")["structure"]
    assert "toast" in failed(structure="orders: toast value is missing\n160")["structure"]


def test_a_table_that_came_back_empty_or_not_at_all_is_named() -> None:
    assert failed({"public.empty": 5, "public.gone": 1}) == {"rows": "empty or missing: public.empty, public.gone"}


def test_a_check_must_answer_true() -> None:
    assert failed(check="f") == {"select true": "answers 'f', not true"}
    assert failed(check="") == {"select true": "answers 'nothing', not true"}


def test_the_fleets_own_checks_are_asked_by_the_reader_alone() -> None:
    def master(sql: str) -> str:
        assert "amcheck" in sql or "data_checksums" in sql
        ask: Any = answers()
        return str(ask(sql))

    reader: Any = answers()
    assert all(check.holds for check in verify(master, reader, ["select true"], None))


def test_a_check_that_the_original_cannot_answer_either_says_nothing_of_the_restore() -> None:
    def ask(sql: str) -> str:
        if sql == "select 1 from none":
            raise OpsError('relation "none" does not exist')
        return answers()(sql)  # type: ignore[operator,no-any-return]

    senseless = unaskable(ask, ["select 1 from none", "select true"])
    assert senseless == {"select 1 from none"}
    assert all(check.holds for check in verify(ask, ask, ["select 1 from none"], None, senseless))
    assert not all(check.holds for check in verify(ask, ask, ["select 1 from none"], None))
