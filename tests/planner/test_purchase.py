"""Purchase advice: the newsvendor's number, what is committed netted out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from quartermaster.planner.capacity import Rules
from quartermaster.planner.purchase import TERMS, Commitment, Purchase, advise
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series

RULES = Rules(10.0, zones=1, lost=0, target_utilisation=0.6, at_utilisation=0.6)
END = 1_700_000_000_000_000


def half_and_half(days: int = 210) -> Series:
    """Two instances at night, six by day: equally often."""
    values = np.where(np.arange(days * 24) % 24 < 12, 15.0, 55.0)
    return Series("web", "x/s", END, HOUR_US, values, 0.0)


def advice(*commitments: Commitment, days: int = 210, rules: Rules = RULES) -> dict[int, Purchase]:
    found = advise(half_and_half(days), rules, "m6i.large", "eu-west-1", commitments)
    assert not isinstance(found, str), found
    return {p.years: p for p in found}


def test_what_is_always_needed_is_committed_to_and_the_rest_is_not() -> None:
    found = advice()
    # The third is needed half of the time: less than a committed hour costs in either term.
    assert min(TERMS.values()) > 0.5
    assert {p.instances for p in found.values()} == {2}
    one = found[1]
    assert one.saves_per_year is not None and one.used == 1.0
    assert abs(one.saves_per_year - 2 * (1 - one.price_share) * 0.107 * 8760) < 1


def test_what_is_committed_is_netted_out_until_it_ends() -> None:
    assert advice(Commitment(2))[3].instances == 0
    assert advice(Commitment(2))[3].committed == 2
    # It ends after some weeks: most of the term is open again.
    assert advice(Commitment(2, date(2024, 1, 1)))[3].instances == 2


def test_more_commitments_than_are_needed_are_told() -> None:
    found = advice(Commitment(50))[3]
    assert (found.instances, found.committed) == (0, 50)
    # Two by night, six by day.
    assert found.reason.startswith("of the 50 committed now 4.0 are needed on average; the first further instance")
    assert "committed now" not in advice()[3].reason


def test_a_group_holds_its_min_whatever_is_asked_and_never_more_than_its_max() -> None:
    assert {p.instances for p in advice(rules=replace(RULES, smallest=5)).values()} == {5}
    assert {p.instances for p in advice(rules=replace(RULES, largest=1)).values()} == {1}


def test_short_histories_get_no_advice() -> None:
    assert "180 days" in str(advise(half_and_half(100), RULES, "m6i.large", "eu-west-1"))


def test_an_unknown_price_leaves_the_number_without_the_money() -> None:
    found = advise(half_and_half(), RULES, "x9.large", "eu-west-1")
    assert not isinstance(found, str)
    assert found[0].instances == 2 and found[0].saves_per_year is None
