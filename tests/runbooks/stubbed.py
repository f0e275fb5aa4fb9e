"""Clients whose every call is held against botocore's models: what is asked, in which order, and what is answered.

And against the policy that `ops iam policy --for drill` prints: the call, on the very things that it names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Self

import boto3
from botocore.stub import Stubber

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.schema import read_text
from quartermaster.infra.permissions.stack import stack_policies

NOW = datetime(2026, 11, 16, 10, 0, tzinfo=UTC)
_SESSION = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b")
"""One for all: it keeps the models that it has read."""

_ACCOUNT = "123456789012"
_FLEET = f"""fleet: shop
region: eu-west-1
recovery_region: eu-central-1
network: {{recovery_cidr: 10.21.0.0/16}}
stacks: {{prod: {{target: aws, account: "{_ACCOUNT}", state: s3://x}}}}
clusters: {{web: {{balancer: {{}}, uses: [orders]}}}}
databases: {{orders: {{}}}}
backups: {{rules: [{{name: daily, keep_days: 35, copy_to: recovery_region}}]}}
"""
_NAMED = {
    "rds": {
        "DBInstanceIdentifier": "db",
        "TargetDBInstanceIdentifier": "db",
        "SourceDBInstanceIdentifier": "db",
        "DBSnapshotIdentifier": "snapshot",
        "DBSubnetGroupName": "subgrp",
        "DBParameterGroupName": "pg",
    },
    "backup": {"BackupVaultName": "backup-vault"},
}
"""Of what kind the things are that a service's calls name by these words."""


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
        action = f"{service}:{self.client(service, region_name=region).meta.method_to_api_mapping[operation]}"
        for thing in _things(service, asked, region) or ("",):
            assert _allowed(action, thing), f"ops iam policy --for drill allows no {action} on {thing or 'anything'}"
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


def _things(service: str, asked: Mapping[str, Any], region: str) -> tuple[str, ...]:
    """ARNs of what the call names, as far as it is known how it does."""
    if "RecoveryPointArn" in asked:  # the vault that it is in decides nothing
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html
        return (str(asked["RecoveryPointArn"]),)
    kinds = _NAMED.get(service, {})
    named = (f"arn:aws:{service}:{region}:{_ACCOUNT}:{kinds[word]}:{asked[word]}" for word in asked if word in kinds)
    return (*named, *([asked["ResourceArn"]] if "ResourceArn" in asked else []))


def _allowed(action: str, thing: str) -> bool:
    """Whether the policy allows it; a condition on tags is taken to hold."""
    entries = [entry for entry in _statements() if action in entry["Action"]]
    return any(not thing or fnmatchcase(thing, pattern) for entry in entries for pattern in entry["Resource"])


@cache
def _statements() -> tuple[dict[str, Any], ...]:
    def entries() -> Iterator[dict[str, Any]]:
        for one in stack_policies(read_text(_FLEET).fleet, "prod", "drill"):
            yield from json.loads(one.document)["Statement"]

    return tuple(entries())
