"""Common options stand anywhere."""

import pytest

from quartermaster.cli.options import hoisted


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["provision", "up", "--yes"], ["--yes", "provision", "up"]),
        (["provision", "up", "--stack", "dev"], ["--stack", "dev", "provision", "up"]),
        (["provision", "up", "--stack=dev", "--x"], ["--stack=dev", "provision", "up", "--x"]),
        (["--json", "local", "status"], ["--json", "local", "status"]),
        (["local", "exec", "i-1", "--", "ls", "--json"], ["local", "exec", "i-1", "--", "ls", "--json"]),
        (["--json", "local", "exec", "i-1", "--", "ls"], ["--json", "local", "exec", "i-1", "--", "ls"]),
    ],
)
def test_common_options_move_to_the_front(given: list[str], expected: list[str]) -> None:
    assert hoisted(given) == expected


def test_a_value_missing_at_the_end_is_left_for_the_parser_to_refuse() -> None:
    assert hoisted(["validate", "--stack"]) == ["--stack", "validate"]
