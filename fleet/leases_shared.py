"""Leases that several machines share: in the table that ``ops bootstrap`` makes beside the state of stacks on ``aws``.

All leases of a fleet are one item, written back only if nobody wrote it in between: so many scopes are held or none,
and tokens grow, as in a database. Whether a lease has expired each machine tells by its own clock; a term is a minute.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from quartermaster.fleet.errors import MissingPart, OpsError
from quartermaster.fleet.leases import TERM, Book, LeaseRow, Leases, T

__all__ = ["SharedLeases"]

_TRIES = 20
_PATIENCE_SECONDS = 0.2
_KEPT = 50
"""Leases that have ended, with how: kept to look back at. An item may hold 400 KB."""


class SharedLeases(Leases):
    """The lease store in a DynamoDB table whose key is ``scope``; ``client`` is boto3's."""

    def __init__(self, client: Any, table: str, fleet: str) -> None:
        self._client, self._table, self._fleet = client, table, fleet

    def _open(self) -> list[LeaseRow]:
        return self._read()[0].open()

    def _change(self, act: Callable[[Book], T]) -> T:
        for _ in range(_TRIES):
            page, version = self._read()
            result = act(page)
            if self._written(page, version):
                return result
            time.sleep(random.uniform(0, _PATIENCE_SECONDS))
        raise OpsError(f"{_TRIES} times others wrote {self._table} first", remedy="run the command again")

    def _read(self) -> tuple[_Page, int]:
        found = self._item()
        if not found:
            return _Page(0, [], []), 0
        return _Page.of(found["book"]["S"]), int(found["version"]["N"])

    def _item(self) -> dict[str, Any]:
        answer = self._asked("get_item", Key={"scope": {"S": self._fleet}}, ConsistentRead=True)
        item: dict[str, Any] = answer.get("Item", {})
        return item

    def _written(self, page: _Page, version: int) -> bool:
        by = {"S": uuid.uuid4().hex}
        item = {"scope": {"S": self._fleet}, "version": {"N": str(version + 1)}, "book": {"S": page.text()}, "by": by}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(version)"}
        if version:
            values = {":seen": {"N": str(version)}}
            condition = {"ConditionExpression": "version = :seen", "ExpressionAttributeValues": values}
        # botocore sends a call again when the answer is lost, and may find what it has written itself.
        return bool(self._asked("put_item", Item=item, **condition)) or self._item().get("by") == by

    def _asked(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """The answer; empty where the condition did not hold."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(TableName=self._table, **arguments)
        except ClientError as exc:
            code = exc.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                return {}
            if code == "ResourceNotFoundException":
                raise MissingPart(f"there is no table of leases {self._table}", remedy="ops bootstrap") from exc
            remedy = "ops iam policy prints the rights it takes" if "AccessDenied" in code else "try again"
            raise OpsError(f"the table of leases {self._table}: {exc}", remedy=remedy) from exc
        except BotoCoreError as exc:
            raise OpsError(f"the table of leases {self._table} does not answer: {exc}", remedy="try again") from exc
        return answer


@dataclass(slots=True)
class _Page:
    """The item as it will be written."""

    last: int
    """The last token given."""
    rows: list[LeaseRow]
    ended: list[dict[str, Any]]

    @classmethod
    def of(cls, text: str) -> _Page:
        read = json.loads(text)
        rows = [
            LeaseRow(
                **{
                    **row,
                    "heartbeat_at": datetime.fromisoformat(row["heartbeat_at"]),
                    "expires_at": datetime.fromisoformat(row["expires_at"]),
                }
            )
            for row in read["rows"]
        ]
        return cls(read["last"], rows, read["ended"])

    def text(self) -> str:
        rows = [asdict(row) for row in self.rows]
        return json.dumps({"last": self.last, "rows": rows, "ended": self.ended[-_KEPT:]}, default=datetime.isoformat)

    def open(self) -> list[LeaseRow]:
        return list(self.rows)

    def add(self, row: LeaseRow) -> int:
        self.last += 1
        self.rows.append(replace(row, token=self.last))
        return self.last

    def renew(self, tokens: Sequence[int], now: datetime) -> None:
        self.rows = [
            replace(row, heartbeat_at=now, expires_at=now + TERM)
            if row.token in tokens and row.expires_at > now
            else row
            for row in self.rows
        ]

    def end(self, tokens: Sequence[int], how: str) -> None:
        gone = [row for row in self.rows if row.token in tokens]
        self.rows = [row for row in self.rows if row.token not in tokens]
        self.ended += [{"scope": row.scope, "run": row.run, "owner": row.owner, "how": how} for row in gone]
