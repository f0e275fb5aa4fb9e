"""Databases and buckets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.model import Fleet

_POSTGRES_MAJORS = range(13, 19)
_INSTANCE_FIELDS = ("version", "instance", "storage_gib", "standby", "replicas", "parameters")
_OURS = {"rds.force_ssl": "TLS is forced on every database"}
_RESERVED = frozenset((
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check",
    "collate", "column", "constraint", "create", "current-catalog", "current-date", "current-role", "current-time",
    "current-timestamp", "current-user", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except",
    "false", "fetch", "for", "foreign", "from", "grant", "group", "having", "in", "initially", "intersect", "into",
    "lateral", "leading", "limit", "localtime", "localtimestamp", "not", "null", "offset", "on", "only", "or", "order",
    "placing", "primary", "rdsadmin", "references", "returning", "select", "session-user", "some", "symmetric", "table",
    "template0", "template1", "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "when",
    "where", "window", "with",
))  # fmt: skip
"""What PostgreSQL and RDS keep for themselves; the database inside is called as here, with _ for -.
https://www.postgresql.org/docs/current/sql-keywords-appendix.html"""
_LEAST_COLD_DAYS = 30
"""S3 takes objects into STANDARD_IA after 30 days at the earliest (AWS: lifecycle transition constraints)."""


def names_are_one_thing(fleet: Fleet) -> Iterator[Fault]:
    """patching, recovery and uses name clusters, databases and buckets alike, so a name is one of them."""
    kinds: dict[str, Mapping[str, object]] = {
        "cluster": fleet.clusters,
        "database": fleet.databases,
        "bucket": fleet.buckets,
    }
    seen: dict[str, str] = {}
    for kind, named in kinds.items():
        for name in named:
            if name in seen:
                problem = f"{name!r} is a {seen[name]} too"
                yield Fault(f"{kind}s.{name}", problem, "another name for one of the two")
            seen.setdefault(name, kind)


def buckets_can_be_kept(fleet: Fleet) -> Iterator[Fault]:
    """Copies need somewhere to go, and the cold class has its own least age."""
    for name, bucket in fleet.buckets.items():
        if bucket.replicate and not fleet.recovery_region:
            remedy = "recovery_region: another region, such as eu-central-1"
            yield Fault(f"buckets.{name}.replicate", "there is no recovery_region to copy to", remedy)
        if 0 < bucket.cold_after_days < _LEAST_COLD_DAYS:
            problem = f"S3 takes nothing into its cold class after {bucket.cold_after_days} days"
            yield Fault(f"buckets.{name}.cold_after_days", problem, f"{_LEAST_COLD_DAYS} or more, or 0")


def databases_are_one_engine(fleet: Fleet) -> Iterator[Fault]:
    """Fields belong to the engine; the version is one that RDS offers."""
    for name, database in fleet.databases.items():
        foreign = _INSTANCE_FIELDS if database.engine == "dynamodb" else ("key",)
        needed = "postgres" if database.engine == "dynamodb" else "dynamodb"
        for field in database.says(*foreign):
            yield Fault(
                f"databases.{name}.{field}", f"{database.engine} has no {field}", f"leave it out, or engine: {needed}"
            )
        if database.engine == "postgres" and int(database.version.split(".")[0]) not in _POSTGRES_MAJORS:
            yield Fault(
                f"databases.{name}.version",
                f"PostgreSQL {database.version} is not offered",
                f'"{_POSTGRES_MAJORS[0]}" to "{_POSTGRES_MAJORS[-1]}"',
            )


def databases_can_be_called_so(fleet: Fleet) -> Iterator[Fault]:
    """RDS refuses a database that bears a word of SQL."""
    for name, database in fleet.databases.items():
        if database.engine == "postgres" and name in _RESERVED:
            yield Fault(f"databases.{name}", f"PostgreSQL keeps the word {name} for itself", f"such as {name}s")


def parameters_are_the_fleets_own(fleet: Fleet) -> Iterator[Fault]:
    """Settings are spelled as PostgreSQL spells them, and those that we set stay ours."""
    for name, database in fleet.databases.items():
        for setting in database.parameters:
            where = f"databases.{name}.parameters"
            if setting in _OURS:
                yield Fault(where, f"{setting} is ours: {_OURS[setting]}", f"leave {setting} out")
            elif not re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", setting):
                yield Fault(where, f"{setting!r} is no setting of PostgreSQL", "such as work_mem, in lower case")
