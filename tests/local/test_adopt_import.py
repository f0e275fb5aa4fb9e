"""A shop that was built by hand is taken into the state: nothing of it is made again, renamed or replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from stacks import run, stand

from quartermaster.fleet.hosts import Hosts
from quartermaster.infra.adopt import discover
from quartermaster.infra.adopt_text import fleet_text
from quartermaster.infra.cluster import HOOK
from tests.infra.shop_by_hand import build

pytestmark = pytest.mark.engine


def test_what_was_built_by_hand_is_taken_in_and_stays_what_it_is(tmp_path: Path) -> None:
    with stand(tmp_path, "fleet: shop\n") as made:
        build(made.cloud.client)
        text, _ = fleet_text(discover(made.cloud), "shop", local=True)
        made.write(text)
        wanted = [item.id for item in made.fleet.adopted]
        run(made.deployment(), "adopt")
        deployment = made.deployment()
        changes = deployment.preview().changes
        assert (changes["replace"], changes["delete"]) == (0, 0)
        created = {(urn.split("::")[2].split("$")[-1], urn.rsplit("::", 1)[-1]) for urn in deployment._births.entries}
        assert not created & {(item.type, item.name) for item in made.fleet.adopted}
        state = made.deployment()._engine.export()
        assert {item["id"] for item in state["resources"] if item.get("id") in wanted} == set(wanted)
        run(made.deployment(), "adopt")
        run(made.deployment(), "up")
        group = Hosts(made.cloud).group("old-web-asg")
        assert group.name == "old-web-asg"
        hooks = made.cloud.client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=group.name)
        assert [hook["LifecycleHookName"] for hook in hooks["LifecycleHooks"]] == [HOOK]
        again = made.deployment().preview().changes
        assert {kind: count for kind, count in again.items() if count and kind != "same"} == {}
