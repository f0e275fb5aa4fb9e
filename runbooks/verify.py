"""What is asked of restored data before it counts as restored: page checksums, structure, rows, the fleet's checks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from quartermaster.fleet.errors import OpsError

__all__ = ["READER", "Check", "answered", "make_reader", "rows", "unaskable", "verify"]

_Ask = Callable[[str], str]
"""Answers a statement as psql does, unaligned. Raises OpsError."""
_CHECKSUMS = "show data_checksums"
_STRUCTURE = """
begin;
create extension if not exists amcheck;
select c.oid::regclass || ': ' || h.msg from pg_class c, lateral verify_heapam(c.oid) h
  where c.relkind in ('r', 'm', 't') and c.relpersistence <> 't' limit 3;
select count(bt_index_check(i.indexrelid, true)) from pg_index i join pg_class c on c.oid = i.indexrelid
  join pg_am a on a.oid = c.relam where a.amname = 'btree' and c.relpersistence <> 't' and i.indisvalid;
rollback;
"""
"""Reads every page of every table and index, so that PostgreSQL checks the checksum of each. The extension goes again.

https://www.postgresql.org/docs/current/amcheck.html
"""
_ROWS = """
select table_schema || '.' || table_name || '|' || (xpath('/row/n/text()',
  query_to_xml(format('select count(*) as n from %I.%I', table_schema, table_name), false, true, '')))[1]
  from information_schema.tables where table_type = 'BASE TABLE'
  and table_schema not in ('pg_catalog', 'information_schema') order by 1
"""


READER = "ops_reader"
_MAKE_READER = rf"""
\set password `printenv PGPASSWORD`
drop role if exists {READER};
create role {READER} login in role pg_read_all_data password :'password';
alter role {READER} set default_transaction_read_only = on;
"""
"""psql puts the password in where it runs: it is in no statement that anybody sends or notes."""


@dataclass(frozen=True, slots=True)
class Check:
    """One answer about the data."""

    name: str
    holds: bool
    found: str


def make_reader(ask: _Ask) -> None:
    """Make the user that reads everything and writes nothing, with the password of who asks. Changes the database."""
    ask(_MAKE_READER)


def rows(ask: _Ask) -> dict[str, int]:
    """Rows of each table, exactly. Read-only."""
    lines = ask(_ROWS).splitlines()
    return {name: int(count) for name, _, count in (line.rpartition("|") for line in lines)}


def unaskable(ask: _Ask, checks: Sequence[str]) -> frozenset[str]:
    """Checks that the database cannot answer at all: of tables that nobody has made yet. Read-only."""
    found = set()
    for sql in checks:
        try:
            ask(sql)
        except OpsError:
            found.add(sql)
    return frozenset(found)


def verify(
    ask: _Ask, reader: _Ask, checks: Sequence[str], source: Mapping[str, int] | None, senseless: Collection[str] = ()
) -> tuple[Check, ...]:
    """Every answer. The structure is asked by ``ask``, all else by ``reader``, a user that cannot write.

    ``source``: rows that the original had at the loss, None where it could not be asked; ``senseless``: checks that it
    could not answer either, so that they say nothing of the restore.
    """
    return (*_intact(ask), _counted(reader, source), *answered(reader, checks, senseless))


def answered(ask: _Ask, checks: Sequence[str], senseless: Collection[str] = ()) -> tuple[Check, ...]:
    """What the fleet's checks come to. Read-only."""
    return tuple(_answers(ask, sql, senseless=sql in senseless) for sql in checks)


def _intact(ask: _Ask) -> list[Check]:
    try:
        on = ask(_CHECKSUMS)
        said = ask(_STRUCTURE).splitlines()
    except OpsError as exc:
        return [Check("structure", False, exc.message)]
    broken = said[:-1]
    pages = "read with their checksums" if on == "on" else "read; the database has no page checksums"
    return [Check("structure", not broken, "; ".join(broken) or f"all pages {pages}, {said[-1]} indexes whole")]


def _counted(ask: _Ask, source: Mapping[str, int] | None) -> Check:
    """Tables with rows at the source have some; how many may differ by what was written after the recovery point."""
    try:
        found = rows(ask)
    except OpsError as exc:
        return Check("rows", False, exc.message)
    total = f"{sum(found.values())} rows in {len(found)} tables"
    if source is None:
        return Check("rows", True, f"{total}; the original was not asked")
    lost = [name for name, count in source.items() if count and not found.get(name)]
    if lost:
        return Check("rows", False, f"empty or missing: {', '.join(lost)}")
    return Check("rows", True, f"{total}; the original had {sum(source.values())} in {len(source)}")


def _answers(ask: _Ask, sql: str, *, senseless: bool) -> Check:
    try:
        said = ask(sql)
    except OpsError as exc:
        why = "the original cannot answer it either: " if senseless else ""
        return Check(sql, senseless, why + exc.message)
    return Check(sql, said == "t", "true" if said == "t" else f"answers {said or 'nothing'!r}, not true")
