"""Zonal shifts of a stack's balancers through ARC: which one holds, one more, an end before it expires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from quartermaster.fleet.aws import Cloud, asking

__all__ = ["Shift", "ZonalShifts"]

_RIGHTS = "ops iam policy --for drill prints the rights it takes; ops provision up switches shifts on"


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift that holds."""

    id: str
    zone: str
    """Its name, ``eu-west-1a``; ARC knows it by an id."""
    until: datetime
    """When ARC ends it, whatever becomes of us."""
    why: str
    """The comment of who started it."""


class ZonalShifts:
    """The shifts of one stack's application balancers. ``balancers``: what AWS calls each, by cluster.

    All raise OpsError where AWS refuses.
    """

    def __init__(self, cloud: Cloud, balancers: Mapping[str, str]) -> None:
        self._arc, self._ec2, self._elb = (cloud.client(name) for name in ("arc-zonal-shift", "ec2", "elbv2"))
        self._balancers = balancers
        self._arns: dict[str, str] = {}
        self._zones: dict[str, str] = {}

    def managed(self, cluster: str) -> bool:
        """Whether its balancer takes shifts: they are switched on at each. Read-only."""
        with asking(f"read the zonal shifts of {cluster}", remedy=_RIGHTS):
            try:
                self._arc.get_managed_resource(resourceIdentifier=self._arn(cluster))
            except self._arc.exceptions.ResourceNotFoundException:
                return False
        return True

    def holding(self, cluster: str) -> Shift | None:
        """The shift that holds for its balancer, ours or another's. Read-only."""
        with asking(f"read the zonal shifts of {cluster}", remedy=_RIGHTS):
            arn = self._arn(cluster)
            items = self._arc.list_zonal_shifts(resourceIdentifier=arn, status="ACTIVE")["items"]
            ids = self._ids()
        names = {zone_id: name for name, zone_id in ids.items()}
        found = (
            Shift(item["zonalShiftId"], names[item["awayFrom"]], item["expiryTime"], item["comment"]) for item in items
        )
        return next(found, None)

    def start(self, cluster: str, zone: str, minutes: int, why: str) -> Shift:
        """Let its balancer send nothing new to the zone for so long. Changes AWS."""
        with asking(f"shift {cluster} away from {zone}", remedy=_RIGHTS):
            made = self._arc.start_zonal_shift(
                resourceIdentifier=self._arn(cluster),
                awayFrom=self._ids()[zone],
                expiresIn=f"{minutes}m",
                comment=why,
            )
        return Shift(made["zonalShiftId"], zone, made["expiryTime"], made["comment"])

    def cancel(self, shift: Shift) -> None:
        """End it now. Changes AWS."""
        with asking(f"end the zonal shift {shift.id}", remedy=_RIGHTS):
            self._arc.cancel_zonal_shift(zonalShiftId=shift.id)

    def _arn(self, cluster: str) -> str:
        if cluster not in self._arns:
            found = self._elb.describe_load_balancers(Names=[self._balancers[cluster]])["LoadBalancers"]
            self._arns[cluster] = found[0]["LoadBalancerArn"]
        return self._arns[cluster]

    def _ids(self) -> Mapping[str, str]:
        """Zone ids by name: they differ from account to account."""
        if not self._zones:
            zones = self._ec2.describe_availability_zones()["AvailabilityZones"]
            self._zones = {zone["ZoneName"]: zone["ZoneId"] for zone in zones}
        return self._zones
