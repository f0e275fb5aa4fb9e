"""`ops` is killed with -9 in the middle: the next command says what it found, goes on, and nothing exists twice."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from census import census
from stacks import Stand, run, stand

from quartermaster.fleet.events import Noted
from quartermaster.infra.deploy import forget_local
from quartermaster.infra.interrupted import _read, _restore, saved_state
from quartermaster.infra.state import custom
from quartermaster.infra.sweep import loose, own_tags

pytestmark = pytest.mark.engine

SMALL = """
fleet: shop
zones: 2
network: {cidr: 10.20.0.0/16}
clusters:
  web: {size: {min: 2, max: 4}, balancer: {}}
databases: {sessions: {engine: dynamodb}}
"""

TINY = """
fleet: shop
zones: 2
network: {cidr: 10.20.0.0/16, nat: none}
databases: {sessions: {engine: dynamodb}}
"""


def notes(events: list[object]) -> list[str]:
    return [event.message for event in events if isinstance(event, Noted)]


def test_up_and_destroy_go_on_after_kill_9(tmp_path: Path) -> None:
    """At the first boundary of the journal, in the middle and at the last."""
    with stand(tmp_path, SMALL) as made:
        empty = census(made.cloud)
        last = made.deployment().preview().changes["create"]
        made.killed("up", after=1, kind="started")
        made.killed("up", after=last // 2)
        said = notes(run(made.deployment(), "up"))
        assert any("cut off" in line for line in said)
        assert any("lock" in line for line in said)
        found = census(made.cloud)
        assert (found["vpc"], found["subnet"]) == (empty["vpc"] + 1, empty["subnet"] + 6)
        assert (found["nat gateway"], found["address"], found["balancer"], found["group"]) == (2, 2, 1, 1)
        assert _unchanged(made)
        made.killed("destroy", after=last // 2)
        made.killed("destroy", after=len(custom(saved_state(made.deployment()._engine))))
        run(made.deployment(), "destroy")
        assert census(made.cloud) == empty


PIECES = 15


@pytest.mark.soak
@pytest.mark.parametrize("piece", range(PIECES))
@pytest.mark.parametrize("act", ["up", "destroy"])
def test_a_kill_at_every_boundary(tmp_path: Path, act: str, piece: int) -> None:
    """Each run is killed as soon as it has begun or finished one thing, the next ones after two, three, and so on.

    Mending is such a thing. What the engine had finished just before a kill it has not always written down: only runs
    that grow longer come to an end.
    """
    with stand(tmp_path, SMALL) as made:
        empty = census(made.cloud)
        count = made.deployment().preview().changes["create"]
        if act == "destroy":
            run(made.deployment(), "up")
        begin, end = (count * place // PIECES for place in (piece, piece + 1))
        if begin:
            made.killed(act, after=begin)
        for after, kind in ((after, kind) for after in itertools.count(1) for kind in ("started", "finished")):
            if _done(made, act, count) >= end or not made.killed(act, after=after, kind=kind):
                break
        run(made.deployment(), act)
        if act == "up":
            assert _unchanged(made)
            state = made.deployment()._engine.export()
            assert loose(made.cloud, state, own_tags(made.cloud, [made.fleet.region])) == ()
            run(made.deployment(), "destroy")
        assert census(made.cloud) == empty


def _done(made: Stand, act: str, count: int) -> int:
    """How many of that many resources are made, or are gone."""
    there = len(custom(saved_state(made.deployment()._engine)))
    return there if act == "up" else count - there


def _unchanged(made: Stand) -> bool:
    changes = made.deployment().preview().changes
    return sum(count for kind, count in changes.items() if kind != "same") == 0


def test_what_was_made_without_the_state_knowing_is_taken_over(tmp_path: Path) -> None:
    """The worst moment, on purpose: they stand in the account, the state only knows that they were begun."""
    with stand(tmp_path, SMALL) as made:
        run(made.deployment(), "up")
        before = census(made.cloud)
        _strike(made, ("Plan::plan", "Selection::tagged", "FlowLog::flow-log", "instanceProfile:InstanceProfile::web"))
        _forget_the_answer(made, ("Table::sessions", "Alias::data", "autoscaling/group:Group::web"))
        said = notes(run(made.deployment(), "up"))
        assert sum("had been made" in line for line in said) == 3, said
        assert sum("is there already" in line for line in said) == 4, said
        assert census(made.cloud) == before
        assert _unchanged(made)


@pytest.mark.soak
def test_a_stack_whose_state_is_lost_is_taken_over_whole(tmp_path: Path) -> None:
    """Layer by layer, as what hangs on something is asked for by its id: nothing is made a second time."""
    with stand(tmp_path, TINY) as made:
        empty = census(made.cloud)
        run(made.deployment(), "up")
        before = census(made.cloud)
        forget_local(made.workspace)
        said = notes(run(made.deployment(), "up"))
        assert sum("is there already" in line for line in said) > 20
        assert not [line for line in said if "look at it" in line]
        assert census(made.cloud) == before
        assert _unchanged(made)
        run(made.deployment(), "destroy")
        assert census(made.cloud) == empty


def test_a_state_cut_off_in_the_middle_of_writing_is_replaced_by_its_copy(tmp_path: Path) -> None:
    file = tmp_path / "dev.json"
    file.write_text('{"checkpoint": {"latest": {"resou')
    file.with_name("dev.json.bak").write_text('{"checkpoint": {"latest": {"resources": []}}}')
    (tmp_path / "dev.json.attrs").touch()
    assert _read(file) == {"resources": []}
    assert _restore(file)
    assert not (tmp_path / "dev.json.attrs").exists()
    assert not _restore(file)
    assert _read(file) == {"resources": []}


def _strike(made: Stand, names: tuple[str, ...]) -> None:
    """Take resources out of the state as if it had never known them."""
    engine = made.deployment()._engine
    state = engine.export()
    gone = {item["urn"] for item in state["resources"] if item["urn"].endswith(names)}
    engine.replace_state({**state, "resources": _without(state["resources"], gone)})


def _without(resources: list[dict[str, Any]], gone: set[str]) -> list[dict[str, Any]]:
    """The resources but those that are gone, and nothing depends on them any more."""
    left = [item for item in resources if item["urn"] not in gone]
    for item in left:
        item["dependencies"] = [urn for urn in item.get("dependencies") or [] if urn not in gone]
        needs = item.get("propertyDependencies") or {}
        item["propertyDependencies"] = {key: [urn for urn in urns if urn not in gone] for key, urns in needs.items()}
    return left


def _forget_the_answer(made: Stand, names: tuple[str, ...]) -> None:
    """Make of finished creations ones that are under way, as a kill between act and answer leaves them."""
    engine = made.deployment()._engine
    state = engine.export()
    begun = [item for item in state["resources"] if item["urn"].endswith(names) and item.get("custom")]
    pending = []
    for item in begun:
        fields = {key: value for key, value in item.items() if key not in ("id", "outputs")}
        pending.append({"resource": fields, "type": "creating"})
    file = engine.state_file
    assert file is not None
    import json

    checkpoint = json.loads(file.read_text())
    latest = checkpoint["checkpoint"]["latest"]
    gone = {item["urn"] for item in begun}
    latest["resources"] = _without(latest["resources"], gone)
    latest["pending_operations"] = pending
    file.write_text(json.dumps(checkpoint))
