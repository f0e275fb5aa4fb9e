"""The report's part on patching: what is pending and why not yet, who was patched when, and how it went over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from quartermaster.fleet.durations import age
from quartermaster.planner.chart import Chart, Layer, Readout, chart
from quartermaster.planner.report_cluster import Table

__all__ = ["Patching", "patching", "sentence"]

_FEWEST_POINTS = 3
"""Readings below which a line tells nothing."""


@dataclass(frozen=True, slots=True)
class Patching:
    """One cluster."""

    name: str
    cards: tuple[tuple[str, str, str], ...]
    hosts: Table | None
    """None: the hosts were never asked."""
    updates: Table | None
    """None: nothing is pending."""
    cycles: Table | None
    patched: Table | None
    charts: tuple[Chart, ...]


def patching(name: str, found: Mapping[str, Any], zone: tzinfo) -> Patching:
    """The part on one cluster, of its ``ops patch report --json``. Pure."""
    told = found["compliance"]
    return Patching(
        name=name,
        cards=_cards(told, found["cycles"], zone),
        hosts=_hosts(told, zone) if told["read_at"] else None,
        updates=_updates(told["hosts"], zone) if told["pending"] else None,
        cycles=_cycles(found["cycles"], zone) if found["cycles"] else None,
        patched=_patched(found["patched"], zone) if found["patched"] else None,
        charts=_charts(name, found["trend"], zone),
    )


def sentence(name: str, found: Mapping[str, Any]) -> str:
    """What a newcomer should know of the cluster; empty when nothing is known."""
    told = found["compliance"]
    if told["read_at"] is None:
        return ""
    if not told["pending"]:
        return f"{name}: nothing is pending on its {len(told['hosts'])} hosts."
    age = "" if told["oldest_days"] is None else f", the oldest for {_age(told['oldest_days'])}"
    return f"{name}: {_count(told['pending'], 'update')} pending, {told['security']} of them security{age}."


def _cards(
    told: Mapping[str, Any], cycles: Sequence[Mapping[str, Any]], zone: tzinfo
) -> tuple[tuple[str, str, str], ...]:
    window, last = told["window"], cycles[0] if cycles else None
    silent = f"; {told['unreachable']} did not answer" if told["unreachable"] else ""
    if told["read_at"] is None:
        pending, oldest, asked = "unknown", "unknown", "the hosts were never asked"
    else:
        waiting = sum(host["pending"] > 0 for host in told["hosts"])
        pending = f"{told['pending']}, {told['security']} security" if told["pending"] else "nothing"
        asked = f"on {waiting} of {len(told['hosts'])} hosts, read {_at(told['read_at'], zone)}{silent}"
        oldest = "none" if told["oldest_days"] is None else _age(told["oldest_days"])
    opens, until = (_at(window["from"], zone), f"to {_at(window['to'], zone)}") if window else ("none", "in 90 days")
    return (
        ("Pending", pending, asked),
        ("Oldest", oldest, f"{_count(told['reboots'], 'host')} to reboot"),
        ("Last cycle", _words(last["state"]) if last else "none yet", _ending(last, zone) if last else ""),
        ("Next window", opens, until),
    )


def _ending(cycle: Mapping[str, Any], zone: tzinfo) -> str:
    requests = cycle["requests"]
    counted = f"; {requests['failed']} of {requests['sent']:,} requests failed" if requests and requests["sent"] else ""
    return f"{_at(cycle['at'], zone)}{counted}"


def _hosts(told: Mapping[str, Any], zone: tzinfo) -> Table:
    rows = []
    for host in told["hosts"]:
        silent = any(reason["kind"] == "unreachable" for reason in host["why_not"])
        last = host["last"]
        rows.append(
            [
                host["id"],
                host["zone"],
                "unknown" if silent else str(host["pending"]),
                "unknown" if silent else str(host["security"]),
                "" if host["oldest_days"] is None else _age(host["oldest_days"]),
                "asked for" if host["reboot_required"] else "",
                f"{_words(last['state'])} {_day(last['at'], zone)}" if last else "",
                "; ".join(reason["text"] for reason in host["why_not"]) or "nothing is pending",
            ]
        )
    return Table(
        ("host", "zone", "pending", "security", "oldest", "reboot", "last cycle", "why not yet"), rows, (2, 3, 4)
    )


def _updates(hosts: Sequence[Mapping[str, Any]], zone: tzinfo) -> Table:
    """Each pending update once, the longest known first."""
    on: dict[tuple[str, str, str], int] = defaultdict(int)
    seen: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for host in hosts:
        for update in host["updates"]:
            key = (update["name"], update["old"], update["new"])
            on[key] += 1
            seen[key] = update
    rows = [
        [
            *key,
            "security" if seen[key]["security"] else "",
            _at(seen[key]["first_seen"], zone) if seen[key]["first_seen"] else "",
            str(on[key]),
        ]
        for key in sorted(on, key=lambda key: (seen[key]["first_seen"] or "9", key))
    ]
    return Table(("package", "installed", "offered", "kind", "first seen", "hosts"), rows, (5,))


def _cycles(cycles: Sequence[Mapping[str, Any]], zone: tzinfo) -> Table:
    rows = []
    for one in cycles:
        hosts = ", ".join(f"{count} {_words(state)}" for state, count in one["hosts"].items())
        requests = one["requests"]
        lost = f"{requests['failed']} of {requests['sent']:,}" if requests and requests["sent"] else "not counted"
        rows.append([_at(one["at"], zone), one["run"], _words(one["state"]), hosts, lost, one["why"]])
    return Table(("ended", "run", "state", "hosts", "requests failed", "why"), rows, (4,))


def _patched(ends: Sequence[Mapping[str, Any]], zone: tzinfo) -> Table:
    rows = [
        [
            _at(one["at"], zone),
            one["host"],
            one["zone"],
            _words(one["state"]),
            one["from"],
            one["to"],
            f"{one['seconds']:.1f} s",
        ]
        for one in ends
    ]
    return Table(("when", "host", "zone", "state", "from", "to", "took"), rows, (6,))


def _charts(name: str, trend: Sequence[Mapping[str, Any]], zone: tzinfo) -> tuple[Chart, ...]:
    """What was pending at each reading, and the age of the oldest; none where there are too few."""
    times = [datetime.fromisoformat(one["at"]) for one in trend]
    if len(Counter(times)) < _FEWEST_POINTS:
        return ()
    counts = [
        Layer("history", "pending", [float(one["pending"]) for one in trend], steps=True),
        Layer("floor", "of them security", [float(one["security"]) for one in trend], steps=True),
    ]
    ages = [Layer("median", "days", [float(one["oldest_days"] or 0) for one in trend], steps=True)]
    told = [
        Readout(at, f"{_at(one['at'], zone)}: {one['pending']} pending, {one['security']} security")
        for at, one in zip(times, trend, strict=True)
    ]
    old = [
        Readout(at, f"{_at(one['at'], zone)}: {_age(one['oldest_days'] or 0)}")
        for at, one in zip(times, trend, strict=True)
    ]
    return (
        chart(f"Updates pending on {name}, summed over its hosts", times, counts, zone, readouts=told),
        chart(f"Age of the oldest of them on {name}, in days", times, ages, zone, readouts=old),
    )


def _age(days: float) -> str:
    return age(days * 86_400)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _at(iso: str, zone: tzinfo) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(zone):%a %d %b %Y %H:%M}"


def _day(iso: str, zone: tzinfo) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(zone):%d %b %Y}"


def _words(name: str) -> str:
    return name.replace("_", " ")
