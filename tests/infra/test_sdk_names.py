"""Every type and name that the local provider takes or gives is one of pulumi_aws: what works here is spelt for AWS."""

from __future__ import annotations

import pytest
from sdk import inputs, outputs, resource, strange

from quartermaster.infra.local.provider.table import TABLE


@pytest.mark.parametrize("token", sorted(TABLE))
def test_the_sdk_has_the_type_and_every_input(token: str) -> None:
    kind = TABLE[token]
    named = kind.inputs | set(kind.needs.split()) | kind.limits.keys() | ({kind.name} if kind.name else set())
    # IAM and Route 53 are of no region, and `region` replaces everywhere.
    assert named - inputs(token) - {"region"} == set()
    assert named <= kind.inputs, "needed, limited or unique, but not taken"


def test_a_type_that_the_sdk_has_not_is_named() -> None:
    with pytest.raises(LookupError, match="aws:ec2/vpc:Network"):
        resource("aws:ec2/vpc:Network")


def test_names_that_the_sdk_has_not_are_found_at_any_depth() -> None:
    token = "aws:lb/targetGroup:TargetGroup"
    assert "healthCheck" in outputs(token)
    assert strange(token, {"name": "web", "healthCheck": {"path": "/", "route": "/"}, "portal": 1}) == [
        "healthCheck.route",
        "portal",
    ]
