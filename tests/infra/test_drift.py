"""Drift is told property by property, and what the cloud computes, adds or reorders is none."""

from __future__ import annotations

from typing import Any

import pytest

from quartermaster.fleet.schema.safety import IgnoredDrift
from quartermaster.infra.drift import GONE, Drift, compared, sift

URN = "urn:pulumi:dev::shop::ops:infra:Network$aws:ec2/subnet:Subnet::public-a"
SETTABLE = frozenset({"declared", "free", "tags", "ingress", "policy", "desiredCapacity"})


def seen(old: dict[str, Any], new: dict[str, Any], declared: set[str] | None = None, type_: str = "t") -> list[Any]:
    names = old.keys() if declared is None else declared
    inputs = {name: old[name] for name in names if name in old}
    found = compared(URN, type_, inputs, old, new, lambda: SETTABLE)
    return [(item.property, item.expected, item.found) for item in found]


@pytest.mark.parametrize(
    ("old", "new", "drift"),
    [
        ({"declared": 1}, {"declared": 2}, [("declared", 1, 2)]),
        ({"tags": {"a": "b"}}, {"tags": {"a": "c", "d/e": "f"}}, [("tags.a", "b", "c"), ('tags."d/e"', None, "f")]),
        (
            {"ingress": [{"fromPort": 80, "toPort": 80}]},
            {"ingress": [{"fromPort": 81, "toPort": 80}]},
            [("ingress[0].fromPort", 80, 81)],
        ),
        (
            {"ingress": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
            {"ingress": [{"name": "b", "port": 3}]},
            [("ingress[0]", {"name": "a", "port": 1}, GONE), ("ingress[1].port", 2, 3)],
        ),
        (
            {"ingress": [{"name": "a"}]},
            {"ingress": [{"name": "a"}, {"name": "x"}]},
            [("ingress[1]", None, {"name": "x"})],
        ),
        ({"policy": '{"A": {"B": "x"}}'}, {"policy": '{"A":{"B":"y"}}'}, [("policy.A.B", "x", "y")]),
        ({"declared": ["a", "b"]}, {"declared": ["a"]}, [("declared", ["a", "b"], ["a"])]),
    ],
)
def test_a_change_is_told_by_its_path(old: dict[str, Any], new: dict[str, Any], drift: list[Any]) -> None:
    assert seen(old, new) == drift


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"declared": ["a", "b"]}, {"declared": ["b", "a"]}),
        ({"declared": [{"a": 1}, {"a": 2}]}, {"declared": [{"a": 2}, {"a": 1}]}),
        ({"policy": '{"A": [1, 2]}'}, {"policy": '{ "A":[2,1] }'}),
        ({"declared": 30}, {"declared": 30.0}),
        ({"declared": {"on": False}}, {"declared": {}}),
        ({"declared": None}, {"declared": ""}),
    ],
)
def test_order_spelling_and_emptiness_are_no_drift(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert seen(old, new) == []


def test_what_nobody_declared_is_drift_only_where_somebody_can_set_it() -> None:
    old, new = {"free": 1, "endpoint": "a", "desiredCapacity": 3}, {"free": 2, "endpoint": "b", "desiredCapacity": 5}
    assert seen(old, new, declared=set()) == [("free", 1, 2)]


def test_what_other_resources_of_the_stack_say_is_no_drift_of_this_one() -> None:
    old, new = {"ingress": []}, {"ingress": [{"fromPort": 80}]}
    assert seen(old, new, declared=set(), type_="aws:ec2/securityGroup:SecurityGroup") == []


def test_desired_never_shows() -> None:
    assert seen({"desiredCapacity": 3}, {"desiredCapacity": 5}) == []


@pytest.mark.parametrize(
    ("urn", "property_", "ignored"),
    [
        ("*::public-?", "tags", True),
        ("public-a", "tags.a", True),
        (URN, "*", True),
        ("*", "tag", False),
        ("private-*", "*", False),
    ],
)
def test_a_rule_ignores_a_property_and_what_is_in_it(urn: str, property_: str, ignored: bool) -> None:
    rule = IgnoredDrift.model_validate({"urn": urn, "property": property_, "why": "the tagger's"})
    found = sift([Drift(URN, "tags.a", "b", "c")], [rule])
    assert [len(found.drift), len(found.ignored)] == ([0, 1] if ignored else [1, 0])
    assert all(item.to_json()["why"] == "the tagger's" for item in found.ignored)
