"""What people write as assumptions."""

from __future__ import annotations

from datetime import date

import pytest

from quartermaster.cli.whatif import _asked
from quartermaster.fleet.errors import InputError


def test_each_value_is_a_scenario_of_its_own() -> None:
    found = _asked(["20%", "0.5"], ["2026-12-01:+30%"], ["15%"], [4], [2], ["m7g.large"], [0.95])
    assert [s.growth for s in found[:2]] == [1.2, 1.5]
    assert found[2].launches == ((date(2026, 12, 1), 1.3),)
    assert found[3].growth == 0.85
    assert (found[4].zones, found[5].lost_zones, found[6].instance, found[7].quantile) == (4, 2, "m7g.large", 0.95)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        _asked(["a lot"], ["soon"], ["100%"], None, None, None, [1.5])
    assert [f.where for f in caught.value.faults] == ["growth", "launch", "quantile", "tenant lost 100%"]
    with pytest.raises(InputError, match="no assumption"):
        _asked(None, None, None, None, None, None, None)
