"""Public holidays by country, and the country that a time zone lies in."""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib.resources import files

__all__ = ["checked", "country_of", "named"]

_REMEDY = "a country such as IE or US, with its part where days differ (US-CA, DE-BY), or none"


def checked(code: str) -> str:
    """The code, if there is a calendar for it. Raises ValueError that names what is wrong and what to write."""
    import holidays

    country, _, part = code.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        raise ValueError(f"no calendar of holidays is known for {code!r}; {_REMEDY}")
    if "-" in code and part not in known[country]:
        shown = ", ".join(known[country][:12]) or "none"
        raise ValueError(f"{country} has no part {part!r}; parts with days of their own: {shown}")
    return code


def country_of(zone: str) -> str:
    """The country that the time zone is named for (Europe/Dublin: IE); empty where it is none's (UTC) or unknown."""
    return _countries().get(zone, "")


@cache
def named(code: str, year: int) -> dict[date, str]:
    """The holidays of a year; one that moves off a weekend goes by its own name on both days."""
    import holidays

    country, _, part = code.partition("-")
    found = holidays.country_holidays(country, subdiv=part or None, years=year, language="en_US")
    return {day: _bare(name) for day, name in sorted(found.items()) if day.year == year}


def _bare(name: str) -> str:
    """``Independence Day (observed)`` and ``Independence Day; another`` are Independence Day."""
    return name.split("; ")[0].split(" (")[0]


@cache
def _countries() -> dict[str, str]:
    """Country by zone, of the table that comes with the time zone data: one country a zone."""
    import holidays

    text = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return {row[2]: row[0] for row in rows if row[0] in holidays.list_supported_countries()}
