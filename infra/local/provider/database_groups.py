"""RDS's groups: the subnets that instances go to, and the settings that they share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.databases import retag
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags

__all__ = ["KINDS"]

_STATIC = frozenset({"max_connections", "shared_buffers", "shared_preload_libraries", "wal_buffers", "huge_pages"})
"""Some of what PostgreSQL reads at its start only; all of them AWS knows."""
_AT_ONCE = 20
"""ModifyDBParameterGroup takes so many parameters in a request."""


def _create_subnets(api: Api, given: Given) -> str:
    api.client("rds").create_db_subnet_group(
        DBSubnetGroupName=given["name"],
        DBSubnetGroupDescription=given.get("description", "Managed by Pulumi"),
        SubnetIds=given["subnetIds"],
        Tags=as_list(given.get("tags")),
    )
    return str(given["name"])


def _read_subnets(api: Api, id_: str, given: Given) -> State | None:
    rds = api.client("rds")
    found = rds.describe_db_subnet_groups(DBSubnetGroupName=id_)["DBSubnetGroups"][0]
    return {
        "arn": found["DBSubnetGroupArn"],
        "name": found["DBSubnetGroupName"],
        "description": found["DBSubnetGroupDescription"],
        "subnetIds": sorted(item["SubnetIdentifier"] for item in found["Subnets"]),
        **read_tags(as_map(rds.list_tags_for_resource(ResourceName=found["DBSubnetGroupArn"])["TagList"])),
    }


def _update_subnets(api: Api, id_: str, old: Given, new: Given) -> None:
    rds = api.client("rds")
    if (old.get("subnetIds"), old.get("description")) != (new["subnetIds"], new.get("description")):
        rds.modify_db_subnet_group(
            DBSubnetGroupName=id_,
            DBSubnetGroupDescription=new.get("description", "Managed by Pulumi"),
            SubnetIds=new["subnetIds"],
        )
    arn = rds.describe_db_subnet_groups(DBSubnetGroupName=id_)["DBSubnetGroups"][0]["DBSubnetGroupArn"]
    retag(api, arn, old, new)


def _delete_subnets(api: Api, id_: str, state: Given) -> None:
    rds = api.client("rds")
    api.patiently(lambda: rds.delete_db_subnet_group(DBSubnetGroupName=id_), ("InvalidDBSubnetGroupStateFault",))


def _put(api: Api, name: str, parameters: list[Given]) -> None:
    call = [
        {
            "ParameterName": item["name"],
            "ParameterValue": item["value"],
            "ApplyMethod": item.get("applyMethod", "immediate"),
        }
        for item in parameters
    ]
    for start in range(0, len(call), _AT_ONCE):
        api.client("rds").modify_db_parameter_group(
            DBParameterGroupName=name, Parameters=call[start : start + _AT_ONCE]
        )


def _create_parameters(api: Api, given: Given) -> str:
    api.client("rds").create_db_parameter_group(
        DBParameterGroupName=given["name"],
        DBParameterGroupFamily=given["family"],
        Description=given.get("description", "Managed by Pulumi"),
        Tags=as_list(given.get("tags")),
    )
    _put(api, given["name"], list(given.get("parameters") or ()))
    return str(given["name"])


def _read_parameters(api: Api, id_: str, given: Given) -> State | None:
    rds = api.client("rds")
    # AWS says that it is not there, moto answers an empty list.
    found = next(iter(rds.describe_db_parameter_groups(DBParameterGroupName=id_)["DBParameterGroups"]), None)
    if found is None:
        return None
    rows = rds.describe_db_parameters(DBParameterGroupName=id_)["Parameters"]
    said = {
        row["ParameterName"]: {
            "name": row["ParameterName"],
            "value": row["ParameterValue"],
            "applyMethod": row.get("ApplyMethod", "immediate"),
        }
        for row in rows
        if "ParameterValue" in row
    }
    # In the order of the inputs, then what nobody declared.
    order = [item["name"] for item in given.get("parameters") or () if item["name"] in said]
    rest = sorted(said.keys() - set(order))
    return {
        "arn": found["DBParameterGroupArn"],
        "name": found["DBParameterGroupName"],
        "family": found["DBParameterGroupFamily"],
        "description": found["Description"],
        "parameters": [said[name] for name in (*order, *rest)],
        **read_tags(as_map(rds.list_tags_for_resource(ResourceName=found["DBParameterGroupArn"])["TagList"])),
    }


def _update_parameters(api: Api, id_: str, old: Given, new: Given) -> None:
    rds = api.client("rds")
    before = {item["name"]: item for item in old.get("parameters") or ()}
    after = {item["name"]: item for item in new.get("parameters") or ()}
    _put(api, id_, [item for name, item in after.items() if before.get(name) != item])
    if dropped := sorted(before.keys() - after.keys()):
        rds.reset_db_parameter_group(
            DBParameterGroupName=id_,
            Parameters=[{"ParameterName": name, "ApplyMethod": "pending-reboot"} for name in dropped],
        )
    arn = rds.describe_db_parameter_groups(DBParameterGroupName=id_)["DBParameterGroups"][0]["DBParameterGroupArn"]
    retag(api, arn, old, new)


def _delete_parameters(api: Api, id_: str, state: Given) -> None:
    rds = api.client("rds")
    api.patiently(lambda: rds.delete_db_parameter_group(DBParameterGroupName=id_), ("InvalidDBParameterGroupState",))


def _refuse_parameters(given: Given) -> Iterator[tuple[str, str]]:
    parameters: Any = given.get("parameters")
    for item in parameters if isinstance(parameters, list) else ():
        if isinstance(item, dict) and item.get("name") in _STATIC and item.get("applyMethod") != "pending-reboot":
            yield "parameters", f"{item['name']} is read at PostgreSQL's start only: applyMethod pending-reboot"


KINDS = (
    Kind(
        "aws:rds/subnetGroup:SubnetGroup",
        create=_create_subnets,
        read=_read_subnets,
        update=_update_subnets,
        delete=_delete_subnets,
        fixed="name",
        live="description subnetIds tags",
        needs="name subnetIds",
        name="name",
        limits={"name": Limit(r"(?!default$)[a-z0-9._ -]{1,255}", "up to 255 lower-case letters, digits and . _ -")},
    ),
    Kind(
        "aws:rds/parameterGroup:ParameterGroup",
        create=_create_parameters,
        read=_read_parameters,
        update=_update_parameters,
        delete=_delete_parameters,
        fixed="name family description",
        live="parameters tags",
        needs="name family",
        name="name",
        limits={
            "name": Limit(
                r"(?!.*--)[a-z][a-z0-9.-]{0,254}(?<!-)",
                "a letter, then letters, digits and single hyphens, 255 at most",
            ),
            "family": Limit(r"postgres\d{1,2}", "a family of PostgreSQL such as postgres16"),
        },
        refuse=_refuse_parameters,
    ),
)
