"""Databases and buckets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.model import Fleet

_POSTGRES_MAJORS = range(13, 19)
_INSTANCE_FIELDS = ("version", "instance", "storage_gib", "standby", "replicas", "parameters")
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
