"""Every fleet.yaml that the project shows is valid and has nothing odd about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.fleet.schema import read_fleet

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("fleet.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_example_is_valid(path: Path) -> None:
    assert read_fleet(path).warnings == ()


def test_there_are_examples() -> None:
    assert EXAMPLES
