"""A saved plan holds as long as nothing that it was decided from has moved; what moved is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from steps import step

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.infra.changes import change_of
from quartermaster.infra.drift import Drift
from quartermaster.infra.outcome import Outcome
from quartermaster.infra.plan_basis import Basis, basis_of, moved
from quartermaster.infra.resources import Resource
from quartermaster.infra.saved_plan import read_plan, refuse_moved, refuse_other, write_plan

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
THEN = Basis({"fleet.yaml": "a", "infra/program.py": "b"}, {"pulumi": "3.1"}, {"urn::web": "c"}, ())
GROUP = "aws:autoscaling/group:Group"
DRIFT = {"urn": "urn::web", "property": "maxSize", "expected": 24, "found": 23}


def outcome(new: int = 30, op: str = "update") -> Outcome:
    change = change_of(step(op, GROUP, "web", old={"maxSize": 24, "s": "[secret]"}, new={"maxSize": new, "s": "x"}))
    return Outcome({"update": 1}, 1.0, steps=[change] if change else [])


def saved(path: Path, basis: Basis = THEN) -> Path:
    write_plan(path / "plan.json", outcome(), basis, fleet="shop", stack="dev", now=NOW)
    return path / "plan.json"


def now(**pieces: Any) -> Basis:
    parts = {"files": THEN.files, "versions": THEN.versions, "state": THEN.state, "world": THEN.world}
    return Basis(**{**parts, **pieces})


def test_what_is_written_is_read_and_written_the_same(tmp_path: Path) -> None:
    file = saved(tmp_path)
    plan = read_plan(file)
    assert plan.basis == THEN
    assert json.loads(file.read_text()) == plan.to_json()
    assert file.read_bytes() == saved(tmp_path).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_an_unmoved_basis_holds(tmp_path: Path) -> None:
    plan = read_plan(saved(tmp_path))
    refuse_moved(plan, now(), fleet="shop", stack="dev")
    refuse_other(plan, outcome())


@pytest.mark.parametrize(
    ("pieces", "where", "problem"),
    [
        ({"files": {**THEN.files, "fleet.yaml": "z"}}, "fleet.yaml", "another"),
        ({"files": {"fleet.yaml": "a"}}, "infra/program.py", "gone"),
        ({"files": {**THEN.files, "infra/x.py": "z"}}, "infra/x.py", "new"),
        ({"versions": {"pulumi": "3.2"}}, "pulumi", "saved with 3.1, this is 3.2"),
        ({"state": {"urn::web": "z"}}, "urn::web", "another"),
        ({"state": {**THEN.state, "pending": "creating urn::db"}}, "pending", "new"),
        ({"world": (DRIFT,)}, "urn::web maxSize", "maxSize was 24 and is 23 in the cloud"),
        ({"world": ({**DRIFT, "property": "", "expected": "exists", "found": "gone"},)}, "urn::web", "is gone"),
    ],
)
def test_what_moved_is_named(tmp_path: Path, pieces: Mapping[str, Any], where: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        refuse_moved(read_plan(saved(tmp_path)), now(**pieces), fleet="shop", stack="dev")
    [fault] = caught.value.faults
    assert caught.value.exit_code == 2
    assert fault.where == where
    assert problem in fault.problem


def test_drift_that_was_there_and_is_gone_has_moved_too() -> None:
    [fault] = moved(now(world=(DRIFT,)), now())
    assert "was 23 and is 24" in fault.problem


def test_of_very_many_one_fault_names_all() -> None:
    [fault] = moved(now(state={}), now(state={f"urn::web-{number}": "x" for number in range(40)}))
    assert fault.problem.startswith("40 are new")
    assert "web-39" in fault.problem


def test_another_decision_is_refused_by_resource_and_property(tmp_path: Path) -> None:
    plan = read_plan(saved(tmp_path))

    def faults(other: Outcome) -> list[Fault]:
        with pytest.raises(InputError) as caught:
            refuse_other(plan, other)
        return list(caught.value.faults)

    [fault] = faults(outcome(new=31))
    assert fault.where.endswith("::web maxSize")
    assert fault.problem == "the plan makes it 30, `up` would now make it 31"
    [fault] = faults(outcome(op="same"))
    assert fault.problem == "the plan says update, `up` would now nothing"


def test_a_new_resource_is_made_with_the_planned_inputs_or_not(tmp_path: Path) -> None:
    def made(size: int, instant: str = "1") -> Outcome:
        inputs = {"minSize": size, "finalSnapshotIdentifier": instant}
        change = change_of(step("create", GROUP, "web", new=inputs))
        assert change is not None
        return Outcome({"create": 1}, 1.0, steps=[change], resources=[Resource(change.urn, GROUP, "web", inputs)])

    write_plan(tmp_path / "plan.json", made(3), THEN, fleet="shop", stack="dev", now=NOW)
    plan = read_plan(tmp_path / "plan.json")
    refuse_other(plan, made(3, instant="2"))
    with pytest.raises(InputError) as caught:
        refuse_other(plan, made(4))
    [fault] = caught.value.faults
    assert fault.where.endswith("::web minSize")


def test_a_plan_of_another_stack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of stack dev of fleet shop, not of stack prod"):
        refuse_moved(read_plan(saved(tmp_path)), THEN, fleet="shop", stack="prod")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1}'])
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(InputError, match="saved plan"):
        read_plan(file)


def test_secrets_stand_as_stars(tmp_path: Path) -> None:
    assert '"old": "[secret]"' in saved(tmp_path).read_text()


def test_a_basis_is_read_from_files_state_and_world(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("fleet: shop\n")
    web = {"urn": "urn::web", "type": GROUP, "custom": True, "inputs": {"a": 1}, "modified": "yesterday"}
    found = basis_of(fleet, None, {"resources": [web]}, [Drift("urn::web", "maxSize", 24, 23)], local=False)
    assert {"fleet.yaml", "infra/program.py", "fleet/schema/model.py"} <= set(found.files)
    assert not any("local" in name or "role bundle" in name for name in found.files)
    assert found.world == (DRIFT,)
    later = basis_of(fleet, fleet, {"resources": [{**web, "modified": "today"}]}, [], local=True)
    assert later.state == found.state
    assert {"role bundle", "infra/local/provider/table.py"} <= set(later.files)
