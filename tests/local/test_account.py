"""What the account cannot do is said before anything is made in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from census import census
from stacks import run, stand

from quartermaster.fleet import regions
from quartermaster.fleet.errors import InputError

pytestmark = pytest.mark.engine

FLEET = """
fleet: shop
region: eu-west-1
zones: 4
network: {cidr: 10.20.0.0/16, nat: none}
databases: {sessions: {engine: dynamodb}}
"""


def test_a_region_in_which_the_account_has_too_few_zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of regions says four; the account has three."""
    monkeypatch.setattr(regions, "_table", lambda: {"eu-west-1": "abcd"})
    with stand(tmp_path, FLEET) as made:
        before = census(made.cloud)
        for act in ("up", "preview"):
            with pytest.raises(InputError) as caught:
                run(made.deployment(), act)
            assert caught.value.exit_code == 2
            [fault] = caught.value.faults
            assert fault.where == "zones"
            assert "not eu-west-1d" in fault.problem
            assert fault.remedy.startswith("zones: 3, ")
        assert census(made.cloud) == before
        assert not (made.workspace.folder("state") / ".pulumi" / "locks").exists()
