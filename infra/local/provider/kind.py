"""What one resource type is: its inputs, which of them replace, and its four acts over boto3."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Api", "Given", "Kind", "Limit", "State", "absent", "again", "duplicate_free", "is_gone"]

Given = Mapping[str, Any]
"""Inputs under their Pulumi names, plain Python values."""
State = dict[str, Any]
"""Outputs under their Pulumi names, as read from the API."""

_GONE = re.compile(r"NotFound|NoSuch|DoesNotExist|^404$|^ParameterNotFound$|DBInstanceNotFoundFault")
_GONE_TEXT = re.compile(r"not found|does not exist|cannot be found|no policy found", re.IGNORECASE)


def is_gone(exc: Exception) -> bool:
    """Does this botocore error say that the resource is not there?"""
    error = getattr(exc, "response", {}).get("Error", {})
    code = str(error.get("Code", ""))
    if _GONE.search(code):
        return True
    return code in ("ValidationError", "ValidationException") and bool(_GONE_TEXT.search(error.get("Message", "")))


def absent(read: Callable[[], Any]) -> bool:
    """Does reading the resource say that it is not there? Raises what else the read raises."""
    from botocore.exceptions import ClientError

    try:
        read()
    except ClientError as exc:
        if not is_gone(exc):
            raise
        return True
    return False


@dataclass(frozen=True, slots=True)
class Api:
    """Clients of one region and the patience of one act."""

    connect: Callable[[str, str], Any]
    """(service, region) to boto3 client."""
    region: str
    account: str
    deadline: float = field(default_factory=lambda: time.monotonic() + 600)
    """Monotonic time at which waiting ends."""

    def client(self, service: str) -> Any:
        """A boto3 client of this region."""
        return self.connect(service, self.region)

    def arn(self, service: str, name: str) -> str:
        """Of what has this name here: ``arn:aws:SERVICE:REGION:ACCOUNT:NAME``."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{name}"

    def wait(self, what: str, done: Callable[[], bool], *, every: float = 0.2) -> None:
        """Wait until done. Raises TimeoutError that names what was waited for."""
        while not done():
            if time.monotonic() > self.deadline:
                raise TimeoutError(f"waited too long until {what}")
            time.sleep(every)
            every = min(every * 1.5, 2.0)

    def patiently(self, act: Callable[[], Any], codes: Iterable[str]) -> Any:
        """Do the act, again while AWS answers one of the codes: what eventual consistency and leftovers need."""
        from botocore.exceptions import ClientError

        pause, wanted = 0.2, frozenset(codes)
        while True:
            try:
                return act()
            except ClientError as exc:
                if exc.response["Error"]["Code"] not in wanted or time.monotonic() > self.deadline:
                    raise
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)


@dataclass(frozen=True, slots=True)
class Limit:
    """What AWS refuses in one input although the emulated API takes it."""

    pattern: str
    """The whole value must match."""
    reason: str
    """What AWS allows, for a person; the source stands in tests/aws_facts.yaml."""

    def refuses(self, value: object) -> bool:
        """Is this a value that AWS would refuse? Only text is judged."""
        return isinstance(value, str) and re.fullmatch(self.pattern, value, re.DOTALL) is None


def again(put: Callable[[Api, Given], str]) -> Callable[[Api, str, Given, Given], None]:
    """An update that is the same call as the creation."""

    def update(api: Api, _id: str, _old: Given, new: Given) -> None:
        put(api, new)

    return update


def _no_update(api: Api, id_: str, old: Given, new: Given) -> None:
    raise NotImplementedError(f"{id_}: this type has no input that can change in place")


@dataclass(frozen=True, slots=True)
class Kind:
    """One entry of the table: everything the provider knows of a type."""

    token: str
    """E.g. ``aws:ec2/vpc:Vpc``."""
    create: Callable[[Api, Given], str]
    """Make it, wait until it is usable, return the id that the real provider gives."""
    read: Callable[[Api, str, Given], State | None]
    """Its state from the API; None, or an error that is_gone, where it no longer exists. Read-only."""
    delete: Callable[[Api, str, Given], None]
    """Delete it and wait until it is gone. Gone already is fine."""
    update: Callable[[Api, str, Given, Given], None] = _no_update
    """Change it in place: (api, id, old inputs, new inputs)."""
    fixed: str = ""
    """Names of inputs whose change replaces, separated by blanks."""
    live: str = ""
    """Names of inputs that change in place."""
    needs: str = ""
    """Names of inputs that must be given."""
    name: str = ""
    """The input that is its unique name: a replacement that keeps it deletes first."""
    limits: Mapping[str, Limit] = field(default_factory=dict)
    refuse: Callable[[Given], Iterable[tuple[str, str]]] = lambda given: ()
    """Combinations that AWS refuses: (input, reason). Values may be unknown."""

    @property
    def replaces(self) -> frozenset[str]:
        """Inputs whose change replaces the resource; ``region`` always does."""
        return frozenset(self.fixed.split()) | {"region"}

    @property
    def inputs(self) -> frozenset[str]:
        """All known inputs."""
        return self.replaces | frozenset(self.live.split())


def duplicate_free(kinds: Iterable[Kind]) -> Mapping[str, Kind]:
    """The kinds by token. Raises ValueError for a token that stands twice."""
    table: dict[str, Kind] = {}
    for kind in kinds:
        if kind.token in table:
            raise ValueError(f"{kind.token} stands twice in the table")
        table[kind.token] = kind
    return table
