"""This user's own prices: before the built-in ones, written in one step, refused when broken."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.price_file import OwnPrices, read_own, write_own
from quartermaster.fleet.prices import Prices, load_prices

OWN = OwnPrices(
    "2026-11-21",
    "the API",
    {
        "instance_hour": {"eu-west-1": {"m6i.large": Decimal("0.2")}},
        "database_hour": {"eu-west-1": {"m6i.large": Decimal("0.5")}},
        "rates": {"eu-west-1": {"key_month": Decimal(2)}},
    },
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = write_own(OWN, tmp_path / "deep" / "prices.json")
    assert read_own(file) == OWN
    assert [path.name for path in file.parent.iterdir()] == ["prices.json"]


def test_own_figures_stand_before_the_built_in_ones() -> None:
    prices = Prices(load_prices(own=False)._table, OWN)
    assert prices.instance_hour("m6i.large", "eu-west-1") == Decimal("0.2")
    assert prices.instance_hour("m6i.xlarge", "eu-west-1") == Decimal("0.214")
    assert prices.database_hour("db.m6i.large", "eu-west-1", standby=True) == Decimal(1)
    assert prices.rate("key_month", "eu-west-1") == 2
    assert prices.rate("key_month", "eu-central-1") == 1
    assert (prices.dated, prices.source.startswith("the API; what that lacks: built in")) == ("2026-11-21", True)


def test_a_region_of_own_figures_is_a_region_with_prices() -> None:
    own = OwnPrices("2026-11-21", "the API", {"rates": {"ap-southeast-2": {"key_month": Decimal(1)}}})
    assert "ap-southeast-2" in Prices(load_prices(own=False)._table, own).regions()
    assert "ap-southeast-2" not in load_prices(own=False).regions()


def test_newer_figures_replace_older_ones_and_leave_the_rest() -> None:
    newer = OwnPrices("2027-01-01", "again", {"rates": {"eu-west-1": {"alarm_month": Decimal("0.3")}}})
    merged = OWN.merged(newer)
    assert merged.dated == "2027-01-01"
    assert merged.figures["rates"]["eu-west-1"] == {"key_month": Decimal(2), "alarm_month": Decimal("0.3")}
    assert merged.get("instance_hour", "eu-west-1", "m6i.large") == Decimal("0.2")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[]", "version"),
        ('{"version": 2}', "version"),
        ('{"version": 1, "source": "x"}', "dated"),
        ('{"version": 1, "source": "x", "dated": "d", "rates": {"eu-west-1": {"key_month": "-1"}}}',
         "rates.eu-west-1.key_month"),
        ('{"version": 1, "source": "x", "dated": "d", "rates": {"eu-west-1": {"key_month": "NaN"}}}',
         "rates.eu-west-1.key_month"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_by_place(tmp_path: Path, text: str, where: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_own(file)
    assert [fault.where for fault in caught.value.faults] == [where]


def test_no_file_means_no_own_prices(tmp_path: Path) -> None:
    assert not read_own(tmp_path / "none.json")
