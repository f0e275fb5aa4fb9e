"""The table of what each resource type needs, and the names by which a stack's resources are known."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from quartermaster.fleet.names import TAG_FLEET, TAG_STACK, physical

__all__ = ["Rights", "Scope", "load_rights", "unscoped"]

_HASH = 7
"""Characters that a name loses to the hash that shortens it (fleet.names.limited)."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a resource type needs. Actions with their service: ``ec2:CreateVpc``."""

    create: frozenset[str]
    read: frozenset[str]
    update: frozenset[str]
    delete: frozenset[str]
    makes: frozenset[str]
    """Those of ``create`` that the tags in the request must allow: before it there is nothing to bear a tag."""
    names: tuple[str, ...]
    tagged: tuple[str, ...]
    passes: str
    """A service that a role of the stack is handed to."""
    linked: str
    """A service that makes a role for itself."""
    zoned: bool
    """Only on records of the fleet's DNS zone."""

    @property
    def writes(self) -> frozenset[str]:
        """All that changes something."""
        return self.create | self.update | self.delete


@dataclass(frozen=True, slots=True)
class Scope:
    """One stack's part of an account."""

    fleet: str
    stack: str
    account: str
    regions: tuple[str, ...]
    zone: str = ""
    """The DNS zone whose records are its own."""
    state: str = ""
    """The bucket of its Pulumi state, to be made; only for the job that makes it."""
    adopted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By service, names of what was there before the stack and keeps them."""

    def arns(self, patterns: Iterable[str]) -> list[str]:
        """The patterns filled in, for each region where they name one."""
        names = {
            "account": self.account,
            "name": self.prefix(),
            "name32": self.prefix(limit=32),
            # CloudFormation: stack name, logical id and a hash, in 64 characters.
            "name24": self.prefix(limit=24 + _HASH),
            "state": self.state,
            "name_": f"{self.prefix()[:-2].replace('-', '_')}_*",
            "path": f"{self.fleet}/{self.stack}/*",
            "bundles": f"{physical(self.fleet, self.stack, f'ops-{self.account}')}*",
            "drill": f"{physical(self.fleet, self.stack, 'drill')}-*",
        }
        filled = [
            pattern.format(region=region, **{**names, **other})
            for pattern in patterns
            for other in ({}, *({"name": one, "name32": one} for one in self._adopted_by(pattern)))
            for region in self.regions
        ]
        return list(dict.fromkeys(filled))

    def _adopted_by(self, pattern: str) -> tuple[str, ...]:
        return self.adopted.get(pattern.split(":")[2], ()) if ":" in pattern else ()

    def prefix(self, *, limit: int = 63) -> str:
        """What the names of the stack's resources begin with, also of those that are cut short."""
        head = f"{physical(self.fleet, self.stack, limit=255)}-"
        return f"{head[: limit - _HASH].rstrip('-')}*" if len(head) > limit - _HASH else f"{head}*"

    def records(self) -> dict[str, Any]:
        """The condition that records are of the zone; it holds where a call names none.

        https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html
        """
        names = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
        return {"ForAllValues:StringLike": {names: [self.zone, f"*.{self.zone}"]}}

    def tags(self, key: str) -> dict[str, str]:
        """The condition that ``aws:RequestTag`` or ``aws:ResourceTag`` are this stack's.

        What keeps the state is the fleet's, and bears no stack's name.
        """
        of_stack = {} if self.state else {f"{key}/{TAG_STACK}": self.stack}
        return {f"{key}/{TAG_FLEET}": self.fleet, **of_stack}


@cache
def load_rights() -> Mapping[str, Rights]:
    """By type token."""
    return {token: _rights(entry) for token, entry in _table().items() if isinstance(entry, dict)}


@cache
def unscoped() -> frozenset[str]:
    """Actions that know no resources: they are allowed on ``*`` or not at all."""
    return frozenset(_table()["unscoped"].split())


@cache
def _table() -> dict[str, Any]:
    text = files("quartermaster.infra.permissions").joinpath("types.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _rights(entry: Mapping[str, Any]) -> Rights:
    def actions(key: str) -> frozenset[str]:
        words = entry.get(key, "").split()
        return frozenset(word if ":" in word else f"{entry['service']}:{word}" for word in words)

    return Rights(
        create=actions("create"),
        read=actions("read"),
        update=actions("update"),
        delete=actions("delete"),
        makes=actions("makes"),
        names=tuple(entry.get("names", ())),
        tagged=tuple(entry.get("tagged", ())),
        passes=entry.get("passes", ""),
        linked=entry.get("linked", ""),
        zoned=entry.get("zoned", False),
    )
