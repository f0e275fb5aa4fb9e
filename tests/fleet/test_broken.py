"""Every broken fleet.yaml is refused with all its faults, each with line and remedy.

A file in ``broken/`` says what it expects: one comment ``# expect: WHERE | part of the remedy`` for each fault,
and ``# fault`` at the end of each line that a fault is reported on.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import load_fleet, read_text

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
GOLDEN = Path(__file__).with_name("broken.txt")


def test_there_are_enough_broken_files() -> None:
    assert len(BROKEN) >= 30


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_broken_file_is_refused_with_line_and_remedy(path: Path) -> None:
    text = path.read_text()
    expected = sorted(re.findall(r"^# expect: (\S*) *\| (.*)$", text, re.M))
    lines = {number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# fault")}

    with pytest.raises(InputError) as refused:
        load_fleet(path)

    faults = sorted(refused.value.faults, key=lambda fault: fault.where)
    assert refused.value.exit_code == 2
    assert [fault.where for fault in faults] == [where for where, _ in expected]
    for fault, (_, remedy) in zip(faults, expected, strict=True):
        assert remedy in fault.remedy
        assert fault.problem
        assert fault.file == str(path)
    if lines:
        assert {fault.line for fault in faults} == lines


def test_each_fault_reads_as_it_did() -> None:
    """To refresh: write what this test compares into tests/fleet/broken.txt, and read it."""
    told = []
    for path in BROKEN:
        with pytest.raises(InputError) as refused:
            read_text(path.read_text(), file=path.name, today=date(2026, 11, 22))
        told += [f"{path.stem}: {fault.where}: {fault.problem} -> {fault.remedy}" for fault in refused.value.faults]
    assert told == GOLDEN.read_text(encoding="utf-8").splitlines()
