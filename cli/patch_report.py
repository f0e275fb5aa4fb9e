"""``ops patch status|report``: what is pending, for how long, why not yet; and what was patched when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quartermaster.cli import patch_database
from quartermaster.cli.group import Group
from quartermaster.cli.history import mend, state_of
from quartermaster.cli.output import emit, table
from quartermaster.cli.session import Session, session
from quartermaster.fleet.durations import age
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.fleet.journal import RunRow
    from quartermaster.playbooks.compliance_history import Cycle

__all__ = ["attach", "compliance_of", "history_of", "last_run"]

_NEVER: Mapping[str, Any] = {"hosts": [], "state": "never", "requests": None, "run": None}
_SHOWN_CYCLES = 10
_LOOKED_BACK = 30
"""Cycles in which the last one that worked on a host is looked for."""
_SHOWN_UPDATES = 3

Cluster = Annotated[str, typer.Argument(help="Cluster; default: all.")]


def attach(group: Group) -> None:
    """Put the commands into their group."""
    group.command("status", example="ops patch status web --refresh")(status)
    group.command("report", example="ops patch report web --json")(report)


def status(
    cluster: Cluster = "",
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the hosts anew.")] = False,
) -> None:
    """Show what is pending on each host, for how long and why not yet, and the last cycle, from what was read last."""
    ops = session()
    if cluster in ops.fleet.postgres:
        patch_database.last_run(ops, cluster)
        return
    chosen = _chosen(ops, cluster)
    for name in chosen if refresh else ():
        _read_anew(ops, name)
    documents = {
        name: {**last_run(ops, name), "compliance": found} for name, found in compliance_of(ops, chosen).items()
    }
    text = "\n\n".join(_told(name, document, _goes_on(ops, name)) for name, document in documents.items())
    emit(documents[cluster] if cluster else {"clusters": documents}, text)


def report(cluster: Cluster = "") -> None:
    """Show which hosts were patched when, from what to what, and how many updates waited for how long. Asks no host."""
    ops = session()
    documents = {
        name: {"compliance": found, **history_of(ops, name)}
        for name, found in compliance_of(ops, _chosen(ops, cluster)).items()
    }
    emit({"clusters": documents}, "\n\n".join(_history_told(name, found) for name, found in documents.items()))


def compliance_of(ops: Session, clusters: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each cluster's compliance as a JSON object, from readings and journal alone, which are asked once for all."""
    from quartermaster.playbooks.compliance import compliance
    from quartermaster.playbooks.compliance_store import Readings

    last = Readings(ops.journal.engine).last(ops.stack)
    rows: dict[str, list[RunRow]] = {name: [] for name in clusters}
    for row in ops.journal.runs("patch", stack=ops.stack, each=_LOOKED_BACK):
        rows.get(row.subject, []).append(row)
    now = ops.clock.now()
    return {
        name: compliance(ops.fleet, name, last.get(name), _cycles(ops, rows[name]), now).to_json() for name in clusters
    }


def history_of(ops: Session, cluster: str) -> dict[str, Any]:
    """``cycles`` newest first, ``patched``: each host's part in them, ``trend``: the readings, oldest first."""
    from dataclasses import asdict

    from quartermaster.playbooks.compliance_store import Readings

    cycles = _cycles(ops, _rows(ops, cluster))
    return {
        "cycles": [
            {
                **{"run": one.run, "state": one.state, "why": one.why, "requests": one.requests},
                **{"started_at": one.started_at.isoformat(), "at": one.at.isoformat()},
                "hosts": {state: sum(host.state == state for host in one.hosts) for state in _states(one)},
            }
            for one in cycles
        ],
        "patched": [
            {
                **{"at": one.at.isoformat(), "run": one.run, "host": host.id, "zone": host.zone, "state": host.state},
                **{"from": host.old, "to": host.new, "seconds": host.seconds},
            }
            for one in cycles
            for host in one.hosts
            if host.state != "pending" and host.seconds
        ],
        "trend": [
            {**asdict(one), "at": one.at.isoformat()} for one in Readings(ops.journal.engine).trend(ops.stack, cluster)
        ],
    }


def last_run(ops: Session, cluster: str) -> dict[str, Any]:
    """The contract's document of the cluster's last cycle: hosts, state, requests, run."""
    rows = _rows(ops, cluster, limit=1)
    if not rows:
        return dict(_NEVER)
    one = _cycle(ops, rows[0], whole=True)
    hosts = [
        {"id": h.id, "zone": h.zone, "state": h.state, "from": h.old, "to": h.new, "seconds": h.seconds, "why": h.why}
        for h in one.hosts
    ]
    return {"hosts": hosts, "state": one.state, "requests": one.requests, "run": one.run, "cluster": cluster}


def _read_anew(ops: Session, cluster: str) -> None:
    from quartermaster.cli.patch_survey import asking

    asking(ops, ops.hosts.group(cluster))()


def _rows(ops: Session, cluster: str, limit: int | None = None) -> list[RunRow]:
    return ops.journal.runs("patch", stack=ops.stack, subject=cluster, limit=limit)


def _cycles(ops: Session, rows: Sequence[RunRow]) -> list[Cycle]:
    """The cycles, newest first; the events, which tell why one ended early, are read of the newest alone."""
    return [_cycle(ops, row, whole=number == 0 and row.state != "done") for number, row in enumerate(rows)]


def _cycle(ops: Session, row: RunRow, *, whole: bool) -> Cycle:
    from quartermaster.playbooks.compliance_history import cycle

    told = row.result is not None and "hosts" in row.result
    return cycle(row, ops.journal.events(row.id) if whole or not told else ())


def _states(one: Cycle) -> list[str]:
    return sorted({host.state for host in one.hosts})


def _chosen(ops: Session, cluster: str) -> list[str]:
    if cluster and cluster not in ops.fleet.clusters:
        remedy = f"one of: {', '.join(ops.fleet.clusters)}"
        raise InputError(f"no cluster {cluster!r} in {ops.fleet_file.name}", remedy=remedy)
    return [cluster] if cluster else list(ops.fleet.clusters)


def _goes_on(ops: Session, cluster: str) -> str:
    """What goes on with a last cycle that was cut short or stopped; empty where none was."""
    rows = _rows(ops, cluster, 1)
    return mend(rows[0]) if rows and state_of(rows[0]) in ("interrupted", "stopped") else ""


def _told(cluster: str, document: Mapping[str, Any], helps: str) -> str:
    found = document["compliance"]
    rows = [_row(host) for host in found["hosts"]]
    lines = [
        f"{cluster}: {_summary(found)}",
        *([table(["host", "zone", "#pending", "#security", "#oldest", "reboot", "why not yet"], rows)] if rows else []),
    ]
    last = f"last cycle: {_last(document)}"
    # What is half-way comes before all that waits for it.
    lines = [last, f"remedy: {helps}", *lines] if helps else [*lines, last]
    return "\n".join(line.rstrip() for line in lines)


def _row(host: Mapping[str, Any]) -> tuple[object, ...]:
    names = [update["name"] for update in host["updates"]]
    more = f" and {len(names) - _SHOWN_UPDATES} more" if len(names) > _SHOWN_UPDATES else ""
    what = f"{', '.join(names[:_SHOWN_UPDATES])}{more}: " if names else ""
    why = "; ".join(reason["text"] for reason in host["why_not"])
    asks = "asks for it" if host["reboot_required"] else ""
    unknown = any(reason["kind"] == "unreachable" for reason in host["why_not"])
    counts = ("?", "?") if unknown else (host["pending"], host["security"])
    return host["id"], host["zone"], *counts, _days(host["oldest_days"]), asks, f"{what}{why}" or "nothing is pending"


def _summary(found: Mapping[str, Any]) -> str:
    if found["read_at"] is None:
        return f"never read; ops patch status {found['cluster']} --refresh asks the hosts"
    waiting = sum(host["pending"] > 0 for host in found["hosts"])
    updates = "update" if found["pending"] == 1 else "updates"
    told = f"{found['pending']} {updates} pending on {waiting} of {len(found['hosts'])} hosts"
    if found["pending"]:
        told += f", {found['security']} of them security"
        told += f", the oldest for {_days(found['oldest_days'])}" if found["oldest_days"] is not None else ""
    told += f"; {found['reboots']} ask for a reboot" if found["reboots"] else ""
    told += f"; {found['unreachable']} did not answer" if found["unreachable"] else ""
    return f"{told} (read {age(found['age_seconds'])} ago)"


def _last(document: Mapping[str, Any]) -> str:
    last = document["compliance"]["last_cycle"]
    if last is None:
        return "none yet"
    requests = document["requests"]
    counted = f"; {requests['failed']} of {requests['sent']} requests failed" if requests and requests["sent"] else ""
    why = f": {last['why']}" if last["why"] else ""
    return f"{last['run']}, {last['state']} at {_minute(last['at'])}{why}{counted}"


def _history_told(cluster: str, found: Mapping[str, Any]) -> str:
    if not found["cycles"] and not found["trend"]:
        return f"{cluster}: neither read nor patched yet; ops patch status {cluster} --refresh"
    cycles = [
        (one["run"], _minute(one["at"]), one["state"], _counted(one["hosts"]), one["why"])
        for one in found["cycles"][:_SHOWN_CYCLES]
    ]
    shown = {one["run"] for one in found["cycles"][:_SHOWN_CYCLES]}
    hosts = [
        (one["host"], one["zone"], _minute(one["at"]), one["state"], one["from"], one["to"])
        for one in found["patched"]
        if one["run"] in shown
    ]
    trend = [
        (_minute(one["at"]), one["pending"], one["security"], _days(one["oldest_days"]), one["reboots"])
        for one in found["trend"][-_SHOWN_CYCLES:]
    ]
    parts = [
        table(["cycle", "at (UTC)", "state", "hosts", "why"], cycles, title=f"{cluster}: cycles"),
        table(["host", "zone", "at (UTC)", "state", "from", "to"], hosts, title=f"{cluster}: hosts"),
        table(["read (UTC)", "#pending", "#security", "#oldest", "#reboots"], trend, title=f"{cluster}: readings"),
    ]
    return "\n".join(part for part, rows in zip(parts, (cycles, hosts, trend), strict=True) if rows).rstrip()


def _counted(hosts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in hosts.items())


def _days(days: float | None) -> str:
    return "" if days is None else age(days * 86_400)


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ")
