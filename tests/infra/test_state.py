"""What a destroy left is told with its reason."""

from __future__ import annotations

from typing import Any

from quartermaster.infra.state import kept, pending


def resource(name: str, *on: str, protect: bool = False) -> dict[str, Any]:
    found = {"urn": f"urn:pulumi:dev::shop::aws:x/y:Y::{name}", "type": "aws:x/y:Y", "custom": True, "id": name}
    return {**found, "protect": protect, "dependencies": [f"urn:pulumi:dev::shop::aws:x/y:Y::{one}" for one in on]}


def test_what_is_protected_and_what_that_needs_are_told_apart() -> None:
    state = {
        "resources": [
            resource("key"),
            resource("group", "key"),
            resource("orders", "group", protect=True),
            resource("x"),
        ]
    }
    assert [(urn.rsplit("::", 1)[-1], why) for urn, why in kept(state)] == [
        ("key", "orders, which is protected, needs it"),
        ("group", "orders, which is protected, needs it"),
        ("orders", "it is protected"),
        ("x", "it could not be told why"),
    ]


def test_a_component_under_way_is_nothing_of_the_cloud() -> None:
    def begun(**resource: object) -> dict[str, object]:
        return {"type": "creating", "resource": {"urn": "urn", **resource}}

    state = {"pending_operations": [begun(type="aws:ec2/vpc:Vpc", custom=True), begun(type="ops:infra:Network")]}
    assert [(item.type, item.custom) for item in pending(state)] == [
        ("aws:ec2/vpc:Vpc", True),
        ("ops:infra:Network", False),
    ]
