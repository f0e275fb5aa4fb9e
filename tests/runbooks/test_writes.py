"""Writes beside a drill: begun to all databases or to none."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from quartermaster.fleet.errors import OpsError
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.writes import WriteMeter
from tests.runbooks.test_failover import FakeWriter


class Deaf(FakeWriter):
    """A database that takes no write."""

    def write(self, number: int) -> None:
        raise OpsError("no answer")


def test_where_one_takes_no_write_nobody_goes_on_writing_to_the_others() -> None:
    writers = {"orders": FakeWriter(), "users": Deaf()}
    nobody: Any = None
    hands = Hands(nobody, nobody, nobody, writer=writers.__getitem__)
    before = set(threading.enumerate())
    with pytest.raises(OpsError, match="no answer"):
        WriteMeter(writers, hands)
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()
    assert not any(writer.there for writer in writers.values()), "and its table is gone"
