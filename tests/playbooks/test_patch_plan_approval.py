"""Which updates are approved when, and the memory that delays are counted from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.fleet.schema.planning import Approve
from quartermaster.fleet.store import open_engine
from quartermaster.playbooks.approval import approved
from quartermaster.playbooks.machine import Survey, Update
from quartermaster.playbooks.sightings import Sightings

DAY = datetime(2026, 11, 1, 3, tzinfo=UTC)
PAGE = Update("shop-page", "1.0", "1.1")
TLS = Update("openssl", "3.0", "3.1", security=True)


def on(day: int) -> datetime:
    return DAY + timedelta(days=day)


def seen(sightings: Sightings, *updates: Update, day: int) -> tuple[Update, ...]:
    return sightings.remember({"i-0": Survey(updates)}, on(day))["i-0"].updates


def verdicts(updates: tuple[Update, ...], day: int, **rules: Any) -> dict[str, str]:
    """What is withheld, each with the reason."""
    _, withheld = approved(updates, Approve(**rules), on(day))
    return {one.update.name: one.why for one in withheld}


@pytest.fixture
def sightings(tmp_path: Path) -> Sightings:
    return Sightings(open_engine(tmp_path / "ops.db"))


def test_by_default_everything_is_approved_at_once(sightings: Sightings) -> None:
    assert verdicts(seen(sightings, PAGE, TLS, day=0), 0) == {}


def test_an_update_waits_its_days_from_when_it_was_first_seen(sightings: Sightings) -> None:
    updates = seen(sightings, PAGE, day=0)
    _, (withheld,) = approved(updates, Approve(after_days=7), on(5))
    assert (withheld.why, withheld.until) == ("updates wait 7 days", on(7).isoformat())
    assert verdicts(seen(sightings, PAGE, day=7), 7, after_days=7) == {}


def test_a_patch_released_again_keeps_its_delay(sightings: Sightings) -> None:
    seen(sightings, PAGE, day=0)
    again = seen(sightings, Update("shop-page", "1.0", "1.2"), day=6)
    assert again[0].first_seen == on(0).isoformat()
    assert verdicts(again, 7, after_days=7) == {}


def test_the_next_version_after_a_patch_has_a_delay_of_its_own(sightings: Sightings) -> None:
    seen(sightings, PAGE, day=0)
    following = seen(sightings, Update("shop-page", "1.1", "1.2"), day=9)
    assert following[0].first_seen == on(9).isoformat()


def test_a_candidate_known_from_another_host_is_as_old_there(sightings: Sightings) -> None:
    seen(sightings, PAGE, day=0)
    late = seen(sightings, Update("shop-page", "0.9", "1.1"), day=4)
    assert late[0].first_seen == on(0).isoformat()


def test_the_memory_outlives_the_process_and_takes_each_update_once(tmp_path: Path) -> None:
    for day in (0, 3):
        found = seen(Sightings(open_engine(tmp_path / "ops.db")), PAGE, PAGE, day=day)
    assert {update.first_seen for update in found} == {on(0).isoformat()}


def test_security_updates_go_by_their_own_days(sightings: Sightings) -> None:
    updates = seen(sightings, PAGE, TLS, day=0)
    assert verdicts(updates, 1, after_days=7) == {"shop-page": "updates wait 7 days"}
    assert verdicts(updates, 1, after_days=7, security_after_days=2).keys() == {"shop-page", "openssl"}


def test_only_security_leaves_the_others_without_a_date(sightings: Sightings) -> None:
    updates = seen(sightings, PAGE, TLS, day=0)
    _, (withheld,) = approved(updates, Approve(only="security"), on(100))
    assert (withheld.update.name, withheld.why, withheld.until) == ("shop-page", "not a security update", "")


def test_what_is_allowed_neither_waits_nor_has_to_be_security(sightings: Sightings) -> None:
    updates = seen(sightings, PAGE, TLS, day=0)
    assert verdicts(updates, 0, after_days=7, only="security", allow=("shop-*",)) == {}
    assert verdicts(updates, 0, only="allowed", allow=("shop-*",)) == {"openssl": "not among those allowed"}


def test_deny_goes_before_allow(sightings: Sightings) -> None:
    updates = seen(sightings, PAGE, day=0)
    assert verdicts(updates, 99, allow=("shop-page",), deny=("shop-*",)) == {"shop-page": "denied by 'shop-*'"}


def test_what_comes_anew_goes_with_what_needs_it() -> None:
    assert verdicts((Update("libnew", "", "1.0"),), 0, only="allowed", allow=("x",)) == {}


def test_what_would_upgrade_an_update_that_waits_waits_with_it(sightings: Sightings) -> None:
    library = Update("libssl", "3.0", "3.1")
    updates = seen(sightings, library, TLS, PAGE, day=0)
    rules, drags = Approve(after_days=7, allow=("shop-page",)), {"openssl": ["libssl"], "shop-page": ["openssl"]}
    allowed, withheld = approved(updates, rules, on(1), drags)
    assert [one.name for one in allowed] == ["shop-page"]  # openssl is no reason: it would be approved itself
    assert {one.update.name: (one.why, one.until) for one in withheld}["openssl"] == (
        "would upgrade libssl as well",
        on(7).isoformat(),
    )
    denied = approved(updates, Approve(deny=("libssl",)), on(1), drags)[1]
    assert {one.update.name: one.until for one in denied} == {"libssl": "", "openssl": ""}


@given(st.integers(0, 40), st.integers(0, 40), st.booleans(), st.integers(0, 60))
def test_what_is_approved_stays_so(days: int, security_days: int, security: bool, age: int) -> None:
    update = Update("shop-page", "1.0", "1.1", security, first_seen=on(0).isoformat())
    rules = Approve(after_days=days, security_after_days=security_days)
    now, later = (bool(approved((update,), rules, on(day))[0]) for day in (age, age + 1))
    assert now <= later
    assert now == (age >= (security_days if security else days))
