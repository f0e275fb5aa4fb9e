"""Global tables, which moto lacks: a replica is a table of the other region that holds the very same items.

Between real regions a write arrives about a second later; here at once.
"""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["install"]


def install() -> None:
    """Teach moto, in this process, before its server starts. Call once."""
    from moto.dynamodb.models.table import Table
    from moto.dynamodb.responses import DynamoHandler

    update, describe = DynamoHandler.update_table, Table.describe

    def update_table(self: Any) -> Any:
        answer = update(self)
        if encryption := self.body.get("SSESpecification"):
            self.dynamodb_backend.get_table(self.body["TableName"]).sse_specification = encryption
        if updates := self.body.get("ReplicaUpdates"):
            table = self.dynamodb_backend.get_table(self.body["TableName"])
            for change in updates:
                _change(self, table, change)
            from moto.dynamodb.responses import DynamoResult

            return DynamoResult(table.describe())
        return answer

    def described(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = describe(self, *args, **kwargs)
        replicas = vars(self).get("ops_replicas")
        inner = answer.get("Table", answer.get("TableDescription", answer))
        if replicas:
            inner["Replicas"] = [
                {"RegionName": region, "ReplicaStatus": "ACTIVE", **({"KMSMasterKeyId": key} if key else {})}
                for region, key in sorted(replicas.items())
            ]
            inner["GlobalTableVersion"] = "2019.11.21"
        return answer

    DynamoHandler.update_table = update_table  # type: ignore[method-assign]
    Table.describe = described  # type: ignore[method-assign]


def _change(response: Any, table: Any, change: dict[str, Any]) -> None:
    from moto.dynamodb.exceptions import MockValidationException
    from moto.dynamodb.models import dynamodb_backends

    replicas: dict[str, str] = vars(table).setdefault("ops_replicas", {})
    account, home = response.current_account, response.region
    if create := change.get("Create"):
        region = create["RegionName"]
        there = dynamodb_backends[account][region]
        if region == home or table.name in there.tables:
            raise MockValidationException(f"Replica of {table.name} already exists in {region}")
        twin = copy.copy(table)
        # The items are one and the same; what belongs to a region is its own.
        twin.region_name = region
        twin.table_arn = table.table_arn.replace(f":{home}:", f":{region}:")
        twin.tags, twin.deletion_protection_enabled = [], False
        twin.continuous_backups = copy.deepcopy(table.continuous_backups)
        twin.sse_specification = {
            "Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": create.get("KMSMasterKeyId", "")
        }  # fmt: skip
        vars(twin)["ops_replicas"] = {home: ""}
        there.tables[table.name] = twin
        replicas[region] = create.get("KMSMasterKeyId", "")
    elif delete := change.get("Delete"):
        there = dynamodb_backends[account][delete["RegionName"]]
        there.delete_table(table.name)
        replicas.pop(delete["RegionName"], None)
