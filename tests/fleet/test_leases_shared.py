"""Leases in a table: two machines, one item, nobody's write lost."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from quartermaster.fleet.errors import LeaseHeld, LeaseLost, MissingPart
from quartermaster.fleet.leases import LeaseRow
from quartermaster.fleet.leases_shared import SharedLeases
from tests.fleet.test_leases import table


class Between:
    """A client of the table between whose reading and writing something else happens, once."""

    def __init__(self, client: Any, act: Any) -> None:
        self._client, self._act = client, act

    def get_item(self, **arguments: Any) -> Any:
        answer = self._client.get_item(**arguments)
        act, self._act = self._act, None
        if act is not None:
            act()
        return answer

    def put_item(self, **arguments: Any) -> Any:
        return self._client.put_item(**arguments)


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        yield table()


def leases(client: Any) -> SharedLeases:
    return SharedLeases(client, "shop-ops-state", "shop")


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this is another machine."""
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")


def test_another_machines_lease_binds_until_it_expires(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with leases(client).hold(["prod/cluster/web"], run="patch-1") as lease:
        elsewhere(monkeypatch)
        with (
            pytest.raises(LeaseHeld, match=r"patch-1 by .* holds prod/cluster/web"),
            leases(client).hold(["prod"], run="up-1"),
        ):
            pytest.fail("two hands on one domain")
        later = datetime.now(UTC) + timedelta(seconds=61)
        monkeypatch.setattr(LeaseRow, "holds", _at(later))
        with leases(client).hold(["prod"], run="up-2"), pytest.raises(LeaseLost):
            lease.check()


def _at(instant: datetime) -> Any:
    def holds(row: LeaseRow, now: datetime) -> bool:
        return instant < row.expires_at

    return holds


@pytest.mark.parametrize("before", [0, 1])
def test_who_writes_second_sees_what_the_first_wrote(client: Any, before: int) -> None:
    """Both read the same item, or none."""
    with ExitStack() as stack:
        for number in range(before):
            stack.enter_context(leases(client).hold([f"dev/zone/{number}"], run="old"))
        take = lambda: stack.enter_context(leases(client).hold(["prod"], run="first"))  # noqa: E731
        second = leases(Between(client, take))
        with pytest.raises(LeaseHeld, match="first"), second.hold(["prod/cluster/web"], run="second"):
            pytest.fail("two hands on one domain")
        assert [row.run for row in leases(client).held()] == ["old"] * before + ["first"]


class Lost:
    """A client whose first answer to a write is lost, so that botocore sends it again."""

    def __init__(self, client: Any) -> None:
        self.get_item, self._client, self._lost = client.get_item, client, False

    def put_item(self, **arguments: Any) -> Any:
        if not self._lost:
            self._lost = True
            self._client.put_item(**arguments)
        return self._client.put_item(**arguments)


@pytest.mark.parametrize("before", [0, 1])
def test_a_write_whose_answer_was_lost_is_not_taken_for_anothers(client: Any, before: int) -> None:
    with ExitStack() as stack:
        for number in range(before):
            stack.enter_context(leases(client).hold([f"dev/zone/{number}"], run="old"))
        stack.enter_context(leases(Lost(client)).hold(["prod"], run="ours"))
        assert [row.run for row in leases(client).held()] == ["old"] * before + ["ours"]


def test_a_fleet_without_the_table_is_told_to_make_it(client: Any) -> None:
    with pytest.raises(MissingPart, match="no-such-state") as caught:
        SharedLeases(client, "no-such-state", "shop").held()
    assert caught.value.remedy == "ops bootstrap"


def test_what_was_broken_is_kept_with_its_reason(client: Any) -> None:
    with leases(client).hold(["prod"], run="up-1"):
        leases(client).break_scope("prod", reason="laptop lost")
    assert (
        "broken: laptop lost"
        in client.get_item(TableName="shop-ops-state", Key={"scope": {"S": "shop"}})["Item"]["book"]["S"]
    )
