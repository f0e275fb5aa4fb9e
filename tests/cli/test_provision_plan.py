"""A plan as people read it: the whole page against a golden one, without colour where nobody sees it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from steps import component, step, urn

from quartermaster.cli.provision_plan import cost_text, plan_text
from quartermaster.fleet.errors import GuardRefused
from quartermaster.infra.changes import ACTS, change_of
from quartermaster.infra.outcome import Outcome
from tests.cli.terminal import Terminal

GOLDEN = Path(__file__).with_name("plan.txt")
COST = {
    "before": 10.0, "after": 45.5, "delta": 35.5, "currency": "USD", "unknown": ["x (aws:eks/cluster:Cluster): no"],
    "not_included": ["DynamoDB requests"], "dated": "2025-10-01", "source": "by hand",
    "resources": [
        {
            "name": "orders", "type": "aws:rds/instance:Instance",
            "before": 10.0, "after": 45.5, "delta": 35.5, "why": "x",
        }
    ],
}  # fmt: skip
BLOCKED = {
    "rule": "encrypted-data", "severity": "mandatory", "resource": "urn::orders", "reason": "unencrypted",
    "remedy": "encrypt it", "waived": None,
}  # fmt: skip
WAIVED = {**BLOCKED, "rule": "single-nat", "waived": {"reason": "dev is cheap", "until": "2027-01-31"}}


def outcome(steps: list[Any], **more: Any) -> Outcome:
    changes = [change for one in steps if (change := change_of(one)) is not None]
    counts = {act: sum(one.act == act and one.custom for one in changes) for act in ACTS}
    return Outcome(changes=counts, seconds=1.0, steps=changes, **more)


def sample() -> Outcome:
    network, web = urn("ops:infra:Network", "network"), urn("ops:infra:Cluster", "web-cluster")
    orders = urn("ops:infra:Database", "orders-database")
    return outcome(
        [
            component("Network", "network"),
            step("same", "aws:ec2/vpc:Vpc", "vpc", old={"a": 1}, new={"a": 1}, parent=network),
            component("Cluster", "web-cluster"),
            step(
                "update", "aws:autoscaling/group:Group", "web", parent=web,
                old={"maxSize": 24.0, "x": "y" * 80 + "1"}, new={"maxSize": 30.0, "x": "y" * 80 + "2"},
            ),
            step("create", "aws:autoscaling/policy:Policy", "web-cpu", new={"a": 1}, parent=web),
            component("Database", "orders-database"),
            step(
                "create-replacement", "aws:rds/instance:Instance", "orders", parent=orders,
                old={"storageEncrypted": False, "password": "[secret]"},
                new={"storageEncrypted": True, "password": "[secret]", "tags": {"a": "[secret]"}},
                replaces=("storageEncrypted",),
            ),
            step("delete", "aws:dynamodb/table:Table", "sessions", old={"name": "sessions"}, parent=orders),
        ],
        cost_per_month=COST,
        policy=[BLOCKED, WAIVED],
    )  # fmt: skip


def test_the_page_is_the_golden_one() -> None:
    """To refresh it: print what this test compares into tests/cli/plan.txt."""
    assert plan_text(sample(), "shop dev (local)", stream=io.StringIO()) == GOLDEN.read_text(encoding="utf-8").rstrip()


def test_all_shows_what_stays_too() -> None:
    page = plan_text(sample(), "shop", everything=True, stream=io.StringIO())
    assert "vpc  aws.ec2.Vpc" in page
    assert "aws.ec2.Vpc" not in plan_text(sample(), "shop", stream=io.StringIO())


def test_replacements_and_losses_are_red_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    coloured = plan_text(sample(), "shop", stream=Terminal())
    [line] = [line for line in coloured.splitlines() if "±" in line]
    assert "\x1b[1;31m" in line
    assert "LOSES" in line
    assert "\x1b" not in plan_text(sample(), "shop", stream=io.StringIO())


def test_nothing_to_change_is_one_line() -> None:
    done = outcome([step("same", "aws:ec2/vpc:Vpc", "vpc", old={"a": 1}, new={"a": 1})])
    assert plan_text(done, "shop", stream=io.StringIO()) == "nothing to change (1 unchanged)"


def test_documents_hold_what_changes_or_all() -> None:
    document = sample().to_json()
    assert [one["name"] for one in document["resources"]] == ["web", "web-cpu", "orders", "sessions"]
    assert document["resources"][2]["forced_by"] == ["storageEncrypted"]
    assert [one["name"] for one in document["data_loss"]] == ["orders", "sessions"]
    assert "vpc" in [one["name"] for one in sample().to_json(everything=True)["resources"]]
    assert sample().blocked == [BLOCKED]


def test_cost_names_what_it_leaves_out() -> None:
    text = cost_text(COST)
    assert "45.50" in text
    assert "+35.50" in text
    assert "paid by use, so not in the sum: DynamoDB requests" in text
    assert "without a price, so not in the sum: x" in text
    assert "prices of 2025-10-01: by hand" in text


def test_a_plan_of_which_nothing_has_a_price_costs_no_zero_dollars() -> None:
    none = {**COST, "before": 0.0, "after": 0.0, "delta": 0.0, "resources": [], "unknown": [f"r{n}" for n in range(9)]}
    text = plan_text(outcome([], cost_per_month=none), "shop", stream=io.StringIO())
    assert "cost per month: unknown" in text and "0.00" not in text
    assert "`ops prices update` may bring: r0, r1, r2 and 6 more" in text


def test_what_policy_forbids_is_named_as_waivers_name_it() -> None:
    with pytest.raises(GuardRefused, match="encrypted-data: orders: unencrypted"):
        sample().refuse_blocked()
