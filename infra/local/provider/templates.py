"""Launch templates: each change of what a host starts from is a new version."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.spelling import camel, pascal
from quartermaster.infra.local.provider.tagging import as_list, as_map, ec2_retag, read_tags, tag_on_create

__all__ = ["KINDS"]

_USER_DATA_BYTES = 16384


def _template_data(given: Given) -> dict[str, Any]:
    data: dict[str, Any] = {
        theirs: given[ours]
        for ours, theirs in (
            ("imageId", "ImageId"),
            ("instanceType", "InstanceType"),
            ("keyName", "KeyName"),
            ("userData", "UserData"),
            ("vpcSecurityGroupIds", "SecurityGroupIds"),
        )
        if given.get(ours)
    }
    if profile := given.get("iamInstanceProfile"):
        data["IamInstanceProfile"] = pascal(profile)
    if options := given.get("metadataOptions"):
        data["MetadataOptions"] = pascal(options)
    if monitoring := given.get("monitoring"):
        data["Monitoring"] = pascal(monitoring)
    if mappings := given.get("blockDeviceMappings"):
        data["BlockDeviceMappings"] = [_device(mapping) for mapping in mappings]
    if specs := given.get("tagSpecifications"):
        data["TagSpecifications"] = [
            {"ResourceType": spec["resourceType"], "Tags": as_list(spec["tags"])} for spec in specs
        ]
    return data


def _device(mapping: Given) -> dict[str, Any]:
    ebs = pascal(mapping["ebs"])
    # Pulumi writes these two as text, as Terraform's three-valued booleans.
    for name in ("Encrypted", "DeleteOnTermination"):
        if name in ebs:
            ebs[name] = str(ebs[name]).lower() == "true"
    return {"DeviceName": mapping["deviceName"], "Ebs": ebs}


def _create_template(api: Api, given: Given) -> str:
    answer = api.client("ec2").create_launch_template(
        LaunchTemplateName=given["name"],
        VersionDescription=given.get("description", ""),
        LaunchTemplateData=_template_data(given),
        TagSpecifications=tag_on_create("launch-template", given),
    )
    return str(answer["LaunchTemplate"]["LaunchTemplateId"])


def _read_template(api: Api, id_: str, given: Given) -> State | None:
    ec2 = api.client("ec2")
    found = ec2.describe_launch_templates(LaunchTemplateIds=[id_])["LaunchTemplates"]
    if not found:
        return None
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=id_, Versions=["$Latest"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    state: State = {
        "arn": api.arn("ec2", f"launch-template/{id_}"),
        "name": found[0]["LaunchTemplateName"],
        "latestVersion": found[0]["LatestVersionNumber"],
        "defaultVersion": found[0]["DefaultVersionNumber"],
        **read_tags(as_map(found[0].get("Tags"))),
    }
    for ours, theirs in (
        ("imageId", "ImageId"), ("instanceType", "InstanceType"), ("keyName", "KeyName"), ("userData", "UserData"),
        ("vpcSecurityGroupIds", "SecurityGroupIds"),
    ):  # fmt: skip
        if theirs in data:
            state[ours] = data[theirs]
    for ours in ("iamInstanceProfile", "metadataOptions", "monitoring", "blockDeviceMappings"):
        theirs = ours[0].upper() + ours[1:]
        if theirs in data:
            state[ours] = camel(data[theirs])
    return state


def _update_template(api: Api, id_: str, old: Given, new: Given) -> None:
    ec2 = api.client("ec2")
    if _template_data(old) != _template_data(new) or old.get("description") != new.get("description"):
        answer = ec2.create_launch_template_version(
            LaunchTemplateId=id_,
            VersionDescription=new.get("description", ""),
            LaunchTemplateData=_template_data(new),
        )
        if new.get("updateDefaultVersion"):
            number = str(answer["LaunchTemplateVersion"]["VersionNumber"])
            ec2.modify_launch_template(LaunchTemplateId=id_, DefaultVersion=number)
    ec2_retag(api, id_, old, new)


def _refuse_template(given: Given) -> Iterator[tuple[str, str]]:
    options = given.get("metadataOptions")
    hops = options.get("httpPutResponseHopLimit") if isinstance(options, dict) else None
    if isinstance(hops, int) and not 1 <= hops <= 64:
        yield "metadataOptions", f"a hop limit of {hops} is not 1 to 64"
    if isinstance(data := given.get("userData"), str) and (size := _decoded_bytes(data)) > _USER_DATA_BYTES:
        yield "userData", f"it has {size} bytes before encoding and {_USER_DATA_BYTES} are the limit"
    mappings = given.get("blockDeviceMappings")
    for mapping in mappings if isinstance(mappings, list) else []:
        ebs = mapping.get("ebs", {}) if isinstance(mapping, dict) else {}
        if ebs.get("kmsKeyId") and str(ebs.get("encrypted", "")).lower() != "true":
            yield "blockDeviceMappings", "a kmsKeyId is for a volume that is encrypted"
        if ebs.get("volumeType") in ("io1", "io2") and not ebs.get("iops"):
            yield "blockDeviceMappings", f"a volume of type {ebs['volumeType']} needs iops"


def _decoded_bytes(text: str) -> int:
    return len(base64.b64decode(text)) if re.fullmatch(r"[A-Za-z0-9+/=\s]*", text) else len(text.encode())


def _delete_template(api: Api, id_: str, state: Given) -> None:
    api.client("ec2").delete_launch_template(LaunchTemplateId=id_)


KINDS = (
    Kind(
        "aws:ec2/launchTemplate:LaunchTemplate",
        create=_create_template,
        read=_read_template,
        update=_update_template,
        delete=_delete_template,
        fixed="name",
        live="description imageId instanceType keyName userData vpcSecurityGroupIds iamInstanceProfile metadataOptions "
        "monitoring blockDeviceMappings tagSpecifications updateDefaultVersion tags",
        needs="name",
        name="name",
        limits={"name": Limit(r"[a-zA-Z0-9().\-/_]{3,128}", "3 to 128 letters, digits and ().-/_")},
        refuse=_refuse_template,
    ),
)
