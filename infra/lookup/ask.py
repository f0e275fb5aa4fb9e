"""What a line of the table means: which question the API is asked, and where in its answer the ids stand.

The words in braces, in arguments and expressions, are inputs of the resource by their Pulumi names, and ``{tag}`` is
its tag ``ops:urn``. An expression is JMESPath (https://jmespath.org), which botocore speaks.
"""

from __future__ import annotations

import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from quartermaster.fleet.names import TAG_URN
from quartermaster.infra.layout import urn_tag

__all__ = ["Ask", "Inputs", "by_tag"]

Inputs = Mapping[str, Any]

_ENDED = "['deleted','deleting','Deleted','Deleting','failed']"
_PATIENCE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Ask:
    """How the creation of one type is looked for."""

    service: str
    operation: str
    ids_at: str
    """Expression that gives the id, or the list of ids, that the AWS provider gives the resource."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    state_at: str = ""
    """Expression that gives its state …"""
    until_not: tuple[str, ...] = ()
    """… which is waited for while it is one of these: nothing is adopted half made."""
    id_of: Callable[[Inputs], str] | None = None
    """Where the id is made from inputs rather than found."""
    keeps: Callable[[Any, str, str], bool] | None = None
    """(client, id, tag) to whether it is the one, where that takes a second question."""

    @property
    def by_tag(self) -> bool:
        """Is what is found proven to be the stack's own? A name alone proves nothing."""
        return "{tag}" in self.ids_at or self.keeps is not None

    def ids(self, client: Any, urn: str, inputs: Inputs) -> tuple[str, ...]:
        """Ask; ids that were found. Raises botocore's error."""
        known = {**inputs, "tag": urn_tag(urn)}
        until = time.monotonic() + _PATIENCE_SECONDS
        while self.state_at and time.monotonic() < until:
            if not {str(item) for item in self._answer(client, self.state_at, known)} & set(self.until_not):
                break
            time.sleep(1)
        listed = [str(item) for item in self._answer(client, self.ids_at, known) if item]
        found = tuple(item for item in listed if not self.keeps or self.keeps(client, item, known["tag"]))
        return (self.id_of(inputs),) if found and self.id_of else found

    def _answer(self, client: Any, expression: str, known: Inputs) -> list[Any]:
        import jmespath

        arguments = _filled(self.arguments, known)
        search = _Words().format(expression, **known)
        if client.can_paginate(self.operation):
            return list(client.get_paginator(self.operation).paginate(**arguments).search(search))
        found = jmespath.search(search, getattr(client, self.operation)(**arguments))
        return found if isinstance(found, list) else [found] if found else []


def by_tag(operation: str, rows: str, id_key: str, *, filters: str = "Filters") -> Ask:
    """One of EC2's types: what has no unique name is told by its tag."""
    # Asked for by filter, and the answer looked at again: an emulated API may know no such filter.
    tagged = f"{rows}[?Tags[?Key=='{TAG_URN}' && Value=='{{tag}}']]"
    living = f"[?!contains({_ENDED}, State || '')]"
    wanted = {filters: [{"Name": f"tag:{TAG_URN}", "Values": ["{tag}"]}]}
    return Ask("ec2", operation, f"{tagged} | {living}.{id_key}", wanted)


class _Words(string.Formatter):
    """Fills braces in an expression; an input that was not given is JMESPath's null."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:  # noqa: ARG002  the base class's
        value = kwargs.get(str(key))
        if value is None:
            return "null"
        return str(value).replace("\\", "\\\\").replace("'", "\\'")


def _filled(value: Any, known: Inputs) -> Any:
    """The arguments with inputs in the place of words in braces; a value that is one word keeps its type."""
    if isinstance(value, Mapping):
        return {key: _filled(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, known) for item in value]
    if isinstance(value, str) and value.startswith("{") and value.endswith("}") and value.count("{") == 1:
        return known[value[1:-1]]
    return value.format(**known) if isinstance(value, str) else value
