"""What RDS refuses in an instance and moto takes. Sources: tests/aws_facts.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator

from quartermaster.infra.local.provider.kind import Given, Limit

__all__ = ["IDENTIFIER", "PASSWORD", "refuse"]

IDENTIFIER = Limit(
    r"(?!.*--)[a-z][a-z0-9-]{0,62}(?<!-)", "a lower-case letter, then up to 62 letters, digits and single hyphens"
)
PASSWORD = Limit(r"[^/@\" ]{8,128}", "8 to 128 characters without /, @, quotation mark and space")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY, _WEEK = 24 * 60, 7 * 24 * 60
_LEAST = 30
_GIB = {"gp2": (20, 65_536), "gp3": (20, 65_536), "io1": (100, 65_536), "io2": (100, 65_536)}
_GP3_BASE_GIB = 400
"""PostgreSQL below this has gp3's baseline and takes no IOPS of one's own."""


def refuse(given: Given) -> Iterator[tuple[str, str]]:
    """Faults of one instance: (input, reason)."""
    yield from _storage(given)
    yield from _windows(given)
    days = given.get("backupRetentionPeriod")
    if isinstance(days, int) and not 0 <= days <= 35:
        yield "backupRetentionPeriod", f"{days} days of backups; 0 to 35"
    source = given.get("replicateSourceDb")
    if isinstance(source, str):
        across = source.startswith("arn:")
        if across and given.get("storageEncrypted") and not given.get("kmsKeyId"):
            yield "kmsKeyId", "an encrypted replica in another region needs a key of that region"
        if not across and given.get("dbSubnetGroupName"):
            yield "dbSubnetGroupName", "a replica in its source's region has its source's subnet group"
        if given.get("password"):
            yield "password", "a replica of PostgreSQL has its source's users"
    kept = given.get("performanceInsightsRetentionPeriod")
    if isinstance(kept, int) and kept not in (7, 731) and (kept % 31 or not 31 <= kept <= 713):
        yield "performanceInsightsRetentionPeriod", f"{kept} days; 7, 731, or 1 to 23 times 31"


def _storage(given: Given) -> Iterator[tuple[str, str]]:
    kind, gib = given.get("storageType", "gp2"), given.get("allocatedStorage")
    if not isinstance(gib, int) or kind not in _GIB:
        return
    least, most = _GIB[kind]
    if not least <= gib <= most:
        yield "allocatedStorage", f"{gib} GiB of {kind}; {least} to {most}"
    bound = given.get("maxAllocatedStorage")
    if isinstance(bound, int) and bound and bound * 10 < gib * 11:
        yield "maxAllocatedStorage", f"{bound} GiB; storage that grows by itself needs a tenth above its {gib} GiB"
    if kind == "gp3" and gib < _GP3_BASE_GIB and given.get("iops"):
        yield "iops", f"gp3 below {_GP3_BASE_GIB} GiB has its baseline and no IOPS of one's own"


def _windows(given: Given) -> Iterator[tuple[str, str]]:
    work = _span("maintenanceWindow", given, r"(?P<d1>[a-z]{3}):(?P<t1>\d\d:\d\d)-(?P<d2>[a-z]{3}):(?P<t2>\d\d:\d\d)")
    daily = _span("backupWindow", given, r"(?P<t1>\d\d:\d\d)-(?P<t2>\d\d:\d\d)")
    for name, span, whole in (("maintenanceWindow", work, _WEEK), ("backupWindow", daily, _DAY)):
        if span is None:
            continue
        if isinstance(span, str):
            yield name, span
        elif not _LEAST <= (span[1] - span[0]) % whole < _DAY:
            yield name, f"{given[name]}: at least {_LEAST} minutes, and less than a day"
    if isinstance(work, tuple) and isinstance(daily, tuple) and _overlap(work, daily):
        yield "backupWindow", f"{given['backupWindow']} overlaps with maintenance, {given['maintenanceWindow']}"


def _span(name: str, given: Given, pattern: str) -> tuple[int, int] | str | None:
    """(start, stop) in minutes of the week or the day; a reason where it is none, None where nothing is given."""
    text = given.get(name)
    if not isinstance(text, str):
        return None
    match = re.fullmatch(pattern, text.lower())
    parts = match.groupdict() if match else {}
    known = all(parts.get(day, "mon") in _DAYS for day in ("d1", "d2"))
    clocks = [tuple(int(part) for part in parts[key].split(":")) for key in ("t1", "t2")] if match else []
    if not match or not known or any(hour > 23 or minute > 59 for hour, minute in clocks):
        return f"{text!r} is no window in UTC such as " + ("sun:01:00-sun:04:00" if "d1" in pattern else "21:00-22:00")
    days = [_DAYS.index(parts[key]) if key in parts else 0 for key in ("d1", "d2")]
    start, stop = (day * _DAY + hour * 60 + minute for day, (hour, minute) in zip(days, clocks, strict=True))
    return start, stop


def _overlap(work: tuple[int, int], daily: tuple[int, int]) -> bool:
    length, lasts = (work[1] - work[0]) % _WEEK, (daily[1] - daily[0]) % _DAY
    starts = (day * _DAY + daily[0] for day in range(7))
    return any((start - work[0]) % _WEEK < length or (work[0] - start) % _WEEK < lasts for start in starts)
