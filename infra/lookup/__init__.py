"""Is it there? Looks a resource up in the account by its tag ``ops:urn``, or by its name where it has no tags.

How each type is looked for stands in ``table``, a line a type; ``ask`` says what such a line means.
"""

from __future__ import annotations

from quartermaster.fleet.aws import Cloud
from quartermaster.infra.lookup.ask import Ask, Inputs
from quartermaster.infra.lookup.table import HARMLESS, LOOKUPS

__all__ = ["HARMLESS", "LOOKUPS", "Ask", "find"]

_GONE = ("NotFound", "NoSuch", "404", "DoesNotExist", "NonExistent")


def find(cloud: Cloud, type_: str, urn: str, inputs: Inputs) -> tuple[str, ...]:
    """Ids of what bears this URN's tag, or this name, now. Read-only, but waits until what is being made is made.

    Raises KeyError for a type that it cannot look up.
    """
    from botocore.exceptions import ClientError

    ask = LOOKUPS[type_]
    client = cloud.client(ask.service, region=str(inputs.get("region") or ""))
    try:
        return ask.ids(client, urn, inputs)
    except ClientError as exc:
        error = exc.response["Error"]
        if any(word in error["Code"] for word in _GONE) or "not found" in error.get("Message", "").lower():
            return ()
        raise
