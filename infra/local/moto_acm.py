"""Certificates as ACM behaves: issued when their validation records are in a zone, and not a moment sooner.

moto lets a minute pass and signs each certificate with itself; here the local cloud's authority signs them.
"""

from __future__ import annotations

from typing import Any

from quartermaster.infra.local.authority import Authority

__all__ = ["install", "key_pair"]


def install(authority: Authority) -> None:
    """Give moto's certificates the behaviour of this module: this authority signs them. Call once."""
    import moto.acm.models

    bundle: Any = moto.acm.models.CertBundle
    begin = bundle.generate_cert.__func__

    def generate(cls: Any, /, domain_name: str, account_id: str, region: str, **given: Any) -> Any:
        if given.get("cert_authority_arn") is not None:
            return begin(cls, domain_name, account_id, region, **given)
        names = (domain_name, *(name for name in given.get("sans") or () if name != domain_name))
        certificate, key = authority.issue(names)
        made = cls(
            certificate=certificate, private_key=key, account_id=account_id, region=region,
            cert_type="AMAZON_ISSUED", cert_status="PENDING_VALIDATION",
        )  # fmt: skip
        made.chain = authority.pem
        return made

    def check(self: Any) -> None:
        if self.type == "AMAZON_ISSUED" and self.status == "PENDING_VALIDATION" and _validated(self):
            self.status = "ISSUED"

    bundle.generate_cert = classmethod(generate)
    bundle.check = check


def key_pair(account: str, region: str, arn: str) -> str:
    """Certificate, chain and key as one PEM, as HAProxy reads it; empty where there is no such certificate."""
    from moto.acm.models import acm_backends

    found: Any = acm_backends[account][region]._certificates.get(arn)
    return "" if found is None else b"".join((found.cert, found.key)).decode()


def _validated(certificate: Any) -> bool:
    """Has each name its record in a zone of the account?"""
    from moto.route53.models import route53_backends

    zones = route53_backends[certificate.arn.split(":")[4]]["aws"].zones.values()
    there = {(record.name.rstrip("."), record.type) for zone in zones for record in zone.rrsets}
    described = certificate.describe()["Certificate"]
    wanted = [option["ResourceRecord"] for option in described["DomainValidationOptions"]]
    return all((record["Name"].rstrip("."), record["Type"]) in there for record in wanted)
