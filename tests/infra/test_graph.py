"""A stack is drawn with its components as boxes and what each needs as arrows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from quartermaster.infra.graph import drawing, needs, parts

PREFIX = "urn:pulumi:dev::shop::"


def component(kind: str, name: str) -> dict[str, Any]:
    return {"urn": f"{PREFIX}ops:infra:{kind}::{name}", "type": f"ops:infra:{kind}"}


def resource(
    parent: dict[str, Any], type_: str, name: str, *on: dict[str, Any], protect: bool = False
) -> dict[str, Any]:
    urn = f"{PREFIX}{parent['type']}${type_}::{name}"
    found = {"urn": urn, "type": type_, "custom": True, "id": name, "parent": parent["urn"], "protect": protect}
    return {**found, "dependencies": [item["urn"] for item in on]}


NETWORK, DATA, WEB = component("Network", "network"), component("Database", "orders"), component("Cluster", "web")
VPC = resource(NETWORK, "aws:ec2/vpc:Vpc", "vpc")
SUBNETS = [resource(NETWORK, "aws:ec2/subnet:Subnet", f"subnet-{zone}", VPC) for zone in "ab"]
ORDERS = resource(DATA, "aws:rds/instance:Instance", "orders", *SUBNETS, protect=True)
GROUP = resource(WEB, "aws:autoscaling/group:Group", "web<1>", ORDERS, *SUBNETS)
STATE = {"resources": [NETWORK, DATA, WEB, VPC, *SUBNETS, ORDERS, GROUP]}


def names(state: dict[str, Any]) -> set[tuple[str, str]]:
    return {(who.rsplit("::", 1)[-1], what.rsplit("::", 1)[-1]) for who, what in needs(state)}


def test_a_part_counts_what_it_holds_and_names_what_is_protected() -> None:
    network, orders, _ = parts(STATE)
    assert network.holds == (("Subnet", 2), ("Vpc", 1))
    assert orders.protected == ("orders",)


def test_a_need_that_follows_from_others_is_left_out() -> None:
    assert names(STATE) == {("orders", "network"), ("web", "orders")}


def test_two_that_need_each_other_keep_both_arrows() -> None:
    rule = resource(DATA, "aws:vpc/rule:Rule", "rule", GROUP)
    state = {"resources": [*STATE["resources"], rule]}
    assert names(state) >= {("orders", "web"), ("web", "orders")}
    assert "stroke-dasharray" in drawing(parts(state), needs(state), title="shop")


def test_boxes_do_not_overlap_and_what_is_needed_stands_to_the_left() -> None:
    svg = ET.fromstring(drawing(parts(STATE), needs(STATE), title="a <b> & c"))
    boxes = [
        tuple(int(box.attrib[name]) for name in ("x", "y", "width", "height"))
        for box in svg.iter("{http://www.w3.org/2000/svg}rect")
    ]
    assert sorted(x for x, *_ in boxes) == [x for x, *_ in boxes]
    for place, (x, y, wide, high) in enumerate(boxes):
        for x2, y2, _, _ in boxes[place + 1 :]:
            assert x2 >= x + wide or y2 >= y + high
    assert any(text.text == "a <b> & c" for text in svg.iter("{http://www.w3.org/2000/svg}text"))


def test_an_empty_stack_is_an_empty_drawing() -> None:
    assert ET.fromstring(drawing(parts({}), needs({}), title="shop")) is not None
