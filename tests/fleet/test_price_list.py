"""Prices as AWS's Price List Query API would tell them: recorded shapes, no proof of AWS's own names."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.price_list import Fetched, fetch_prices, moved
from quartermaster.fleet.prices import load_prices

TODAY = date(2026, 11, 21)
BUILT_IN = load_prices(own=False)
RATES = 17
"""Rates that are asked for by themselves, after hosts and databases."""


def product(usd: str, unit: str = "Hrs", **attributes: str) -> str:
    """One item of a PriceList: a text that holds JSON."""
    dimension = {"unit": unit, "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": usd}}
    later = {**dimension, "beginRange": "100", "pricePerUnit": {"USD": "0.0000001"}}
    terms = {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": dimension, "A.B.D": later}}}}
    return json.dumps({"product": {"attributes": attributes}, "terms": terms, "serviceCode": "X"})


def fetch(*pages: list[str], rates: dict[int, list[str]] | None = None) -> Fetched:
    """What comes of these pages of hosts, then none of databases, then what each rate is answered with."""
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        for number, page in enumerate(pages):
            token = {"NextToken": f"page-{number}"} if number < len(pages) - 1 else {}
            stub.add_response("get_products", {"FormatVersion": "aws_v1", "PriceList": page, **token})
        for number in range(RATES + 1):
            page = (rates or {}).get(number - 1, [])
            stub.add_response("get_products", {"FormatVersion": "aws_v1", "PriceList": page})
        found = fetch_prices(client, ["eu-west-1"], BUILT_IN, TODAY)
        stub.assert_no_pending_responses()
    return found


def test_every_page_is_read() -> None:
    found = fetch([product("0.1", instanceType="m6i.large")], [product("0.2", instanceType="m6i.xlarge")])
    assert found.prices.figures == {
        "instance_hour": {"eu-west-1": {"m6i.large": Decimal("0.1"), "m6i.xlarge": Decimal("0.2")}}
    }
    assert found.prices.dated == "2026-11-21"
    assert "Price List" in found.prices.source


def test_a_rate_is_told_by_the_end_of_its_usage_type() -> None:
    page = [product("0.05", usagetype="EU-NatGateway-Hours"), product("0.06", "GB", usagetype="EU-NatGateway-Bytes")]
    assert fetch([], rates={0: page}).prices.figures == {"rates": {"eu-west-1": {"nat_gateway_hour": Decimal("0.05")}}}


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ([], "no product answers to it"),
        ([product("0", usagetype="NatGateway-Hours")], "no product answers to it"),
        ([product("abc", usagetype="NatGateway-Hours")], "no product answers to it"),
        ([product("0.05", "GB", usagetype="NatGateway-Hours")], "no product answers to it"),
        (
            [product("0.05", usagetype="NatGateway-Hours"), product("0.06", usagetype="EU-NatGateway-Hours")],
            "several products answer to it, at 0.05, 0.06",
        ),
        ([product("48", usagetype="NatGateway-Hours")], "48 instead of 0.048 is too far off to believe"),
    ],
)
def test_a_doubtful_figure_is_left_out_and_named(page: list[str], why: str) -> None:
    found = fetch([], rates={0: page})
    [left] = [one for one in found.left_out if one.name == "nat_gateway_hour"]
    assert (left.region, left.why) == ("eu-west-1", why)
    assert not found.prices


def test_what_moves_is_shown_with_what_it_was() -> None:
    found = fetch([product("0.11", instanceType="m6i.large"), product("0.107", instanceType="m5.large")])
    assert [(one.name, one.before, one.after) for one in moved(BUILT_IN, found.prices)] == [
        ("m6i.large", Decimal("0.107"), Decimal("0.11"))
    ]


def test_filters_name_the_product() -> None:
    asked: list[dict[str, Any]] = []

    class Client:
        def get_products(self, **request: Any) -> dict[str, Any]:
            asked.append(request)
            return {"PriceList": []}

    fetch_prices(Client(), ["eu-west-1"], BUILT_IN, TODAY)
    assert len(asked) == RATES + 2
    assert {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"} in asked[0]["Filters"]
    assert {"Type": "TERM_MATCH", "Field": "operatingSystem", "Value": "Linux"} in asked[0]["Filters"]


def test_a_refusal_says_which_permission_is_needed() -> None:
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_client_error("get_products", "AccessDeniedException", "no")
        with pytest.raises(OpsError) as caught:
            fetch_prices(client, ["eu-west-1"], BUILT_IN, TODAY)
    assert "pricing:GetProducts" in caught.value.remedy
