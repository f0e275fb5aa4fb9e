"""`destroy` keeps what is protected and names it; with --include-protected the account is as it was before."""

from __future__ import annotations

from pathlib import Path

import pytest
from census import census
from stacks import run, stand

from quartermaster.fleet.events import Noted

pytestmark = pytest.mark.engine

FLEET = """
fleet: shop
zones: 2
stacks: {dev: {target: local, protect: true}}
network: {cidr: 10.20.0.0/16, nat: none}
databases: {sessions: {engine: dynamodb}}
"""


def test_what_is_protected_stays_and_is_named_until_it_is_asked_for(tmp_path: Path) -> None:
    with stand(tmp_path, FLEET) as made:
        empty = census(made.cloud)
        run(made.deployment(), "up")
        deployment = made.deployment()
        said = [event.message for event in run(deployment, "destroy") if isinstance(event, Noted)]
        assert "kept Table sessions: it is protected" in said
        kept = deployment.result.kept
        left = {item["urn"] for item in deployment._engine.export()["resources"] if item.get("id")}
        assert set(kept) == {urn for urn in left if "pulumi:providers" not in urn}
        assert any(urn.endswith("Table::sessions") for urn in kept)
        assert census(made.cloud)["table"] == 1
        deployment = made.deployment()
        list(deployment.destroy(include_protected=True))
        assert deployment.result.kept == ()
        assert census(made.cloud) == empty
