"""What all parts of the model share: strictness, and the small types that fleet.yaml writes as text."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from quartermaster.fleet.secret import Secret
from quartermaster.fleet.windows import PATTERN as WINDOW_PATTERN
from quartermaster.fleet.windows import Window, parse_clock

__all__ = [
    "Day",
    "Duration",
    "FleetName",
    "Instant",
    "Model",
    "Name",
    "Network4",
    "SecretText",
    "Share",
    "ShareText",
    "StackName",
    "TimeOfDay",
    "TimeZone",
    "WindowText",
    "fault",
]


class Model(BaseModel):
    """A part of fleet.yaml: strict, frozen, unknown keys refused; an empty part has its defaults."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, value: Any) -> Any:
        return {} if value is None else value

    def says(self, *names: str) -> tuple[str, ...]:
        """Those of the attributes that the file sets itself, rather than leaving them to the default."""
        return tuple(name for name in names if name in self.model_fields_set)


def fault(problem: str, remedy: str) -> PydanticCustomError:
    """An error of a field that carries its remedy; the loader turns it into a Fault."""
    return PydanticCustomError("fleet", "{problem}", {"problem": problem, "remedy": remedy})


@dataclass(frozen=True, slots=True)
class Share:
    """Some of the hosts: a count (``2``) or a part of them (``25%``)."""

    amount: int
    percent: bool = False

    def of(self, total: int) -> int:
        """That many of ``total``, rounded down, but at least 1 and at most all."""
        count = total * self.amount // 100 if self.percent else self.amount
        return max(1, min(count, total))

    def __str__(self) -> str:
        return f"{self.amount}%" if self.percent else str(self.amount)


def _share(value: Any) -> Share:
    remedy = "a count of hosts such as 2, or a part such as 25%"
    if isinstance(value, Share):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise fault(f"{value} hosts are none", remedy)
        return Share(value)
    match = re.fullmatch(r"(\d{1,3})%", value) if isinstance(value, str) else None
    if match is None:
        raise fault(f"{value!r} is neither a count nor a percentage", remedy)
    if not 1 <= int(match[1]) <= 100:
        raise fault(f"{value} is not between 1% and 100%", remedy)
    return Share(int(match[1]), percent=True)


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+)([smhd])", value) if isinstance(value, str) else None
    if match is None:
        raise fault(f"{value!r} is no duration", "a whole number with its unit: 30s, 5m, 2h or 7d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _seconds(value: timedelta) -> str:
    return f"{value // timedelta(seconds=1)}s"


def _window(value: Any) -> Window:
    if isinstance(value, Window):
        return value
    if not isinstance(value, str):
        raise fault(f"{value!r} is no window", 'text such as "Sun 01:00-05:00", or always')
    try:
        return Window.parse(value)
    except ValueError as exc:
        problem, _, remedy = str(exc).partition("; ")
        raise fault(problem, remedy) from exc


def _time_zone(value: Any) -> str:
    remedy = "a name of the IANA time zone table, such as Europe/Dublin or UTC"
    if not isinstance(value, str):
        raise fault(f"{value!r} is no time zone", remedy)
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise fault(f"unknown time zone {value!r}", remedy) from exc
    return value


def _network(value: Any) -> ipaddress.IPv4Network:
    remedy = "a private IPv4 range with its length, such as 10.20.0.0/16"
    if isinstance(value, ipaddress.IPv4Network):
        return value
    if not isinstance(value, str) or "/" not in value:
        raise fault(f"{value!r} is no CIDR", remedy)
    try:
        return ipaddress.IPv4Network(value)
    except ValueError as exc:
        try:
            whole = ipaddress.IPv4Network(value, strict=False)
        except ValueError:
            raise fault(f"{value!r} is no CIDR: {exc}", remedy) from exc
        raise fault(f"{value} has host bits set", f"the network's own address: {whole}") from exc


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as exc:
        raise fault(f"{value!r} is no date", "a day such as 2026-11-23") from exc


def _instant(value: Any) -> datetime:
    remedy = "an instant with its offset, such as 2026-11-23T08:00:00Z"
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError) as exc:
        raise fault(f"{value!r} is no instant", remedy) from exc
    if found.tzinfo is None:
        raise fault(f"{value} does not say its offset from UTC", remedy)
    return found.astimezone(UTC)


def _time_of_day(value: Any) -> str:
    if not isinstance(value, str):
        raise fault(f"{value!r} is no time of day", 'quoted text such as "03:00"')
    try:
        minutes = parse_clock(value) // timedelta(minutes=1)
    except ValueError as exc:
        raise fault(str(exc), 'quoted text such as "03:00"') from exc
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def _secret(value: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        raise fault("a secret is text", "secret:NAME, with NAME in the environment when it is used")
    try:
        return Secret.parse(value)
    except ValueError as exc:
        raise fault(str(exc), "secret:NAME, with NAME in the environment when it is used") from exc


def _text(pattern: str | None = None, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **({"pattern": pattern} if pattern else {}), **more})


_AS_TEXT = PlainSerializer(str, when_used="json")

WindowText = Annotated[Window, PlainValidator(_window), _AS_TEXT, _text(WINDOW_PATTERN)]
Duration = Annotated[
    timedelta, PlainValidator(_duration), PlainSerializer(_seconds, when_used="json"), _text(r"^\d+[smhd]$")
]
TimeZone = Annotated[str, PlainValidator(_time_zone), _text()]
Network4 = Annotated[ipaddress.IPv4Network, PlainValidator(_network), _AS_TEXT, _text(r"^[\d.]+/\d+$")]
Day = Annotated[date, PlainValidator(_day), _text(format="date")]
Instant = Annotated[datetime, PlainValidator(_instant), _text(format="date-time")]
TimeOfDay = Annotated[str, PlainValidator(_time_of_day), _text(r"^\d{1,2}:\d{2}$")]
SecretText = Annotated[Secret, PlainValidator(_secret), _AS_TEXT, _text()]
ShareText = Annotated[
    Share,
    PlainValidator(_share),
    _AS_TEXT,
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d{1,3}%$"}]}),
]

# Lower case, single hyphens, no hyphen at the end: what RDS identifiers, S3 buckets and balancer names all take.
_NAME = r"^[a-z](-?[a-z0-9])*$"
FleetName = Annotated[str, StringConstraints(pattern=_NAME, max_length=24)]
StackName = Annotated[str, StringConstraints(pattern=_NAME, max_length=16)]
Name = Annotated[str, StringConstraints(pattern=_NAME, max_length=24)]
