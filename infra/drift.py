"""Drift: what differs in the cloud from what the state holds, property by property. Comparing is pure.

A property counts when somebody can set it: what the cloud computes by itself is nobody's drift. Order counts nowhere
in what AWS holds as a set, so two lists with the same members are equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.events import Json
from quartermaster.infra.resources import is_called, like

if TYPE_CHECKING:
    from pulumi.automation.events import EngineEvent

    from quartermaster.fleet.schema.safety import IgnoredDrift

__all__ = ["GONE", "Drift", "DriftReport", "Finder", "compared", "sift"]

GONE = "gone"
"""Found in the place of what is no longer there."""

_NOBODYS = frozenset({"desiredCapacity", "tagsAll"})
"""desiredCapacity is the scaler's, tagsAll says again what tags says."""
_ELSEWHERE: Mapping[str, frozenset[str]] = {
    "aws:ec2/networkAcl:NetworkAcl": frozenset({"egress", "ingress", "subnetIds"}),
    "aws:ec2/routeTable:RouteTable": frozenset({"routes"}),
    "aws:ec2/securityGroup:SecurityGroup": frozenset({"egress", "ingress"}),
    "aws:iam/role:Role": frozenset({"inlinePolicies", "managedPolicyArns"}),
    "aws:s3/bucket:Bucket": frozenset(
        {
            "corsRules", "grants", "lifecycleRules", "loggings", "policy", "replicationConfiguration",
            "serverSideEncryptionConfiguration", "versioning",
        }
    ),
}  # fmt: skip
"""What our stacks declare as resources of their own and the AWS provider reads back here too, once they are made."""
_NOTHING: tuple[Any, ...] = (None, "", False, 0, [], {})
"""What an absent property and an empty one have in common."""
_KEYS = ("key", "name", "id", "ruleName", "sid", "Sid", "deviceName", "regionName", "attributeName")
"""Names by which members of a list are told apart, the first that all of them have."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One property that is not as it was left."""

    urn: str
    property: str
    """Path of the property, such as ``ingress[0].fromPort``; empty: the resource itself."""
    expected: Json
    found: Json
    why: str = ""
    """Why it is let be: the reason of the rule that ignores it."""

    def to_json(self) -> dict[str, Json]:
        """The contract's four keys, and the reason of what is ignored."""
        four = {"urn": self.urn, "property": self.property, "expected": self.expected, "found": self.found}
        return {**four, "why": self.why} if self.why else four


class Finder:
    """Gathers drift from the engine's events of a refresh that are passed through it."""

    def __init__(self, settable: Callable[[str], frozenset[str]] | None = None) -> None:
        self._settable = settable or _settable
        self._reading: set[str] = set()
        self.found: list[Drift] = []

    def seen(self, events: Iterable[EngineEvent]) -> Iterator[EngineEvent]:
        """Pass the events on."""
        for event in events:
            if event.resource_pre_event is not None and event.resource_pre_event.metadata.op == "refresh":
                self._reading.add(event.resource_pre_event.metadata.urn)
            elif event.res_outputs_event is not None and event.res_outputs_event.metadata.urn in self._reading:
                self._read(event.res_outputs_event.metadata)
            yield event

    def _read(self, metadata: Any) -> None:
        old, new = metadata.old, metadata.new
        if old is None or not old.custom or old.delete or metadata.type.startswith("pulumi:"):
            return
        if new is None or metadata.op == "delete":
            self.found.append(Drift(metadata.urn, "", "exists", GONE))
            return
        settable = lambda: self._settable(metadata.type)  # noqa: E731  imports the SDK: only where it is asked
        self.found += compared(
            metadata.urn, metadata.type, old.inputs or {}, old.outputs or {}, new.outputs or {}, settable
        )


def compared(
    urn: str,
    type_: str,
    declared: Mapping[str, Any],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    settable: Callable[[], frozenset[str]],
) -> list[Drift]:
    """The differences of one resource: outputs as they were left against outputs as they are. Pure."""
    found = []
    for name in sorted({**old, **new}):
        if name.startswith("__") or name in _NOBODYS:
            continue
        if name not in declared and (name in _ELSEWHERE.get(type_, ()) or _same(old.get(name), new.get(name))):
            continue
        if name not in declared and name not in old and new[name] in _NOTHING:
            continue
        differences = list(_differences(name, old.get(name, declared.get(name)), new.get(name)))
        if differences and (name in declared or name in settable()):
            found += [Drift(urn, path, expected, now) for path, expected, now in differences]
    return found


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What a look at the cloud found."""

    drift: Sequence[Drift] = ()
    ignored: Sequence[Drift] = ()
    """What a rule of fleet.yaml lets be."""

    def to_json(self) -> dict[str, Json]:
        """The JSON document of the contract."""
        return {
            "drift": [item.to_json() for item in self.drift],
            "ignored": [item.to_json() for item in self.ignored],
        }


def sift(found: Iterable[Drift], rules: Sequence[IgnoredDrift]) -> DriftReport:
    """What counts, and what a rule of fleet.yaml lets be, with its reason. Pure."""
    counts: list[Drift] = []
    ignored: list[Drift] = []
    for item in found:
        rule = next((rule for rule in rules if _ignores(rule, item)), None)
        if rule is None:
            counts.append(item)
        else:
            ignored.append(replace(item, why=rule.why))
    return DriftReport(counts, ignored)


def _ignores(rule: IgnoredDrift, item: Drift) -> bool:
    """A rule names a property with all that is in it."""
    heads = [item.property, *(item.property[: match.start()] for match in re.finditer(r"[.\[]", item.property))]
    return is_called(rule.urn, item.urn) and any(like(rule.property, head) for head in heads)


def _same(old: Any, new: Any) -> bool:
    return not list(_differences("", old, new))


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    old, new = _document(old), _document(new)
    if old in _NOTHING and new in _NOTHING:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({**old, **new}):
            yield from _differences(_below(path, key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _members(path, old, new)
    elif _scalar(old) != _scalar(new):
        yield path, old, new


def _members(path: str, old: list[Any], new: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    left, right = _unmatched(old, new), _unmatched(new, old)
    if not left and not right:
        return
    if not all(isinstance(item, Mapping) for item in (*old, *new)):
        yield path, old, new
        return
    others = list(right)
    for item in left:
        place = old.index(item)
        other = _partner(item, left, others)
        if other is None:
            yield f"{path}[{place}]", item, GONE
            continue
        others.remove(other)
        yield from _differences(f"{path}[{place}]", item, other)
    for place, item in enumerate(others, start=len(old)):
        yield f"{path}[{place}]", None, item


def _unmatched(these: list[Any], those: list[Any]) -> list[Any]:
    rest = [_frozen(item) for item in those]
    found = []
    for item in these:
        if _frozen(item) in rest:
            rest.remove(_frozen(item))
        else:
            found.append(item)
    return found


def _partner(item: Mapping[str, Any], left: list[Any], others: list[Any]) -> Any:
    """The member that it has become: the one of the same name, else of nameless ones the next in order."""
    key = next((key for key in _KEYS if all(key in one for one in (*left, *others))), None)
    if key is not None:
        return next((other for other in others if other[key] == item[key]), None)
    return others[0] if others else None


def _frozen(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    """A value in which order and the spelling of numbers no longer count."""
    value = _document(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item not in _NOTHING}
    if isinstance(value, list):
        return sorted((_plain(item) for item in value), key=_frozen)
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return "" if value in _NOTHING else value


def _document(value: Any) -> Any:
    """A policy and its like as the document that the text spells."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _below(path: str, key: str) -> str:
    word = key if re.fullmatch(r"[\w-]+", key) else json.dumps(key)
    return f"{path}.{word}" if path else word


def _settable(type_: str) -> frozenset[str]:
    """Inputs of a type by their Pulumi names, as the SDK knows them."""
    import importlib

    _, module, name = type_.split(":")
    arguments = getattr(importlib.import_module(f"pulumi_aws.{module.split('/')[0]}"), f"{name}Args", None)
    properties = vars(arguments).values() if arguments else ()
    getters = (item.fget for item in properties if isinstance(item, property) and item.fget is not None)
    return frozenset(str(getattr(item, "_pulumi_name", item.__name__)) for item in getters)
