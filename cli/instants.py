"""Instants as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from quartermaster.fleet.errors import InputError

__all__ = ["absolute", "instant"]

_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def instant(text: str, now: datetime, option: str = "--since") -> datetime:
    """``2026-01-01`` (UTC), an instant with its zone, or ``30d``, ``12h``, ``90m`` before now. Raises InputError."""
    remedy = "a date such as 2026-01-01, or 30d"
    if text[-1:] in _UNITS and text[:-1].isdecimal():
        try:
            return now - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        except (OverflowError, ValueError) as exc:  # more days, or digits, than there are
            raise InputError(f"{option} {text!r} is before all calendars", remedy=remedy) from exc
    return absolute(text, option, remedy=remedy)


def absolute(text: str, option: str, *, remedy: str) -> datetime:
    """An instant in UTC; what names no zone is in UTC. Raises InputError."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as exc:  # the first hours of the year 1 may lie before it in UTC
        raise InputError(f"{option} {text!r} is no instant", remedy=remedy) from exc
