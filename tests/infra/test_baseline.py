"""The account's trail: who writes it and who may not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartermaster.fleet.schema import load_fleet
from quartermaster.infra.baseline import key_policy, trail_policy
from quartermaster.infra.permissions.declared import declared_types

ACCOUNT, TRAIL = "123456789012", "arn:aws:cloudtrail:eu-west-1:123456789012:trail/shop-prod-trail"
BUCKET = "arn:aws:s3:::shop-prod-trail-123456789012"


def test_only_this_trail_writes_and_only_below_its_account() -> None:
    statements = {one["Sid"]: one for one in json.loads(trail_policy(BUCKET, ACCOUNT, TRAIL, tls=True))["Statement"]}
    assert statements["Write"]["Resource"] == f"{BUCKET}/AWSLogs/{ACCOUNT}/*"
    assert statements["Write"]["Condition"]["StringEquals"]["aws:SourceArn"] == TRAIL
    assert statements["TlsOnly"]["Effect"] == "Deny"


def test_the_key_encrypts_for_this_trail_only() -> None:
    statements = json.loads(key_policy(ACCOUNT, TRAIL))["Statement"]
    services = [one for one in statements if "Service" in one["Principal"]]
    assert len(services) == 2
    assert all(one["Condition"]["StringEquals"] == {"aws:SourceArn": TRAIL} for one in services)


@pytest.mark.parametrize(("baseline", "made"), [("none", False), ("create", True)])
def test_a_trail_is_made_only_when_the_fleet_says_so(tmp_path: Path, baseline: str, made: bool) -> None:
    (tmp_path / "fleet.yaml").write_text(f"fleet: shop\naccount_baseline: {baseline}\nclusters: {{web: {{}}}}\n")
    types = declared_types(load_fleet(tmp_path / "fleet.yaml"), "dev")
    assert ("aws:cloudtrail/trail:Trail" in types) is made
