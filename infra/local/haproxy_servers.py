"""The servers of a running HAProxy: what its statistics say, and commands that make them as wanted. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from quartermaster.infra.local.balancer import Health, Pool, Server
from quartermaster.infra.local.haproxy_config import TRIAL_RISE, cookie_key, server_words

__all__ = ["counts", "decide", "latency_ms", "pool_requests", "present", "server_requests"]


def decide(pool: Pool, wanted: Mapping[str, Server], found: Mapping[str, Health]) -> list[str]:
    """Runtime commands that bring a pool's servers to what is wanted.

    A new server starts drained and is let in at its first passed check: on AWS a target must pass one to be healthy,
    while HAProxy would take it for up until a check fails. Until then it is added on trial: AWS checks a target as soon
    as it is registered, HAProxy one interval after.
    """
    commands: list[str] = []
    slowly = any(health.state == "up" for health in found.values())
    anew = False
    # A drained server still gets the requests that carry its cookie, which AWS gives to others at once.
    away = "maint" if pool.sticky_seconds else "drain"
    for name, health in sorted(found.items()):
        server = wanted.get(name)
        path = f"{pool.name}/{name}"
        if server is None:
            if health.state != "maint":
                commands.append(f"set server {path} state maint")
            commands += [f"shutdown sessions server {path}", f"del server {path}"]
        elif server.leaving or server.away:
            if health.state == "up":
                commands.append(f"set server {path} state {away}")
        elif health.state == "maint":
            commands.append(f"set server {path} state drain")
        elif health.on_trial:
            if health.checked:
                commands += [f"set server {path} state maint", f"del server {path}"]
                commands += _add(path, server_words(pool, server, slowly=slowly), "ready" if health.passed else "drain")
                # Until one more check has passed HAProxy would give it up at the first that fails.
                commands += [f"set server {path} health up"] if health.passed else []
                anew = True
        elif health.state == "drain" and health.passed:
            # Slow start begins as a server leaves maintenance.
            commands += [f"set server {path} state maint"] if pool.slow_start_seconds else []
            commands.append(f"set server {path} state ready")
    for name, server in sorted(wanted.items()):
        if name not in found and not server.leaving:
            path = f"{pool.name}/{name}"
            commands += _add(path, server_words(pool, server, trial=True), "drain")
    if anew and pool.sticky_seconds:
        # Gives each server its cookie: one that was added has none until the key is set again.
        commands.append(f"set dynamic-cookie-key backend {pool.name} {cookie_key(pool)}")
    return commands


def present(stat: str) -> dict[str, dict[str, Health]]:
    """Pool → server → health, from the CSV of ``show stat``."""
    found: dict[str, dict[str, Health]] = {}
    for row in _rows(stat):
        if row["svname"] in ("FRONTEND", "BACKEND"):
            continue
        check = row["check_status"].removeprefix("* ")
        health = Health(
            _state(row["status"]), check, row["check_code"], on_trial=row.get("check_rise") == str(TRIAL_RISE)
        )
        found.setdefault(row["pxname"], {})[row["svname"]] = health
    return found


def counts(stat: str) -> tuple[int, int]:
    """(requests finished, of them failed) since the process began, from ``show stat``.

    Failed: answered 5xx (also by HAProxy itself, for want of a server or an answer) or cut by the server half-way.
    """
    sent = failed = 0
    for row in _rows(stat):
        if row["svname"] == "FRONTEND":
            sent += _finished(row)
            failed += int(row["hrsp_5xx"] or 0) if row["mode"] == "http" else 0
        elif row["svname"] == "BACKEND":
            failed += int(row["srv_abrt"] or 0)
            if row["mode"] == "tcp":
                failed += int(row["econ"] or 0)
    return sent, failed


def latency_ms(stat: str) -> float | None:
    """Mean time that servers took to connect and answer, over each pool's newest 1024 requests; None without any.

    The pools weigh by their requests.
    """
    carried = pool_requests(stat)
    times = {
        row["pxname"]: int(row["ctime"] or 0) + int(row["rtime"] or 0)
        for row in _rows(stat)
        if row["svname"] == "BACKEND" and carried.get(row["pxname"])
    }
    total = sum(carried[name] for name in times)
    return sum(time * carried[name] for name, time in times.items()) / total if total else None


def pool_requests(stat: str) -> dict[str, int]:
    """Pool → requests finished since the process began, from ``show stat``."""
    return {
        row["pxname"]: _finished(row) for row in _rows(stat) if row["svname"] == "BACKEND" and row["mode"] == "http"
    }


def server_requests(stat: str) -> dict[str, int]:
    """Server → requests finished since it or the process began, in all pools, from ``show stat``."""
    found: dict[str, int] = {}
    for row in _rows(stat):
        if row["svname"] not in ("FRONTEND", "BACKEND"):
            found[row["svname"]] = found.get(row["svname"], 0) + _finished(row)
    return found


def _finished(row: Mapping[str, str]) -> int:
    """Requests that were answered; in mode tcp connections."""
    if row["mode"] != "http":
        return int(row["stot"] or 0)
    return sum(int(row[f"hrsp_{group}"] or 0) for group in ("1xx", "2xx", "3xx", "4xx", "5xx", "other"))


def _add(path: str, words: str, state: str) -> list[str]:
    return [f"add server {path} {words}", f"set server {path} state {state}", f"enable health {path}"]


def _state(status: str) -> str:
    word = status.split()[0] if status else ""
    if word == "MAINT":
        return "maint"
    if word == "DRAIN":
        return "drain"
    return "down" if word == "DOWN" else "up"


def _rows(stat: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(stat.removeprefix("# ").strip() + "\n")))
