"""A stack in DNS: its zone, the names of its balancers, and the proof that they are ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.objectives import REGION_CHECK_SECONDS, REGION_CHECKS
from quartermaster.fleet.schema.servers import Balancer as Declared
from quartermaster.infra.balancer import Balancer
from quartermaster.infra.component import Component
from quartermaster.infra.listener import TLS_PORT

__all__ = ["Certificate", "Dns"]

_VALIDATION_TTL = 300

_NOT_ASKED = aws.acm.outputs.CertificateDomainValidationOption(
    resource_record_name="", resource_record_type="", resource_record_value=""
)


class Dns(Component):
    """The records of a stack. ``names``: host name by cluster; ``zone_id`` empty: it is made, as on a local cloud.

    On AWS the zone is there before: a registrar must have been told its name servers.
    """

    def __init__(self, zone: str, names: Mapping[str, str], *, zone_id: str) -> None:
        super().__init__("Dns", "dns")
        self.names = names
        self._proofs: dict[str, aws.route53.Record] = {}
        self.zone_id: pulumi.Input[str] = zone_id
        if not zone_id:
            self.zone_id = aws.route53.Zone("zone", name=zone, opts=self.child()).zone_id

    def prove(self, cluster: str, certificate: aws.acm.Certificate) -> aws.route53.Record:
        """The record by which ACM sees that the name is ours. Certificates of one name in two regions share it:
        https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html
        """
        if cluster not in self._proofs:
            option: pulumi.Output[Any] = certificate.domain_validation_options.apply(
                # None in an update of other resources alone that has no certificate to go by.
                lambda options: options[0] if options else _NOT_ASKED
            )
            self._proofs[cluster] = aws.route53.Record(
                f"{cluster}-validation",
                zone_id=self.zone_id,
                name=option.apply(lambda one: one.resource_record_name.rstrip(".")),
                type=option.apply(lambda one: one.resource_record_type),
                records=[option.apply(lambda one: one.resource_record_value)],
                ttl=_VALIDATION_TTL,
                opts=self.child(),
            )
        return self._proofs[cluster]

    def publish(self, cluster: str, declared: Declared, here: Balancer, standby: Balancer | None = None) -> None:
        """Let the cluster's name lead to its balancer and, while that region is lost, to ``standby``.

        The standby's own health counts too: as long as none of its hosts serves, the name stays where it was.
        """
        if standby is None:
            self._record(cluster, cluster, here)
            return
        check = None if declared.internal else self._check(cluster, declared, here)
        more = {"health_check_id": check.id} if check is not None else {}
        for role, balancer, own in (("primary", here, more), ("secondary", standby, {})):
            self._record(
                f"{cluster}-{role}",
                cluster,
                balancer,
                set_identifier=f"{cluster}-{role}",
                failover_routing_policies=[{"type": role.upper()}],
                **own,
            )

    def _record(self, name: str, cluster: str, balancer: Balancer, **routing: Any) -> None:
        target = balancer.balancer
        aws.route53.Record(
            name,
            zone_id=self.zone_id,
            name=self.names[cluster],
            type="A",
            aliases=[{"name": target.dns_name, "zone_id": target.zone_id, "evaluate_target_health": True}],
            opts=self.child(),
            **routing,
        )

    def _check(self, cluster: str, declared: Declared, here: Balancer) -> aws.route53.HealthCheck:
        """Asks this region's balancer itself: the name in the zone answers for the other region after a failover."""
        plain = declared.health == "tcp" or declared.port == TLS_PORT
        how: dict[str, Any] = (
            {"type": "TCP"} if plain else {"type": "HTTPS", "resource_path": declared.health, "enable_sni": True}
        )
        return aws.route53.HealthCheck(
            cluster,
            fqdn=here.balancer.dns_name,
            port=TLS_PORT,
            request_interval=REGION_CHECK_SECONDS,
            failure_threshold=REGION_CHECKS,
            opts=self.child(),
            **how,
        )


class Certificate(Component):
    """The certificate of a cluster's name, in the region in which it is made. ``arn`` is known once it is issued."""

    def __init__(self, cluster: str, dns: Dns) -> None:
        super().__init__("Certificate", f"{cluster}-certificate")
        certificate = aws.acm.Certificate(
            cluster, domain_name=dns.names[cluster], validation_method="DNS", opts=self.child()
        )
        proof = dns.prove(cluster, certificate)
        validation = aws.acm.CertificateValidation(
            cluster, certificate_arn=certificate.arn, validation_record_fqdns=[proof.fqdn], opts=self.child()
        )
        self.arn: pulumi.Output[str] = validation.certificate_arn
        self.register_outputs({"arn": self.arn})
