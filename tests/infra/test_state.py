"""What a destroy left is told with its reason."""

from __future__ import annotations

from typing import Any

from quartermaster.infra.state import kept


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
