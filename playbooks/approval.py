"""Which pending updates a cycle may install at an instant, and why not yet the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from quartermaster.playbooks.machine import Update

if TYPE_CHECKING:
    from quartermaster.fleet.schema.planning import Approve

__all__ = ["Withheld", "approved"]


@dataclass(frozen=True, slots=True)
class Withheld:
    """An update that is pending and not approved."""

    update: Update
    why: str
    until: str = ""
    """The instant from which it is approved, ISO 8601; empty: not by the present rules."""


def approved(
    updates: Iterable[Update], rules: Approve, at: datetime, drags: Mapping[str, Sequence[str]] | None = None
) -> tuple[tuple[Update, ...], tuple[Withheld, ...]]:
    """The updates that the rules approve at that instant, and the others with the reason.

    What would come anew (``old`` is empty) is with the approved: it is installed only when one of them needs it.
    ``drags`` names what would be upgraded together with a package: that waits for the last of it.
    """
    allowed: list[Update] = []
    withheld: list[Withheld] = []
    for update in updates:
        verdict = _verdict(update, rules, at) if update.old else None
        if verdict is None:
            allowed.append(update)
        else:
            withheld.append(verdict)
    held = {one.update.name: one for one in withheld}
    for update in list(allowed):
        needs = [held[name] for name in (drags or {}).get(update.name, ()) if name in held]
        if needs:
            allowed.remove(update)
            until = max(one.until for one in needs) if all(one.until for one in needs) else ""
            names = ", ".join(one.update.name for one in needs)
            withheld.append(Withheld(update, f"would upgrade {names} as well", until))
    return tuple(allowed), tuple(withheld)


def _verdict(update: Update, rules: Approve, at: datetime) -> Withheld | None:
    if glob := _named(update.name, rules.deny):
        return Withheld(update, f"denied by {glob!r}")
    if _named(update.name, rules.allow):
        return None
    if rules.only == "allowed":
        return Withheld(update, "not among those allowed")
    if rules.only == "security" and not update.security:
        return Withheld(update, "not a security update")
    days = rules.security_after_days if update.security else rules.after_days
    if days == 0:
        return None
    # Never remembered: seen for the first time now.
    ripe = (datetime.fromisoformat(update.first_seen) if update.first_seen else at) + timedelta(days=days)
    if at >= ripe:
        return None
    kind = "security updates" if update.security else "updates"
    return Withheld(update, f"{kind} wait {days} day{'s' if days > 1 else ''}", ripe.isoformat())


def _named(name: str, globs: Iterable[str]) -> str:
    """The first of the globs that takes in the name; empty when none does."""
    return next((glob for glob in globs if fnmatchcase(name, glob)), "")
