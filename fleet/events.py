"""Typed events: everything long-running is an iterator of these.

The CLI draws them, the journal stores them, tests read them. A generator yields ``StepStarted`` *before* it
acts, so whoever consumes it (``Run.record``) has written the step down when the generator goes on and acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

__all__ = ["Event", "Json", "Noted", "StepFailed", "StepFinished", "StepStarted", "from_record", "to_record"]

Json = Any
"""A value that ``json.dumps`` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened to one step. ``step`` is unique in a run together with ``host``: resume goes by it."""

    kind: ClassVar[str]
    step: str
    """Machine name of the step, e.g. ``drain``."""
    title: str = ""
    """The step in a person's words; empty: the name will do."""
    host: str = ""
    zone: str = ""
    detail: Mapping[str, Json] = field(default_factory=dict)
    more: bool = field(default=False, compare=False, repr=False)
    """Another event follows before anybody acts: the journal may write both at once. Not part of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """About to act. ``undo`` holds what is needed to take the act back (prior values)."""

    kind: ClassVar[str] = "started"
    undo: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """Done."""

    kind: ClassVar[str] = "finished"
    seconds: float = 0.0
    changed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed(Event):
    """Failed; ``error`` is for a person."""

    kind: ClassVar[str] = "failed"
    seconds: float = 0.0
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """Progress or a warning within a step; changes nothing."""

    kind: ClassVar[str] = "noted"
    message: str
    level: str = "info"
    """debug (journalled, not drawn), info or warning."""


_KINDS: dict[str, type[Event]] = {cls.kind: cls for cls in (StepStarted, StepFinished, StepFailed, Noted)}


def to_record(event: Event) -> dict[str, Json]:
    """The event as a JSON object, its kind under ``kind``."""
    record = {"kind": event.kind, **asdict(event)}
    del record["more"]
    return record


def from_record(record: Mapping[str, Json]) -> Event:
    """The event back from its JSON object. Raises KeyError for an unknown kind."""
    fields = dict(record)
    return _KINDS[fields.pop("kind")](**fields)
