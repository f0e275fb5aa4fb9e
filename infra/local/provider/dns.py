"""Route 53: hosted zones, records, health checks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.spelling import asked, told
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, split
from quartermaster.infra.lookup.table import record_id

__all__ = ["KINDS"]


def _client(api: Api) -> Any:
    return api.client("route53")


def _retag(api: Api, type_: str, id_: str, old: Given, new: Given) -> None:
    put, drop = split(old, new)
    changes: dict[str, Any] = {"AddTags": as_list(put)} if put else {}
    if drop:
        changes["RemoveTagKeys"] = drop
    if changes:
        _client(api).change_tags_for_resource(ResourceType=type_, ResourceId=id_, **changes)


def _tags(api: Api, type_: str, id_: str) -> State:
    found = _client(api).list_tags_for_resource(ResourceType=type_, ResourceId=id_)
    return read_tags(as_map(found["ResourceTagSet"]["Tags"]))


def _create_zone(api: Api, given: Given) -> str:
    answer = _client(api).create_hosted_zone(
        Name=given["name"],
        CallerReference=uuid.uuid4().hex,
        HostedZoneConfig={"Comment": given.get("comment") or "Managed by Pulumi"},
    )
    id_ = str(answer["HostedZone"]["Id"]).rpartition("/")[2]
    _retag(api, "hostedzone", id_, {}, given)
    return id_


def _read_zone(api: Api, id_: str, given: Given) -> State | None:
    found = _client(api).get_hosted_zone(Id=id_)
    return {
        "arn": f"arn:aws:route53:::hostedzone/{id_}",
        "zoneId": id_,
        "name": found["HostedZone"]["Name"].rstrip("."),
        "comment": found["HostedZone"]["Config"].get("Comment", ""),
        "nameServers": found["DelegationSet"]["NameServers"],
        **_tags(api, "hostedzone", id_),
    }


def _update_zone(api: Api, id_: str, old: Given, new: Given) -> None:
    if old.get("comment") != new.get("comment"):
        _client(api).update_hosted_zone_comment(Id=id_, Comment=new.get("comment") or "Managed by Pulumi")
    _retag(api, "hostedzone", id_, old, new)


def _delete_zone(api: Api, id_: str, state: Given) -> None:
    if state.get("forceDestroy"):
        for page in _client(api).get_paginator("list_resource_record_sets").paginate(HostedZoneId=id_):
            for record in page["ResourceRecordSets"]:
                if record["Type"] not in ("NS", "SOA"):
                    _change(api, id_, "DELETE", record)
    _client(api).delete_hosted_zone(Id=id_)


def _change(api: Api, zone: str, action: str, record: Mapping[str, Any]) -> None:
    changes = [{"Action": action, "ResourceRecordSet": record}]
    _client(api).change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


_RECORD = {
    "name": "Name", "type": "Type", "ttl": "TTL", "setIdentifier": "SetIdentifier", "healthCheckId": "HealthCheckId",
}  # fmt: skip


def _record(given: Given) -> dict[str, Any]:
    record = asked(_RECORD, given)
    if given.get("records"):
        record["ResourceRecords"] = [{"Value": value} for value in given["records"]]
    if given.get("aliases"):
        alias = given["aliases"][0]
        record["AliasTarget"] = {
            "DNSName": alias["name"],
            "HostedZoneId": alias["zoneId"],
            "EvaluateTargetHealth": alias["evaluateTargetHealth"],
        }
    if given.get("failoverRoutingPolicies"):
        record["Failover"] = given["failoverRoutingPolicies"][0]["type"]
    return record


def _find(api: Api, given: Given) -> dict[str, Any] | None:
    name = given["name"].rstrip(".")
    answer = _client(api).list_resource_record_sets(
        HostedZoneId=given["zoneId"], StartRecordName=name, StartRecordType=given["type"], MaxItems="100"
    )
    for found in answer["ResourceRecordSets"]:
        if (
            found["Name"].rstrip(".") == name
            and found["Type"] == given["type"]
            and found.get("SetIdentifier", "") == (given.get("setIdentifier") or "")
        ):
            return dict(found)
    return None


def _create_record(api: Api, given: Given) -> str:
    if not given.get("allowOverwrite") and _find(api, given) is not None:
        raise ValueError(f"AWS refuses it: the record {given['name']} of type {given['type']} already exists")
    _change(api, given["zoneId"], "UPSERT", _record(given))
    return record_id(given)


def _read_record(api: Api, id_: str, given: Given) -> State | None:
    found = _find(api, given)
    if found is None:
        return None
    state: State = {
        "zoneId": given["zoneId"],
        "name": found["Name"].rstrip("."),
        "fqdn": found["Name"].rstrip("."),
        "type": found["Type"],
        "setIdentifier": found.get("SetIdentifier", ""),
        "healthCheckId": found.get("HealthCheckId", ""),
        "records": [item["Value"] for item in found.get("ResourceRecords", [])],
        "aliases": [],
        "failoverRoutingPolicies": [{"type": found["Failover"]}] if found.get("Failover") else [],
    }
    if found.get("TTL") is not None:
        state["ttl"] = int(found["TTL"])
    if alias := found.get("AliasTarget"):
        state["aliases"] = [
            {
                "name": alias["DNSName"].rstrip("."),
                "zoneId": alias["HostedZoneId"],
                "evaluateTargetHealth": alias["EvaluateTargetHealth"],
            }
        ]
    return state


def _update_record(api: Api, id_: str, old: Given, new: Given) -> None:
    _change(api, new["zoneId"], "UPSERT", _record(new))


def _delete_record(api: Api, id_: str, state: Given) -> None:
    found = _find(api, state)
    if found is not None:
        _change(api, state["zoneId"], "DELETE", found)


def _refuse_record(given: Given) -> Iterator[tuple[str, str]]:
    alias, type_ = given.get("aliases"), given.get("type")
    if alias and "ttl" in given:
        yield "ttl", "an alias has the TTL of its target"
    if alias and "records" in given:
        yield "records", "an alias has no records of its own"
    if not alias and "records" in given and "ttl" not in given:
        yield "ttl", "a record that is no alias needs a TTL"
    policies = given.get("failoverRoutingPolicies")
    if policies and "setIdentifier" not in given:
        yield "setIdentifier", "records of one name that share traffic are told apart by it"
    if "setIdentifier" in given and not policies:
        yield "setIdentifier", "only records with a routing policy have it"
    if policies and policies[0].get("type") == "PRIMARY" and not alias and "healthCheckId" not in given:
        yield "healthCheckId", "a primary record that is no alias fails over by its health check"
    records = given.get("records")
    if type_ == "CNAME" and isinstance(records, list) and len(records) > 1:
        yield "records", "a CNAME has one value"


_CHECK = {
    "type": "Type",
    "fqdn": "FullyQualifiedDomainName",
    "ipAddress": "IPAddress",
    "port": "Port",
    "resourcePath": "ResourcePath",
    "requestInterval": "RequestInterval",
    "failureThreshold": "FailureThreshold",
    "enableSni": "EnableSNI",
    "measureLatency": "MeasureLatency",
}
_CHECK_LIVE = "fqdn ipAddress port resourcePath failureThreshold enableSni"


def _create_check(api: Api, given: Given) -> str:
    reference = uuid.uuid4().hex
    answer = _client(api).create_health_check(CallerReference=reference, HealthCheckConfig=asked(_CHECK, given))
    id_ = str(answer["HealthCheck"]["Id"])
    _retag(api, "healthcheck", id_, {}, given)
    return id_


def _read_check(api: Api, id_: str, given: Given) -> State | None:
    config = _client(api).get_health_check(HealthCheckId=id_)["HealthCheck"]["HealthCheckConfig"]
    arn = f"arn:aws:route53:::healthcheck/{id_}"
    return {"arn": arn, **told(_CHECK, config), **_tags(api, "healthcheck", id_)}


def _update_check(api: Api, id_: str, old: Given, new: Given) -> None:
    live = {_CHECK[name]: new[name] for name in _CHECK_LIVE.split() if new.get(name) != old.get(name) and name in new}
    if live:
        _client(api).update_health_check(HealthCheckId=id_, **live)
    _retag(api, "healthcheck", id_, old, new)


def _delete_check(api: Api, id_: str, state: Given) -> None:
    _client(api).delete_health_check(HealthCheckId=id_)


def _refuse_check(given: Given) -> Iterator[tuple[str, str]]:
    if given.get("requestInterval") not in (None, 10, 30):
        yield "requestInterval", f"{given['requestInterval']} seconds; it is 10 or 30"
    failures = given.get("failureThreshold")
    if isinstance(failures, int) and not 1 <= failures <= 10:
        yield "failureThreshold", f"{failures} failures; it is 1 to 10"
    if "fqdn" not in given and "ipAddress" not in given and given.get("type") in ("HTTP", "HTTPS", "TCP"):
        yield "fqdn", "somebody must be asked: a name or an address"
    if given.get("type") == "TCP" and ("resourcePath" in given or "enableSni" in given):
        yield "type", "a check by TCP has no path and no server name"


KINDS = (
    Kind(
        "aws:route53/zone:Zone",
        create=_create_zone,
        read=_read_zone,
        update=_update_zone,
        delete=_delete_zone,
        fixed="name",
        live="comment forceDestroy tags",
        needs="name",
        limits={"name": Limit(r"[a-z0-9_.*-]{1,255}", "a domain name of up to 255 letters, digits, dots and hyphens")},
    ),
    Kind(
        "aws:route53/record:Record",
        create=_create_record,
        read=_read_record,
        update=_update_record,
        delete=_delete_record,
        fixed="zoneId name type setIdentifier",
        live="ttl records aliases healthCheckId failoverRoutingPolicies allowOverwrite",
        needs="zoneId name type",
        name="name",
        refuse=_refuse_record,
    ),
    Kind(
        "aws:route53/healthCheck:HealthCheck",
        create=_create_check,
        read=_read_check,
        update=_update_check,
        delete=_delete_check,
        fixed="type requestInterval measureLatency",
        live=f"{_CHECK_LIVE} tags",
        needs="type",
        refuse=_refuse_check,
    ),
)
