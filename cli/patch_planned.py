"""A patch plan as people read it: what is pending, who is worked on when, what is left meanwhile, and why then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from quartermaster.cli.output import table
from quartermaster.fleet.durations import age, duration

if TYPE_CHECKING:
    from quartermaster.playbooks.machine import Update
    from quartermaster.playbooks.patch_plan import HostPlan, PatchPlan, Start, Wave
    from quartermaster.playbooks.patch_saved import Change

__all__ = ["changes_text", "plan_text"]


def plan_text(found: PatchPlan, zone: tzinfo, now: datetime) -> str:
    """The whole plan, times in the people's zone."""
    if not found.hosts:
        return f"nothing to do: {found.group} is to hold no host"
    parts = [_updates(found, now), _withheld(found, zone), _hosts(found, now)]
    if found.waves:
        parts.append(_waves(found, zone))
    parts.append(_lines(found, zone))
    return "\n".join(part for part in parts if part)


def changes_text(changes: Sequence[Change], made_at: str) -> str:
    """What differs from the plan made then."""
    if not changes:
        return f"\nas the plan of {made_at}"
    rows = [(change.what, change.before, change.after) for change in changes]
    return "\n" + table(["what", "before", "now"], rows, title=f"differs from the plan of {made_at}")


def _updates(found: PatchPlan, now: datetime) -> str:
    counts = Counter(update for host in found.hosts for update in host.updates)
    rows = [
        (
            update.name,
            f"{update.old} → {update.new}" if update.old else f"{update.new} (new)",
            "security" if update.security else "",
            count,
            _age(update, now),
            update.source,
        )
        for update, count in sorted(counts.items(), key=lambda item: (not item[0].security, item[0].name, item[0].old))
    ]
    return table(["package", "update", "kind", "#hosts", "#age", "source"], rows, title="approved") if rows else ""


def _withheld(found: PatchPlan, zone: tzinfo) -> str:
    counts = Counter(
        (one.update.name, f"{one.update.old} → {one.update.new}", one.update.security, one.why, one.until)
        for host in found.hosts
        for one in host.withheld
    )
    rows = [
        (name, step, "security" if security else "", count, why, _until(until, zone))
        for (name, step, security, why, until), count in sorted(counts.items())
    ]
    return table(["package", "update", "kind", "#hosts", "why", "approved"], rows, title="not approved") if rows else ""


def _hosts(found: PatchPlan, now: datetime) -> str:
    wave_of = {host: wave.number for wave in found.waves for host in wave.hosts}

    def row(host: HostPlan) -> tuple[object, ...]:
        pending = [update for update in host.updates if update.old]
        security = sum(update.security for update in pending)
        ages = [_age(update, now) for update in sorted(pending, key=lambda one: one.first_seen or "~")[:1]]
        said = host.skipped or f"rollback by {host.rollback}" if host.rollback or host.skipped else "reboot only"
        return (host.id, host.zone, wave_of.get(host.id, "-"), len(pending), security, *(ages or [""]), said)

    columns = ["host", "zone", "#wave", "#updates", "#security", "#oldest", ""]
    return table(columns, [row(host) for host in found.hosts], title="hosts")


def _waves(found: PatchPlan, zone: tzinfo) -> str:
    at = found.start.starts_at if found.start else None
    if at and found.prescale and found.estimate:
        at += timedelta(seconds=found.estimate.seconds - sum(wave.seconds for wave in found.waves))
    rows = []
    for wave in found.waves:
        rows.append(
            (
                f"{wave.number}{' canary' if wave.canary else ''}",
                wave.zone,
                len(wave.hosts),
                _of(wave.left, wave.needed),
                _of(wave.left_after_loss, wave.needed_after_loss),
                f"{at.astimezone(zone):%H:%M}" if at else "",
                _took(wave),
            )
        )
        at = at + timedelta(seconds=wave.seconds) if at else None
    columns = ["wave", "zone", "#hosts", "#left / needed", "#zones lost too", "#about", "#takes (at most)"]
    return table(columns, rows, title="waves")


def _lines(found: PatchPlan, zone: tzinfo) -> str:
    lines = []
    if found.start:
        lines.append(f"start       {_start(found.start, zone)}")
        if found.start.runner_up:
            lines.append(f"runner-up   {_start(found.start.runner_up, zone)}")
    if found.estimate:
        spans = f"{duration(found.estimate.seconds)}, at most {duration(found.estimate.upper_seconds)}"
        lines.append(f"takes       {spans} ({found.estimate.source})")
    if found.prescale:
        lines.append(f"adds first  {found.prescale} host{'s' if found.prescale > 1 else ''}: {found.prescale_why}")
    lines += [f"warning: {warning}" for warning in found.warnings]
    return "\n".join(lines)


def _start(start: Start, zone: tzinfo) -> str:
    closes = f", open until {start.closes_at.astimezone(zone):%H:%M}" if start.closes_at else ""
    return f"{_when(start.starts_at, zone)}{closes}: {start.why}"


def _when(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}"


def _until(instant: str, zone: tzinfo) -> str:
    return _when(datetime.fromisoformat(instant), zone) if instant else "never"


def _of(left: int | None, needed: int | None) -> str:
    return "" if left is None else f"{left} / {'unknown' if needed is None else needed}"


def _took(wave: Wave) -> str:
    return f"{duration(wave.seconds)} ({duration(wave.upper_seconds)})"


def _age(update: Update, now: datetime) -> str:
    if not update.first_seen:
        return ""
    return age((now - datetime.fromisoformat(update.first_seen)).total_seconds())
