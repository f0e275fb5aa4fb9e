"""The tables of the journal's database, as this version's schema has them; ``fleet/store.py`` leads there."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["deliveries", "events", "leases", "readings", "runs", "updates_seen"]

_meta = sa.MetaData()
runs = sa.Table(
    "runs",
    _meta,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("stack", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("started_at", sa.String, nullable=False),
    sa.Column("ended_at", sa.String),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_started", sa.String, nullable=False),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON),
)
events = sa.Table(
    "events",
    _meta,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run", sa.String, nullable=False, index=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("record", sa.String, nullable=False),
    sa.Column("prior_hash", sa.String, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
)
leases = sa.Table(
    "leases",
    _meta,
    sa.Column("token", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("scope", sa.String, nullable=False),
    sa.Column("run", sa.String, nullable=False),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_started", sa.String, nullable=False),
    sa.Column("heartbeat_at", sa.String, nullable=False),
    sa.Column("expires_at", sa.String, nullable=False),
    sa.Column("ended", sa.String, nullable=False, default=""),
    sqlite_autoincrement=True,
)
updates_seen = sa.Table(
    "updates_seen",
    _meta,
    sa.Column("package", sa.String, primary_key=True),
    sa.Column("installed", sa.String, primary_key=True),
    sa.Column("candidate", sa.String, primary_key=True),
    sa.Column("first_seen", sa.String, nullable=False),
)
readings = sa.Table(
    "readings",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("stack", sa.String, nullable=False),
    sa.Column("cluster", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("tally", sa.String, nullable=False),
    sa.Column("hosts", sa.String),  # of the last reading only
    sa.Index("readings_of", "stack", "cluster"),
)
deliveries = sa.Table(
    "deliveries",
    _meta,
    sa.Column("channel", sa.String, primary_key=True),
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("what", sa.String, primary_key=True),
    sa.Column("state", sa.String, nullable=False),  # waiting, sent or given up
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", sa.String, nullable=False),
    sa.Column("error", sa.String, nullable=False),
)
