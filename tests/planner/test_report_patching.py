"""The report's part on patching says what ``ops patch report --json`` holds."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from quartermaster.planner.report import ReportData, render
from quartermaster.planner.report_patching import patching, sentence

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
RUN = "patch-20260222T010000-1f2e"
TLS = {
    "name": "openssl", "old": "3.0.1", "new": "3.0.2", "security": True, "source": "Debian-Security",
    "first_seen": "2026-02-20T04:00:00+00:00",
}  # fmt: skip
WINDOW = "outside the window 'Sun 01:00-05:00', which opens Sun 08 Mar 01:00"


def host(number: int, *reasons: tuple[str, str], pending: int = 1, asks: bool = False) -> dict[str, Any]:
    return {
        "id": f"i-{number}", "zone": f"eu-west-1{'abc'[number % 3]}", "pending": pending, "security": pending,
        "oldest_days": 9.9 if pending else None, "reboot_required": asks, "updates": [TLS] * pending,
        "last": {"run": RUN, "state": "rolled_back", "at": "2026-02-22T01:20:00+00:00"} if number else None,
        "why_not": [{"kind": kind, "text": text} for kind, text in reasons],
    }  # fmt: skip


PATCHING: dict[str, Any] = {
    "compliance": {
        "cluster": "web", "read_at": "2026-03-01T23:00:00+00:00", "age_seconds": 7200.0, "pending": 3, "security": 3,
        "oldest_days": 9.9, "reboots": 1, "unreachable": 1,
        "window": {"from": "2026-03-08T01:00:00+00:00", "to": "2026-03-08T05:00:00+00:00"},
        "last_cycle": {"run": RUN, "state": "failed", "at": "2026-02-22T01:20:00+00:00", "why": "the canary failed"},
        "hosts": [
            host(0, ("window", WINDOW)),
            host(1, ("failed", f"rolled back in {RUN}: <b>unhealthy</b>"), ("window", WINDOW), asks=True),
            host(2, ("approval", "not approved until Fri 06 Mar 04:00: security updates wait 14 days")),
            host(3, ("unreachable", "it did not answer: host i-3: timed out"), pending=0),
            host(4, pending=0),
        ],
    },
    "cycles": [
        {"run": RUN, "state": "failed", "why": "the canary failed: i-1", "requests": {"sent": 12_840, "failed": 0},
         "started_at": "2026-02-22T01:00:00+00:00", "at": "2026-02-22T01:20:00+00:00",
         "hosts": {"pending": 4, "rolled_back": 1}},
    ],
    "patched": [
        {"at": "2026-02-22T01:20:00+00:00", "run": RUN, "host": "i-1", "zone": "eu-west-1b", "state": "rolled_back",
         "from": "openssl=3.0.0", "to": "openssl=3.0.0", "seconds": 74.2},
    ],
    "trend": [
        {"at": (NOW - timedelta(days=7 * week)).isoformat(), "hosts": 5, "unreachable": 0, "pending": 20 - 3 * week,
         "security": 4, "reboots": 0, "oldest_days": 9.9 - week}
        for week in (6, 5, 4, 3, 2, 1, 0)
    ],
}  # fmt: skip
UNREAD: dict[str, Any] = {
    "compliance": {
        **dict.fromkeys(("read_at", "age_seconds", "oldest_days", "window", "last_cycle")), "cluster": "api",
        **dict.fromkeys(("pending", "security", "reboots", "unreachable"), 0), "hosts": [],
    },
    "cycles": [], "patched": [], "trend": [],
}  # fmt: skip


def text(documents: dict[str, Any]) -> str:
    page = render(ReportData("shop", "dev", "aws", NOW, patching=documents))
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_each_host_is_told_with_what_is_pending_and_why() -> None:
    told = text({"web": PATCHING})
    assert "web: 3 updates pending, 3 of them security, the oldest for 10 days." in told
    assert f"i-0 eu-west-1a 1 1 10 days {WINDOW}" in told
    assert f"asked for rolled back 22 Feb 2026 rolled back in {RUN}: <b>unhealthy</b>; outside" in told
    assert "i-3 eu-west-1a unknown unknown rolled back" in told
    assert "nothing is pending" in told


def test_cycles_and_hosts_are_told_with_what_was_lost() -> None:
    told = text({"web": PATCHING})
    assert "0 of 12,840" in told and "4 pending, 1 rolled back" in told
    assert "openssl=3.0.0" in told and "74.2 s" in told


def test_each_pending_update_is_told_once_with_its_hosts() -> None:
    found = patching("web", PATCHING, UTC).updates
    assert found is not None
    assert found.rows == [["openssl", "3.0.1", "3.0.2", "security", "Fri 20 Feb 2026 04:00", "3"]]


def test_a_cluster_that_was_never_read_names_the_command() -> None:
    told = text({"api": UNREAD})
    assert "ops patch status api --refresh" in told and "ops patch run api" in told and "unknown" in told
    assert sentence("api", UNREAD) == ""


def test_a_line_needs_three_readings() -> None:
    few = {**PATCHING, "trend": PATCHING["trend"][:2]}
    assert patching("web", few, UTC).charts == ()
    assert [one.title for one in patching("web", PATCHING, UTC).charts] == [
        "Updates pending on web, summed over its hosts",
        "Age of the oldest of them on web, in days",
    ]
