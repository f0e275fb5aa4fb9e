"""Which findings a waiver sets aside. Pure."""

from __future__ import annotations

import re

from quartermaster.fleet.schema.safety import Waiver

__all__ = ["applies"]


def applies(waiver: Waiver, rule: str, urn: str) -> bool:
    """Is it a waiver of that rule for that resource, told by its URN or its logical name?"""
    names = (urn, urn.rsplit("::", 1)[-1])
    return waiver.rule == rule and any(_like(waiver.resource, name) for name in names)


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None
