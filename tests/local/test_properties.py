"""What holds for every valid fleet: of its program under mocks, and of its stack through engine and local cloud.

The same fleets each time, so that a change is to blame for a failure; OPS_SEED=NUMBER tries others.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from census import CENSUS, GLOBAL, census
from fleets import fleets, small_fleets, text_of
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from mocked import declared
from program_checks import faults
from sdk import strange
from stacks import Stand, run, stand

from quartermaster.fleet.schema import Fleet
from quartermaster.infra.state import custom

# The program needs no engine, but 50 fleets of it take as long as one.
pytestmark = pytest.mark.engine

SEED = int(os.environ.get("OPS_SEED") or 20261121)


ALL = slice(None)


def tried(check: Callable[..., None], count: int, *strategies: SearchStrategy[Any], piece: slice = ALL) -> None:
    """Try the check on that many values of the strategies, or on that piece of them."""
    found: list[tuple[Any, ...]] = []

    def keep(values: tuple[Any, ...]) -> None:
        found.append(values)

    settled = settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    seed(SEED)(settled(given(st.tuples(*strategies))(keep)))()
    # Checked apart from hypothesis, which tries again what failed: that takes minutes here.
    for values in found[piece]:
        print(f"OPS_SEED={SEED}: {values}")  # noqa: T201  shown with a failure
        check(*values)


def a_program_is_sound(fleet: Fleet, stack: str) -> None:
    assert faults(fleet, stack, declared(fleet, stack)) == []


STACKS = st.sampled_from(["dev", "prod"])


def test_the_program_of_any_fleet_is_sound() -> None:
    tried(a_program_is_sound, 50, fleets(), STACKS)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, 500, 50))
def test_the_program_of_ten_times_as_many_fleets_is_sound(first: int) -> None:
    tried(a_program_is_sound, 500, fleets(), STACKS, piece=slice(first, first + 50))


def test_any_stack_comes_stays_and_goes(tmp_path_factory: pytest.TempPathFactory) -> None:
    tried(_lives(tmp_path_factory), 3, small_fleets())


@pytest.mark.soak
@pytest.mark.parametrize("number", range(20))
def test_any_of_twenty_stacks_comes_stays_and_goes(number: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    tried(_lives(tmp_path_factory), 20, small_fleets(), piece=slice(number, number + 1))


def _lives(folders: pytest.TempPathFactory) -> Callable[..., None]:
    def check(tree: dict[str, Any]) -> None:
        with stand(folders.mktemp("life"), text_of(tree)) as made:
            _comes_stays_and_goes(made)

    return check


def _comes_stays_and_goes(made: Stand) -> None:
    before = _account(made)
    deployment = made.deployment()
    deployment.preview().refuse_blocked()
    run(deployment, "up")
    assert [path for one in _state(made) for path in strange(one["type"], one["outputs"])] == []
    again = made.deployment()
    run(again, "up")
    assert {kind: count for kind, count in again.result.changes.items() if count and kind != "same"} == {}
    assert made.deployment().drift().drift == []
    first = made.deployment()
    run(first, "destroy")
    assert sorted(first.result.kept) == sorted(one["urn"] for one in _state(made))
    left = _account(made) - before
    stays = [one for one in _state(made) if one["type"] in CENSUS]
    named = Counter(_place(region, CENSUS[one["type"]]) for one in stays for region in _regions(made, one))
    for network in [one for one in stays if one["type"] == "aws:ec2/vpc:Vpc"]:
        # A network that stays keeps what AWS made with it: its main route table and its own group.
        for kind in ("route table", "security group", "security group rule"):
            del left[*_regions(made, network), kind]
    for database in [one for one in stays if one["type"] == "aws:rds/instance:Instance"]:
        del left[*_regions(made, database), "database snapshot"]  # the automated one, which goes with it
    assert dict(left) == dict(named)
    last = made.deployment()
    list(last.destroy(include_protected=True))
    assert last.result.kept == ()
    assert _account(made) == before


def _account(made: Stand) -> Counter[tuple[str, str]]:
    """How many there are of each kind in each region that the fleet uses."""
    regions = {made.fleet.region, made.fleet.recovery_region or made.fleet.region}
    return Counter(
        {_place(region, kind): count for region in regions for kind, count in census(made.cloud, region).items()}
    )


def _place(region: str, kind: str) -> tuple[str, str]:
    """Where it counts: what every region lists alike counts once."""
    return ("" if kind in GLOBAL else region, kind)


def _state(made: Stand) -> tuple[Mapping[str, Any], ...]:
    """The cloud's resources in the stack's state."""
    file = made.workspace.folder("state") / ".pulumi/stacks" / made.fleet.fleet / "dev.json"
    return custom(json.loads(file.read_text())["checkpoint"].get("latest") or {})


def _regions(made: Stand, resource: Mapping[str, Any]) -> list[str]:
    """Where it stands: a table and a secret also where their replicas are."""
    replicas = [one.get("regionName") or one["region"] for one in resource["outputs"].get("replicas") or ()]
    return [resource["inputs"].get("region", made.fleet.region), *replicas]
