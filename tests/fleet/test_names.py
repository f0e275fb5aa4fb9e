"""Physical names and tags."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quartermaster.fleet.names import limited, physical, tags

NAMES = st.from_regex(r"[a-z](-?[a-z0-9]){0,60}", fullmatch=True)


def test_short_names_are_joined() -> None:
    assert physical("shop", "dev", "web") == "shop-dev-web"
    assert physical("shop", "dev") == "shop-dev"


def test_two_long_names_stay_two() -> None:
    one, other = ("x" * 40 + end for end in "ab")
    assert limited(one, 32) != limited(other, 32)


@given(NAMES, st.sampled_from([32, 63]))
def test_names_fit_and_keep_their_form(name: str, limit: int) -> None:
    short = limited(name, limit)
    assert len(short) <= limit
    assert not short.endswith("-")
    assert "--" not in short
    assert short == limited(name, limit)


def test_tags_name_fleet_stack_and_cluster() -> None:
    assert tags("shop", "dev") == {"ops:fleet": "shop", "ops:stack": "dev"}
    assert tags("shop", "dev", "web")["ops:cluster"] == "web"
