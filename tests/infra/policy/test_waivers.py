"""A waived finding is shown with its reason and its end, and blocks nothing until then."""

from __future__ import annotations

from datetime import date

import pytest
from broken_fleets import found, the_fleet, with_inputs

from quartermaster.fleet.schema.safety import Waiver
from quartermaster.infra.outcome import Outcome
from quartermaster.infra.policy import Finding

BROKEN = with_inputs("rds/Instance", multiAz=False)


def waived(until: str, resource: str = "orders", rule: str = "database-standby") -> Finding:
    text = f"waivers: [{{rule: {rule}, resource: {resource!r}, reason: rebuilt this week, until: {until}}}]\nfreezes:"
    fleet = the_fleet(("freezes:", text))
    [finding] = [one for one in found(BROKEN, judged_as=fleet) if one.rule == "database-standby"]
    return finding


@pytest.mark.parametrize("resource", ["orders", "ord*", "*", "urn:pulumi:prod::*::orders"])
def test_a_waiver_names_resources_by_name_or_urn(resource: str) -> None:
    document = waived("2026-11-21", resource).to_json()
    assert document["waived"] == {"reason": "rebuilt this week", "until": "2026-11-21"}
    assert Outcome({}, 0, policy=[document]).blocked == []


@pytest.mark.parametrize(
    ("until", "resource", "rule"),
    [
        ("2026-11-20", "orders", "database-standby"),
        ("2027-01-01", "other", "database-standby"),
        ("2027-01-01", "orders", "imdsv2"),
    ],
)
def test_an_ended_or_unfitting_waiver_sets_nothing_aside(until: str, resource: str, rule: str) -> None:
    document = waived(until, resource, rule).to_json()
    assert document["waived"] is None
    assert Outcome({}, 0, policy=[document]).blocked == [document]


def test_an_ended_waiver_is_told() -> None:
    assert waived("2026-11-20").reason.endswith("(its waiver ended on 2026-11-20)")


def test_the_last_day_is_included() -> None:
    assert Waiver(rule="imdsv2", reason="long enough", until=date(2026, 11, 21)).until == date(2026, 11, 21)
    assert waived("2026-11-21").waiver is not None
