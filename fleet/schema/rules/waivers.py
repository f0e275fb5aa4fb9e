"""Waivers: of rules that there are, and not past their day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.policies import load_policies
from quartermaster.fleet.schema.faults import closest
from quartermaster.fleet.schema.model import Fleet

__all__ = ["ended_waivers", "waivers_name_rules"]


def waivers_name_rules(fleet: Fleet) -> Iterator[Fault]:
    """A waiver of a rule that there is not would set nothing aside."""
    for place, waiver in enumerate(fleet.waivers):
        if waiver.rule not in load_policies():
            near = closest(waiver.rule, load_policies())
            remedy = f"{near}; " if near else ""
            yield Fault(
                f"waivers[{place}].rule", f"there is no rule {waiver.rule!r}", f"{remedy}`ops policy list` has them all"
            )


def ended_waivers(fleet: Fleet, today: date) -> Iterator[Fault]:
    """Waivers that hold no more: what they set aside blocks again."""
    for place, waiver in enumerate(fleet.waivers):
        if waiver.until < today:
            yield Fault(
                f"waivers[{place}].until",
                f"the waiver of {waiver.rule} for {waiver.resource} ended on {waiver.until}",
                "mend what it set aside, give it a new day, or remove it",
            )
