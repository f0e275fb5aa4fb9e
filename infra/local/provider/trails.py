"""CloudTrail."""

from __future__ import annotations

from collections.abc import Iterator

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.spelling import asked
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, split

__all__ = ["KINDS"]

_SETTINGS = {
    "s3BucketName": "S3BucketName",
    "s3KeyPrefix": "S3KeyPrefix",
    "kmsKeyId": "KmsKeyId",
    "isMultiRegionTrail": "IsMultiRegionTrail",
    "includeGlobalServiceEvents": "IncludeGlobalServiceEvents",
    "enableLogFileValidation": "EnableLogFileValidation",
}
_FOUND = {**_SETTINGS, "enableLogFileValidation": "LogFileValidationEnabled"}


def _switch(api: Api, name: str, given: Given) -> None:
    trail = api.client("cloudtrail")
    if given.get("enableLogging", True):
        trail.start_logging(Name=name)
    else:
        trail.stop_logging(Name=name)


def _create_trail(api: Api, given: Given) -> str:
    made = api.client("cloudtrail").create_trail(
        Name=given["name"], TagsList=as_list(given.get("tags")), **asked(_SETTINGS, given)
    )
    _switch(api, given["name"], given)
    return str(made["TrailARN"])


def _read_trail(api: Api, id_: str, given: Given) -> State | None:
    trail = api.client("cloudtrail")
    found = trail.describe_trails(trailNameList=[id_])["trailList"]
    if not found:
        return None
    tags = trail.list_tags(ResourceIdList=[id_])["ResourceTagList"][0]["TagsList"]
    return {
        **{ours: found[0][theirs] for ours, theirs in _FOUND.items() if theirs in found[0]},
        "arn": id_,
        "name": found[0]["Name"],
        "homeRegion": found[0]["HomeRegion"],
        "enableLogging": trail.get_trail_status(Name=id_)["IsLogging"],
        **read_tags(as_map(tags)),
    }


def _update_trail(api: Api, id_: str, old: Given, new: Given) -> None:
    trail = api.client("cloudtrail")
    trail.update_trail(Name=id_, **asked(_SETTINGS, new))
    _switch(api, id_, new)
    put, drop = split(old, new)
    if put:
        trail.add_tags(ResourceId=id_, TagsList=as_list(put))
    if drop:
        trail.remove_tags(ResourceId=id_, TagsList=[{"Key": key} for key in drop])


def _delete_trail(api: Api, id_: str, state: Given) -> None:
    api.client("cloudtrail").delete_trail(Name=id_.rpartition("/")[2])


def _refuse_trail(given: Given) -> Iterator[tuple[str, str]]:
    if given.get("isMultiRegionTrail") is True and given.get("includeGlobalServiceEvents") is False:
        yield "includeGlobalServiceEvents", "a trail of all regions includes the events of global services"


KINDS = (
    Kind(
        "aws:cloudtrail/trail:Trail",
        create=_create_trail,
        read=_read_trail,
        update=_update_trail,
        delete=_delete_trail,
        fixed="name",
        live=f"{' '.join(_SETTINGS)} enableLogging tags",
        needs="name s3BucketName",
        name="name",
        limits={
            "name": Limit(
                r"(?!.*[._-]{2})[a-zA-Z0-9][a-zA-Z0-9._-]{1,126}[a-zA-Z0-9]",
                "3 to 128 letters, digits and . _ -, a letter or digit at both ends, no two of . _ - together",
            )
        },
        refuse=_refuse_trail,
    ),
)
