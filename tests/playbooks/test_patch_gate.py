"""The gate opens on enough good requests, or on probes, never on missing data."""

from __future__ import annotations

import pytest

from quartermaster.fleet.hosts import Requests
from quartermaster.playbooks.patch_gate import PROBES, judge
from quartermaster.playbooks.patch_plan import GateRule

RULE = GateRule(min_requests=500, max_error_rate=0.01)


def good(count: int) -> Requests:
    return Requests(count, 0)


@pytest.mark.parametrize(
    ("seen", "opens"),
    [
        (Requests(500, 0), True),
        (Requests(1000, 10), True),
        (Requests(1000, 11), False),
        (Requests(10, 1), False),
    ],
)
def test_counts_decide_where_there_are_enough(seen: Requests, opens: bool) -> None:
    assert (judge(RULE, seen, good) == "") is opens


@pytest.mark.parametrize("seen", [None, Requests(0, 0), Requests(499, 0)])
def test_too_few_need_probes_that_all_succeed(seen: Requests | None) -> None:
    assert judge(RULE, seen, good) == ""
    assert "probes failed" in judge(RULE, seen, lambda count: Requests(count, 1))
    assert "probes failed" in judge(RULE, seen, lambda count: Requests(PROBES - 1, 0))


@pytest.mark.parametrize("seen", [None, Requests(0, 0), Requests(499, 0)])
def test_too_few_and_no_probe_stay_shut(seen: Requests | None) -> None:
    assert "no way to probe" in judge(RULE, seen, None)


def test_no_requests_never_pass_even_when_none_are_asked_for() -> None:
    assert judge(GateRule(0, 0.01), Requests(0, 0), None)
