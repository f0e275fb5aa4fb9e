"""ACM: certificates, and the wait until one is issued."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, State
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, split

__all__ = ["KINDS"]


def _create(api: Api, given: Given) -> str:
    more = {"Tags": as_list(given["tags"])} if given.get("tags") else {}
    if given.get("subjectAlternativeNames"):
        more["SubjectAlternativeNames"] = given["subjectAlternativeNames"]
    answer = api.client("acm").request_certificate(
        DomainName=given["domainName"], ValidationMethod=given["validationMethod"], **more
    )
    arn = str(answer["CertificateArn"])
    api.wait(f"{arn} has its validation records", lambda: all("ResourceRecord" in item for item in _options(api, arn)))
    return arn


def _found(api: Api, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    return found


def _options(api: Api, arn: str) -> list[dict[str, Any]]:
    return list(_found(api, arn).get("DomainValidationOptions", []))


def _read(api: Api, id_: str, given: Given) -> State | None:
    found = _found(api, id_)
    tags = api.client("acm").list_tags_for_certificate(CertificateArn=id_)["Tags"]
    return {
        "arn": id_,
        "domainName": found["DomainName"],
        "subjectAlternativeNames": found.get("SubjectAlternativeNames", []),
        "validationMethod": given.get("validationMethod", "DNS"),
        "status": found["Status"],
        "domainValidationOptions": [
            {
                "domainName": item["DomainName"],
                "resourceRecordName": item["ResourceRecord"]["Name"],
                "resourceRecordType": item["ResourceRecord"]["Type"],
                "resourceRecordValue": item["ResourceRecord"]["Value"],
            }
            for item in sorted(found.get("DomainValidationOptions", []), key=lambda item: str(item["DomainName"]))
        ],
        **read_tags(as_map(tags)),
    }


def _update(api: Api, id_: str, old: Given, new: Given) -> None:
    put, drop = split(old, new)
    if put:
        api.client("acm").add_tags_to_certificate(CertificateArn=id_, Tags=as_list(put))
    if drop:
        api.client("acm").remove_tags_from_certificate(CertificateArn=id_, Tags=[{"Key": key} for key in drop])


def _delete(api: Api, id_: str, state: Given) -> None:
    act = api.client("acm").delete_certificate
    api.patiently(lambda: act(CertificateArn=id_), ("ResourceInUseException",))


def _refuse(given: Given) -> Iterator[tuple[str, str]]:
    name = given.get("domainName")
    if isinstance(name, str) and len(name) > 64:
        yield "domainName", f"{len(name)} characters; the first name of a certificate has 64 at most"
    if given.get("validationMethod") not in ("DNS", "EMAIL"):
        yield "validationMethod", "DNS or EMAIL"


def _validate(api: Api, given: Given) -> str:
    arn = given["certificateArn"]
    api.wait(f"{arn} is issued", lambda: bool(_found(api, arn)["Status"] == "ISSUED"))
    return str(_found(api, arn)["IssuedAt"])


def _read_validation(api: Api, id_: str, given: Given) -> State | None:
    found = _found(api, given["certificateArn"])
    return {"certificateArn": given["certificateArn"]} if found["Status"] == "ISSUED" else None


def _no_end(api: Api, id_: str, state: Given) -> None:
    """What was waited for is not undone."""


KINDS = (
    Kind(
        "aws:acm/certificate:Certificate",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        fixed="domainName subjectAlternativeNames validationMethod",
        live="tags",
        needs="domainName validationMethod",
        refuse=_refuse,
    ),
    Kind(
        "aws:acm/certificateValidation:CertificateValidation",
        create=_validate,
        read=_read_validation,
        delete=_no_end,
        fixed="certificateArn validationRecordFqdns",
        needs="certificateArn",
    ),
)
