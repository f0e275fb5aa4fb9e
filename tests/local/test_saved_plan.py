"""A saved plan is carried out as it was decided, or refused with what moved: the file, the state or the cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stacks import Stand, run, stand

from quartermaster.fleet.errors import InputError
from quartermaster.infra.saved_plan import read_plan, refuse_moved, refuse_other, write_plan

pytestmark = pytest.mark.engine

FLEET = """
fleet: shop
region: eu-west-1
zones: 2
network: {cidr: 10.20.0.0/16, nat: none, endpoints: []}
databases:
  sessions: {engine: dynamodb, key: session_id}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("plan"), FLEET) as built:
        yield built


def save(made: Stand) -> Path:
    deployment, file = made.deployment(), made.folder / "plan.json"
    outcome = deployment.preview()
    write_plan(file, outcome, deployment.basis(), fleet="shop", stack="dev", now=datetime.now(UTC))
    return file


def apply(made: Stand, file: Path) -> dict[str, int]:
    """What `ops provision up --plan` does."""
    plan, deployment = read_plan(file), made.deployment()
    refuse_moved(plan, deployment.basis(), fleet="shop", stack="dev")
    refuse_other(plan, deployment.preview())
    run(deployment, "up")
    return dict(deployment.result.changes)


def refused(made: Stand, file: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        apply(made, file)
    assert caught.value.exit_code == 2
    return caught.value


def test_a_plan_is_carried_out_once_and_refused_when_anything_moved(made: Stand) -> None:
    first = save(made)
    assert apply(made, first)["create"] > 20

    spent = refused(made, first)
    assert any(fault.where == "state" and "sessions" in fault.problem for fault in spent.faults)

    again = save(made)
    run(made.deployment(), "up")  # finds nothing to do, and so moves nothing
    made.write(FLEET + "alarms: {latency_ms: 900}\n")
    assert [fault.where for fault in refused(made, again).faults] == ["fleet.yaml"]
    made.write(FLEET)

    client = made.cloud.client("dynamodb")
    client.update_table(TableName="shop-dev-sessions", DeletionProtectionEnabled=True)
    [fault] = refused(made, again).faults
    assert fault.where.endswith("::sessions deletionProtectionEnabled")
    assert "is true in the cloud" in fault.problem

    assert json.loads(again.read_text())["basis"]["world"] == []
    assert json.loads(again.read_text())["decided"]["policy"] == []
