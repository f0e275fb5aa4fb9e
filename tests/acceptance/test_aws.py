"""◇ Not proven: nobody has run this on AWS yet. A small stack in the user's own account, which destroys itself.

    export OPS_ACCEPTANCE_ACCOUNT=123456789012 OPS_ACCEPTANCE_REGION=eu-west-1 OPS_ACCEPTANCE_USD_PER_MONTH=60
    make acceptance-aws

The region's own state bucket is made by bootstrap and stays: the next run uses it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quartermaster.fleet.aws import Cloud, connect
from quartermaster.fleet.names import TAG_FLEET
from quartermaster.fleet.schema import load_fleet
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.bootstrap import apply, home, plan
from quartermaster.infra.deploy import Deployment

pytestmark = pytest.mark.aws

_NEEDED = ("OPS_ACCEPTANCE_ACCOUNT", "OPS_ACCEPTANCE_REGION", "OPS_ACCEPTANCE_USD_PER_MONTH")
SECONDS = 1800
"""Longer than any step may take; then what was made is destroyed."""


@dataclass(frozen=True, slots=True)
class Said:
    """The user's word."""

    account: str
    region: str
    usd_per_month: float


@pytest.fixture(scope="session")
def said() -> Said:
    lacking = [name for name in _NEEDED if not os.environ.get(name)]
    if lacking:
        pytest.fail(f"this makes and destroys resources in an AWS account; set {', '.join(lacking)}", pytrace=False)
    account, region, usd = (os.environ[name] for name in _NEEDED)
    return Said(account, region, float(usd))


class Trial:
    """The stack in the account, found by what the user said."""

    def __init__(self, folder: Path, said: Said) -> None:
        text = Path(__file__).with_name("fleet.yaml").read_text(encoding="utf-8")
        file = folder / "fleet.yaml"
        file.write_text(text.replace("123456789012", said.account).replace("eu-west-1", said.region), encoding="utf-8")
        fleet, self._workspace = load_fleet(file), Workspace(file)
        # Refuses credentials of another account.
        self.cloud: Cloud = connect(fleet, "trial", self._workspace)
        self.home = home(fleet, "trial")
        stacks = {"trial": fleet.stacks["trial"].model_copy(update={"state": self.home.state})}
        self._fleet = fleet.model_copy(update={"stacks": stacks})

    def deployment(self) -> Deployment:
        return Deployment(self._fleet, "trial", self._workspace, self.cloud)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, said: Said) -> Iterator[Trial]:
    made = Trial(tmp_path_factory.mktemp("acceptance"), said)
    list(apply(made.cloud, plan(made.cloud, made.home)))
    cost = made.deployment().preview().to_json()["cost_per_month"]["after"]
    assert float(cost) <= said.usd_per_month, f"{cost} USD a month are more than you allowed"
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        yield made
    finally:
        signal.alarm(0)
        list(made.deployment().destroy(include_protected=True))


def _too_long(*_: object) -> None:
    raise TimeoutError(f"not done within {SECONDS} s")


def test_bootstrap_leaves_nothing_to_make(trial: Trial) -> None:
    assert plan(trial.cloud, trial.home) == ()


def test_up_then_up_changes_nothing_and_nothing_drifts(trial: Trial) -> None:
    list(trial.deployment().up())
    again = trial.deployment()
    list(again.up())
    assert {kind: count for kind, count in again.result.changes.items() if count and kind != "same"} == {}
    assert trial.deployment().drift().drift == []


def test_everything_made_carries_the_fleets_tag_and_goes(trial: Trial) -> None:
    client = trial.cloud.client("resourcegroupstaggingapi")
    ours = [{"Key": TAG_FLEET, "Values": ["ops-acceptance"]}]
    assert client.get_resources(TagFilters=ours)["ResourceTagMappingList"]
    last = trial.deployment()
    list(last.destroy(include_protected=True))
    assert last.result.kept == ()
