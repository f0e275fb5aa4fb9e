"""Where metric history comes from: CloudWatch, a Prometheus server, files. One small protocol for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from quartermaster.planner.readings import Readings

__all__ = ["Answer", "Query", "Retention", "Source", "Stretch"]


@dataclass(frozen=True, slots=True)
class Query:
    """One series to be asked for."""

    series: str
    """Its name in the store."""
    unit: str
    origin: str
    """What is asked, in words that stay the same as long as it is the same: another origin is another measurement."""
    silence_is_zero: bool = False
    """Whether the source leaves out what it counted none of (balancers without a request), rather than say 0."""
    spec: Any = field(default=None, compare=False)
    """The source's own."""


@dataclass(frozen=True, slots=True)
class Retention:
    """A resolution that a source has, and since when."""

    seconds: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time to be asked for at one resolution: ``start`` included, ``end`` not, both whole periods."""

    start_us: int
    end_us: int
    seconds: int

    @property
    def steps(self) -> int:
        return (self.end_us - self.start_us) // (self.seconds * 1_000_000)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source said to one query and stretch."""

    query: Query
    stretch: Stretch
    readings: Readings


class Source(Protocol):
    """A place that metrics are read from. Reading changes nothing there."""

    def retention(self, now: datetime) -> tuple[Retention, ...]:
        """The resolutions that exist, finest first."""
        ...

    def read(self, wanted: Sequence[tuple[Query, Stretch]]) -> Iterator[Answer]:
        """An answer to each that was wanted, those of one query in order of time.

        Raises OpsError, with what is wrong and what to do.
        """
        ...
