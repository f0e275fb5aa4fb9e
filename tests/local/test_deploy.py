"""A stack through the real Pulumi engine, on an AWS API in another process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from census import census, everything
from stacks import Stand, run, stand

from quartermaster.fleet.errors import MissingPart
from quartermaster.infra.deploy import forget_local

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The design's fleet, up."""
    with stand(tmp_path_factory.mktemp("stack")) as built:
        built.empty = census(built.cloud)  # type: ignore[attr-defined]
        run(built.deployment(), "up")
        yield built


def test_a_second_up_changes_nothing_and_desired_is_nobodys_but_the_scalers(made: Stand) -> None:
    client = made.cloud.client("autoscaling")
    client.set_desired_capacity(AutoScalingGroupName="shop-dev-web", DesiredCapacity=5)
    deployment = made.deployment()
    run(deployment, "up")
    changes = deployment.result.changes
    assert {kind: changes[kind] for kind in ("create", "update", "replace", "delete")} == {
        "create": 0, "update": 0, "replace": 0, "delete": 0,
    }  # fmt: skip
    assert changes["same"] > 60
    group = client.describe_auto_scaling_groups(AutoScalingGroupNames=["shop-dev-web"])["AutoScalingGroups"][0]
    assert group["DesiredCapacity"] == 5
    assert made.deployment().drift().drift == []


def test_every_taggable_resource_says_where_it_is_from(made: Stand) -> None:
    found = everything(made.cloud)
    ours = [item for kind in ("subnet", "nat gateway", "address") for item in found[kind] if "Tags" in item]
    keys = [{tag["Key"] for tag in item["Tags"]} for item in ours]
    assert sum("ops:urn" in names for names in keys) == 9 + 3 + 3


def test_outputs_name_hosts_and_databases(made: Stand) -> None:
    found = made.deployment().outputs()
    assert len(found["clusters"]["web"]["hosts"]) >= 3
    assert found["databases"]["orders"]["port"] == 5432
    assert "sessions" not in found["databases"]


def test_another_local_cloud_is_not_drift_but_gone(made: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quartermaster.infra.cloud_record._instance", lambda *_: "another")
    with pytest.raises(MissingPart, match="is gone") as caught:
        made.deployment().preview()
    assert "ops local reset" in caught.value.remedy


def test_destroy_leaves_nothing_behind(made: Stand) -> None:
    deployment = made.deployment()
    run(deployment, "destroy")
    assert deployment.result.kept == ()
    assert census(made.cloud) == made.empty  # type: ignore[attr-defined]
    forget_local(made.workspace)
    assert not (Path(made.folder) / ".ops" / "state" / ".pulumi").exists()
