"""Route tables, their routes and associations."""

from __future__ import annotations

from collections.abc import Iterable

from quartermaster.infra.local.provider.ec2_vpc import LEFTOVERS
from quartermaster.infra.local.provider.kind import Api, Given, Kind, State
from quartermaster.infra.local.provider.tagging import as_map, ec2_retag, read_tags, tag_on_create
from quartermaster.infra.lookup.table import route_id

__all__ = ["KINDS"]

_NEXT_HOPS = {"gatewayId": "GatewayId", "natGatewayId": "NatGatewayId"}


def _create_table(api: Api, given: Given) -> str:
    answer = api.client("ec2").create_route_table(
        VpcId=given["vpcId"], TagSpecifications=tag_on_create("route-table", given)
    )
    return str(answer["RouteTable"]["RouteTableId"])


def _table(api: Api, id_: str) -> State:
    found: State = api.client("ec2").describe_route_tables(RouteTableIds=[id_])["RouteTables"][0]
    return found


def _read_table(api: Api, id_: str, given: Given) -> State | None:
    found = _table(api, id_)
    return {
        "arn": api.arn("ec2", f"route-table/{id_}"),
        "vpcId": found["VpcId"],
        **read_tags(as_map(found.get("Tags"))),
    }


def _delete_table(api: Api, id_: str, state: Given) -> None:
    api.patiently(lambda: api.client("ec2").delete_route_table(RouteTableId=id_), LEFTOVERS)


def _hop(given: Given) -> dict[str, str]:
    return {theirs: given[ours] for ours, theirs in _NEXT_HOPS.items() if given.get(ours)}


def _create_route(api: Api, given: Given) -> str:
    api.client("ec2").create_route(
        RouteTableId=given["routeTableId"], DestinationCidrBlock=given["destinationCidrBlock"], **_hop(given)
    )
    return route_id(given)


def _read_route(api: Api, id_: str, given: Given) -> State | None:
    for route in _table(api, given["routeTableId"])["Routes"]:
        if route.get("DestinationCidrBlock") == given["destinationCidrBlock"]:
            hop = {ours: route[theirs] for ours, theirs in _NEXT_HOPS.items() if route.get(theirs)}
            return {
                "routeTableId": given["routeTableId"],
                "destinationCidrBlock": route["DestinationCidrBlock"],
                "state": route.get("State", "active"),
                **hop,
            }
    return None


def _update_route(api: Api, id_: str, old: Given, new: Given) -> None:
    api.client("ec2").replace_route(
        RouteTableId=new["routeTableId"], DestinationCidrBlock=new["destinationCidrBlock"], **_hop(new)
    )


def _delete_route(api: Api, id_: str, state: Given) -> None:
    api.client("ec2").delete_route(
        RouteTableId=state["routeTableId"], DestinationCidrBlock=state["destinationCidrBlock"]
    )


def _refuse_route(given: Given) -> Iterable[tuple[str, str]]:
    hops = [name for name in _NEXT_HOPS if name in given]
    if len(hops) != 1:
        yield (hops or ["gatewayId"])[-1], f"a route leads to one hop, not to {' and '.join(hops) or 'none'}"


def _create_association(api: Api, given: Given) -> str:
    answer = api.client("ec2").associate_route_table(RouteTableId=given["routeTableId"], SubnetId=given["subnetId"])
    return str(answer["AssociationId"])


def _read_association(api: Api, id_: str, given: Given) -> State | None:
    # By the subnet: an association that was moved to another table has a new id.
    filters = [{"Name": "association.subnet-id", "Values": [given["subnetId"]]}]
    for table in api.client("ec2").describe_route_tables(Filters=filters)["RouteTables"]:
        for item in table["Associations"]:
            if item.get("SubnetId") == given["subnetId"] and item["RouteTableAssociationId"] == id_:
                return {"routeTableId": table["RouteTableId"], "subnetId": given["subnetId"]}
    return None


def _delete_association(api: Api, id_: str, state: Given) -> None:
    api.client("ec2").disassociate_route_table(AssociationId=id_)


KINDS = (
    Kind(
        "aws:ec2/routeTable:RouteTable",
        create=_create_table,
        read=_read_table,
        update=ec2_retag,
        delete=_delete_table,
        fixed="vpcId",
        live="tags",
        needs="vpcId",
    ),
    Kind(
        "aws:ec2/route:Route",
        create=_create_route,
        read=_read_route,
        update=_update_route,
        delete=_delete_route,
        fixed="routeTableId destinationCidrBlock",
        live="gatewayId natGatewayId",
        needs="routeTableId destinationCidrBlock",
        refuse=_refuse_route,
    ),
    Kind(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        create=_create_association,
        read=_read_association,
        delete=_delete_association,
        fixed="subnetId routeTableId",
        needs="subnetId routeTableId",
        name="subnetId",
    ),
)
