"""Cron expressions as AWS scheduled actions take them: five fields, numbers or names."""

from __future__ import annotations

import re

__all__ = ["check_cron"]

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)


def check_cron(text: str) -> str:
    """What is wrong with the expression; empty when nothing is."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return f"{text!r} has {len(fields)} field{'s' if len(fields) != 1 else ''}, not 5"
    for value, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in value.split(","):
            if not _part_fits(part, low, high, words):
                return f"{part!r} is no {name} ({low} to {high})"
    return ""


def _part_fits(part: str, low: int, high: int, words: list[str]) -> bool:
    match = re.fullmatch(r"(\*|\w+(?:-\w+)?)(?:/(\d+))?", part)
    if match is None or (match[2] is not None and not 0 < int(match[2]) <= high):
        return False
    if match[1] == "*":
        return True
    ends = [_number(word, low, words) for word in match[1].split("-")]
    return all(end is not None and low <= end <= high for end in ends) and ends == sorted(ends, key=lambda e: e or 0)


def _number(word: str, low: int, words: list[str]) -> int | None:
    if word.isdigit():
        return int(word)
    return words.index(word.lower()) + low if word.lower() in words else None
