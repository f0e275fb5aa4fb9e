"""Waivers in fleet.yaml: an ended one is told with its line, an unknown rule is refused (broken/waivers.yaml)."""

from __future__ import annotations

from datetime import date

from quartermaster.fleet.schema import read_text

TEXT = """fleet: shop
waivers:
  - {rule: single-nat, resource: "nat-*", reason: dev needs no more, until: 2026-11-20}
  - {rule: imdsv2, reason: an old agent until spring, until: 2026-11-21}
"""


def test_an_ended_waiver_is_a_warning_with_its_line() -> None:
    [warning] = read_text(TEXT, today=date(2026, 11, 21)).warnings
    assert (warning.where, warning.line) == ("waivers[0].until", 3)
    assert "single-nat for nat-* ended on 2026-11-20" in warning.problem


def test_without_a_day_to_judge_by_nothing_has_ended() -> None:
    assert read_text(TEXT).warnings == ()
