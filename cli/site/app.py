"""The pages of the site."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import Flask, Response, abort, render_template, request
from werkzeug.exceptions import HTTPException

from quartermaster.cli.history import mend, state_of
from quartermaster.cli.instants import absolute
from quartermaster.cli.month import first_day, month_of
from quartermaster.cli.session import Session
from quartermaster.cli.site.door import POLICY, guard
from quartermaster.cli.site.snapshot import Kept
from quartermaster.cli.spent import spent
from quartermaster.cli.status_facts import FleetStatus, gather
from quartermaster.cli.timeline import Bar, bars
from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.events import Noted
from quartermaster.fleet.notices import outcome
from quartermaster.fleet.status import ClusterFacts, DatabaseFacts
from quartermaster.planner.month import Month

__all__ = ["make"]

_STATUS_SECONDS = 15.0
_REPORT_SECONDS = 600.0
_MONTHS = timedelta(days=366)
"""How far the calendar goes, either way."""
_RUNS = 50
"""On a page."""
_THINNEST = 0.4
"""Of a bar, in hundredths of the whole."""
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def make(ops: Session, *, names: Iterable[str], token: str = "") -> Flask:
    """The site of the session's stack, as a WSGI application. ``names``: what it may be called in a Host header."""
    app = Flask(__name__)
    # Flask escapes what is called .html alone.
    app.jinja_env.autoescape = app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    guard(app, names, token)
    status = Kept(lambda: gather(ops), _STATUS_SECONDS)
    report = Kept(lambda: _report(ops), _REPORT_SECONDS)
    months: dict[date, Kept[Month]] = {}
    zone = ops.fleet.tz

    @app.template_filter("when")
    def when(at: datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M}"

    @app.context_processor
    def _shared() -> dict[str, Any]:
        return {"fleet": ops.fleet.fleet, "stack": ops.stack, "target": ops.declared.target, "zone": zone.key}

    @app.get("/")
    def status_page() -> Response:
        found = status.get()
        html = render_template("status.html.j2", error=status.error, found=found and _shown(found))
        # The one page with a script, which asks for the page anew and for nothing else.
        return Response(html, headers={"Content-Security-Policy": f"{POLICY}; script-src 'self'; connect-src 'self'"})

    @app.get("/report")
    def report_page() -> Response:
        html = report.get()
        if html is None:
            return Response(render_template("wait.html.j2", what="The report", error=report.error))
        # The report is one file that also stands alone: its styles are its own, its scripts are named by their hashes.
        scripts = " ".join(f"'sha256-{_sha256(script)}'" for script in _SCRIPT.findall(html)) or "'none'"
        policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {scripts}; img-src data:; base-uri 'none'"
        html = html.replace("<body>", f"<body>\n{render_template('over_report.html.j2')}", 1)
        return Response(html, headers={"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"})

    @app.get("/calendar")
    def calendar_page() -> str:
        today = ops.clock.now().astimezone(zone).date()
        try:
            first = first_day(request.args.get("month") or f"{today:%Y-%m}")
        except InputError:
            abort(404)
        if abs(first - today) > _MONTHS:
            abort(404)
        month = months.setdefault(first, Kept(lambda: month_of(ops, first), _REPORT_SECONDS))
        found = month.get()
        around = [("prev", first - timedelta(days=1)), ("next", first + timedelta(days=31))]
        if found is None:
            return render_template("wait.html.j2", what=f"{first:%B %Y}", error=month.error)
        return render_template("calendar.html.j2", month=found, days=found.days(), today=today, around=around)

    @app.get("/cost")
    def cost_page() -> str:
        return render_template("cost.html.j2", spent=spent(ops))

    @app.get("/history")
    def history_page() -> str:
        kind = request.args.get("kind", "")
        try:
            before = absolute(said, "before", remedy="") if (said := request.args.get("before")) else None
        except InputError:
            abort(404)
        rows = ops.journal.runs(kind, stack=ops.stack, until=before, limit=_RUNS + 1)
        older = rows[_RUNS - 1].started_at.astimezone(UTC).isoformat() if len(rows) > _RUNS else ""
        shown = [(row, state_of(row)) for row in rows[:_RUNS]]
        return render_template("history.html.j2", rows=shown, kind=kind, older=older)

    @app.get("/history/<run>")
    def run_page(run: str) -> str:
        try:
            row = ops.journal.run(run)
        except KeyError:
            abort(404)
        recorded = ops.journal.events(run)
        notes = [(item.at, item.event.message) for item in recorded if isinstance(item.event, Noted)][-_RUNS:]
        state = state_of(row)
        helps = mend(row) if state in ("interrupted", "stopped") else ""
        shown = {"row": row, "state": state, "came_to": list(outcome(row.result or {})), "mend": helps}
        steps = bars(recorded, ops.journal.taken_up(run), over=state != "running")
        return render_template("run.html.j2", **shown, bars=_scaled(steps), notes=notes)

    @app.errorhandler(HTTPException)
    def _refused(error: HTTPException) -> tuple[str, int]:
        return render_template("error.html.j2", error=error), error.code or 500

    @app.errorhandler(OpsError)
    def _failed(error: OpsError) -> tuple[str, int]:
        return render_template("error.html.j2", error={"name": error.message, "description": error.remedy}), 503

    return app


def _report(ops: Session) -> str:
    from quartermaster.cli.report_data import gather as report_data
    from quartermaster.planner.report import render

    return render(report_data(ops))


def _shown(found: FleetStatus) -> dict[str, Any]:
    """The status as its template takes it: the worst first."""
    ordered = [(one.level, one.facts) for one in found.worst_first]
    return {
        "at": found.at,
        "counts": found.counts,
        "remarks": found.said,
        "clusters": [row for row in ordered if isinstance(row[1], ClusterFacts)],
        "databases": [row for row in ordered if isinstance(row[1], DatabaseFacts)],
        "leases": found.leases,
        "drift": found.drift,
    }


def _scaled(shown: Sequence[Bar]) -> list[dict[str, Any]]:
    """Each bar with its place on one scale, in hundredths of the whole."""
    if not shown:
        return []
    first = min(bar.began_at for bar in shown)
    last = max(bar.ended_at or bar.began_at for bar in shown)
    whole = max((last - first).total_seconds(), 0.001)

    def share(at: datetime) -> float:
        return round(100 * (at - first).total_seconds() / whole, 2)

    return [
        {
            "bar": bar,
            "left": min(share(bar.began_at), 100 - _THINNEST),
            "width": max(_THINNEST, share(bar.ended_at or last) - share(bar.began_at)),
        }
        for bar in shown
    ]


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
