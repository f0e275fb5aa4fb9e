"""Instants as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from quartermaster.fleet.errors import InputError

__all__ = ["absolute", "instant"]

_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def instant(text: str, now: datetime, option: str = "--since") -> datetime:
    """``2026-01-01`` (UTC), an instant with its zone, or ``30d``, ``12h``, ``90m`` before now. Raises InputError."""
    if text[-1:] in _UNITS and text[:-1].isdigit():
        return now - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    return absolute(text, option, remedy="a date such as 2026-01-01, or 30d")


def absolute(text: str, option: str, *, remedy: str) -> datetime:
    """An instant with its zone, UTC where it names none. Raises InputError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InputError(f"{option} {text!r} is no instant", remedy=remedy) from exc
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
