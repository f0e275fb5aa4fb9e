"""Metrics, capacity, patching, freezes: what the planner and the patch cycle go by."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from quartermaster.fleet import holidays
from quartermaster.fleet.schema.base import Day, Model, Name, SecretText, ShareText, WindowText, fault
from quartermaster.fleet.schema.base import Share as _Share
from quartermaster.fleet.windows import Window

__all__ = [
    "Approve",
    "Capacity",
    "Committed",
    "DemandMetric",
    "Event",
    "Freeze",
    "Gate",
    "HolidayCode",
    "MetricSource",
    "Metrics",
    "Patching",
    "Survive",
]

_Fraction = Annotated[float, Field(gt=0, lt=1)]


_Companion = Literal["utilisation", "instances", "errors", "rejected", "surge", "latency"]
"""What tells how well a cluster met its demand."""


class MetricSource(Model):
    """Where the metric history comes from."""

    kind: Literal["cloudwatch", "prometheus", "csv", "parquet"] = "cloudwatch"
    url: str = ""
    """Of a prometheus server."""
    authorization: SecretText | None = None
    """Authorization header for a prometheus server, such as secret:PROMETHEUS_AUTH for "Bearer …"."""
    path: str = ""
    """Of a csv or parquet file, beside fleet.yaml unless absolute."""


class DemandMetric(Model):
    """The series that says what users ask of a cluster."""

    namespace: str = "AWS/ApplicationELB"
    name: str = "RequestCount"
    stat: Literal["Sum", "Average", "Maximum", "Minimum", "SampleCount"] = "Sum"
    dimensions: dict[str, str] = Field(default_factory=dict)
    """Of a cloudwatch metric; default: those of the cluster's balancer or group."""
    query: str = ""
    """PromQL, for a prometheus source. A counter by its bare name (…_total) becomes a rate here, resets included."""
    companions: dict[_Companion, str] = Field(default_factory=dict)
    """PromQL of what goes with the demand; a cloudwatch source knows its own."""
    series: str = ""
    """series_id in a csv or parquet file; default: the cluster's name."""


class Metrics(Model):
    """Source of the history, and the demand of each cluster in it."""

    source: MetricSource = MetricSource()
    demand: dict[Name, DemandMetric] = Field(default_factory=dict)
    minutes_days: Annotated[int, Field(ge=31, le=3650)] | None = None
    """Days after which a month's readings finer than five minutes go and its roll-ups stay; default: never."""


class Survive(Model):
    """The loss that capacity must bear."""

    zones: Annotated[int, Field(ge=0, le=5)] = 1
    at_utilisation: _Fraction = 0.85
    """How busy the hosts that are left may be."""


def _or_word(word: str, low: float, *, whole: bool) -> Any:
    """A validator of a positive number or the one word that stands for finding it out."""
    remedy = f"{word}, or a {'whole ' if whole else ''}number of {low:g} or more"
    accepted = int if whole else (int, float)

    def check(value: Any) -> Any:
        if value == word:
            return value
        if isinstance(value, bool) or not isinstance(value, accepted) or not low <= value:
            raise fault(f"{value!r} is neither {word} nor such a number", remedy)
        return value

    return PlainValidator(check)


def _word_schema(word: str, kind: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"const": word}, {"type": kind, "minimum": 0}]})


_Unit = Annotated[float | Literal["learn"], _or_word("learn", 0.001, whole=False), _word_schema("learn", "number")]
_Lead = Annotated[int | Literal["auto"], _or_word("auto", 1, whole=True), _word_schema("auto", "integer")]


class Committed(Model):
    """Instances paid for in advance (a Savings Plan or reservation), in units of the cluster's type."""

    instances: Annotated[int, Field(ge=1, le=100_000)]
    until: Day | None = None
    """Last day; default: for as long as plans look ahead."""


class Capacity(Model):
    """How much a cluster must carry, with what in hand."""

    unit: _Unit = "learn"
    """Demand per second that one instance carries at target utilisation."""
    target_utilisation: _Fraction = 0.6
    survive: Survive = Survive()
    quantile: _Fraction = 0.99
    """Of the demand forecast, over the lead time."""
    horizon_days: Annotated[int, Field(ge=1, le=730)] = 14
    lead_minutes: _Lead = "auto"
    """From the decision to a serving host."""
    changes_per_day: Annotated[int, Field(ge=1, le=24)] = 12
    """How often the floor may change in a day."""
    budget_per_month: Annotated[float, Field(gt=0)] | None = None
    """For the cluster's instances: plans say when it is exceeded."""
    vcpu_quota: Annotated[int, Field(ge=1)] | None = None
    """vCPUs of the account's quota that the cluster may take."""
    commitments: tuple[Committed, ...] = ()
    """What is paid for already: purchase advice leaves it out."""


class Gate(Model):
    """What must be seen before the next wave starts."""

    min_requests: Annotated[int, Field(ge=0)] = 500
    """Fewer than this prove nothing: the gate stays shut."""
    max_error_rate: Annotated[float, Field(ge=0, lt=1)] = 0.01
    max_latency_ratio: Annotated[float, Field(ge=1, le=100)] = 2.0
    """Of response times to those from before the run."""


def _package(value: Any) -> str:
    if not isinstance(value, str) or re.fullmatch(_PACKAGE, value) is None:
        raise fault(f"{value!r} is no name of a package", 'one such as "linux-image-*"; * and ? stand for others')
    return value


_PACKAGE = r"^[A-Za-z0-9*?][A-Za-z0-9*?+._-]*$"
_Packages = tuple[
    Annotated[str, PlainValidator(_package), WithJsonSchema({"type": "string", "pattern": _PACKAGE})], ...
]


class Approve(Model):
    """Which pending updates a cycle may install, and when; deny goes before allow, allow before the rest."""

    after_days: Annotated[int, Field(ge=0, le=365)] = 0
    """Since the update was first seen. A newer version of it meanwhile does not start them again."""
    security_after_days: Annotated[int, Field(ge=0, le=365)] = 0
    """The same for security updates."""
    only: Literal["all", "security", "allowed"] = "all"
    """allowed: nothing but what allow names."""
    allow: _Packages = ()
    """Packages that are approved at once."""
    deny: _Packages = ()
    """Packages that are never approved."""


class Patching(Model):
    """How a cluster's hosts, or a database, are patched."""

    method: Literal["in_place", "replace"] = "in_place"
    approve: Approve = Approve()
    """Default: everything that is pending, at once."""
    window: WindowText = Window.parse("Sun 01:00-05:00")
    canary: Annotated[int, Field(ge=0, le=100)] = 1
    """Hosts that go first, alone."""
    wave: ShareText = _Share(25, percent=True)
    """Hosts at a time after the canary: a count or a part, never more than one zone's."""
    soak_minutes: Annotated[int, Field(ge=0, le=1440)] = 15
    gate: Gate = Gate()
    max_failures: Annotated[int, Field(ge=0, le=1000)] = 1
    """One more failed host than this stops the cycle."""
    reboot: Literal["when_required", "never", "always"] = "when_required"
    minor_versions: Literal["pinned", "automatic"] = "pinned"
    """Databases: whether AWS may raise the minor version in the window."""


class Freeze(Model):
    """Whole days on which no work happens, both included."""

    from_: Annotated[Day, Field(alias="from")]
    to: Day
    why: str = ""


def _holidays(value: Any) -> str:
    if value in ("auto", "none"):
        return str(value)
    remedy = "IE, US-CA, …; none; or auto: those of the country that timezone is named for"
    if not isinstance(value, str):
        raise fault(f"{value!r} is no code of a country", remedy)
    try:
        return holidays.checked(value)
    except ValueError as exc:
        problem, _, known = str(exc).partition("; ")
        raise fault(problem, known or remedy) from exc


HolidayCode = Annotated[
    str,
    PlainValidator(_holidays),
    WithJsonSchema({"type": "string", "pattern": r"^(auto|none|[A-Z]{2,3}(-[A-Za-z0-9 ]+)?)$"}),
]


class Event(Model):
    """Whole days on which demand is another, both included."""

    name: Annotated[str, Field(min_length=1)]
    """Days of one name teach the effect of those to come."""
    from_: Annotated[Day, Field(alias="from")]
    to: Day | None = None
    """Default: that one day."""
    of: str = ""
    """The cluster whose demand it is; default: every cluster's."""
    factor: Annotated[float, Field(gt=0, le=1000)] | None = None
    """On demand; default: learned from past days of the same name."""
