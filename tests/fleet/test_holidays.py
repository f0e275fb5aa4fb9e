"""Holidays by country, and the countries of time zones."""

from __future__ import annotations

from datetime import date

import pytest

from quartermaster.fleet.holidays import checked, country_of, named


def test_a_holiday_that_moved_off_a_weekend_keeps_its_name() -> None:
    found = named("US", 2021)
    assert found[date(2021, 7, 4)] == found[date(2021, 7, 5)] == "Independence Day"
    assert all(day.year == 2021 for day in found)


def test_parts_of_a_country_have_days_of_their_own() -> None:
    assert date(2026, 1, 6) in named("DE-BY", 2026)
    assert date(2026, 1, 6) not in named("DE", 2026)


@pytest.mark.parametrize(("code", "told"), [("EI", "IE or US"), ("US-XX", "AK, AL"), ("MC-X", "none"), ("", "IE")])
def test_a_code_of_nowhere_is_refused_with_what_to_write(code: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        checked(code)


def test_a_zone_is_of_the_country_that_it_is_named_for() -> None:
    assert [country_of(zone) for zone in ("Europe/Oslo", "Asia/Tokyo", "UTC", "EST5EDT")] == ["NO", "JP", "", ""]
