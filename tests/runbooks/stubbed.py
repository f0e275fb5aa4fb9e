"""Clients whose every call is held against botocore's models: what is asked, in which order, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import boto3
from botocore.stub import Stubber

from quartermaster.fleet.aws import Cloud

NOW = datetime(2026, 11, 16, 10, 0, tzinfo=UTC)
_SESSION = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b")
"""One for all: it keeps the models that it has read."""


class Clock:
    """Moves when somebody waits."""

    def __init__(self) -> None:
        self.instant = NOW

    def now(self) -> datetime:
        return self.instant

    def sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


class Aws:
    """A stack's account. What was not asked for by the block's end is a failure."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], tuple[Any, Stubber]] = {}
        self._open = ExitStack()
        session: Any = self
        self.cloud = Cloud("shop", "prod", "aws", "eu-west-1", session)

    def client(self, service: str, *, region_name: str = "eu-west-1", endpoint_url: None = None) -> Any:
        """The client of that service; anything that it is asked must be expected."""
        assert endpoint_url is None
        key = (service, region_name)
        if key not in self._clients:
            made: Any = _SESSION.client(service, region_name=region_name)
            self._clients[key] = made, Stubber(made)
            self._open.enter_context(self._clients[key][1])
        return self._clients[key][0]

    def expect(
        self,
        service: str,
        operation: str,
        asked: Mapping[str, Any],
        answer: Mapping[str, Any],
        region: str = "eu-west-1",
    ) -> None:
        """The next call of that service; both sides are checked against its model."""
        self.client(service, region_name=region)
        self._clients[service, region][1].add_response(operation, dict(answer), dict(asked))

    def refuse(self, service: str, operation: str, code: str) -> None:
        """The next call of that service is refused."""
        self.client(service)
        self._clients[service, "eu-west-1"][1].add_client_error(operation, code, code)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        self._open.close()
        if failed is None:
            for _client, stub in self._clients.values():
                stub.assert_no_pending_responses()
