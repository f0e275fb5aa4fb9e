"""Every broken fleet.yaml is refused with all its faults, each with line and remedy.

A file in ``broken/`` says what it expects: one comment ``# expect: WHERE | part of the remedy`` for each fault,
and ``# fault`` at the end of each line that a fault is reported on.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import load_fleet

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


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
