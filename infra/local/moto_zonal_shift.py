"""Zonal shifts, which moto lacks altogether: ARC's API, and what it makes of balancers. They live with the daemon.

A shift takes effect and ends by itself; what a balancer then does with the zone's targets, ``moto_elbv2`` asks here.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote

from quartermaster.infra.local.world import World, log

__all__ = ["Refused", "Shift", "Shifts", "away", "expiry", "install"]

SERVICE = "arc-zonal-shift"
_LONGEST = timedelta(hours=72)
_EXPIRES_IN = re.compile(r"([1-9][0-9]*)([mh])")


class Refused(Exception):
    """An answer of ARC's other than the one asked for."""

    def __init__(self, code: str, message: str, *, reason: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.reason, self.status = code, message, reason, status


@dataclass
class Shift:
    """One shift of one balancer away from one zone."""

    arn: str
    zone: str
    zone_id: str
    comment: str
    started_at: datetime
    expires_at: datetime
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    ended_as: str = ""
    """CANCELED once somebody has ended it; expiry needs nobody."""

    def status(self, now: datetime) -> str:
        """ACTIVE, EXPIRED or CANCELED."""
        return self.ended_as or ("ACTIVE" if now < self.expires_at else "EXPIRED")

    def row(self, now: datetime) -> dict[str, Any]:
        """As ARC tells it."""
        return {
            "zonalShiftId": self.id,
            "resourceIdentifier": self.arn,
            "awayFrom": self.zone_id,
            "comment": self.comment,
            "startTime": self.started_at.timestamp(),
            "expiryTime": self.expires_at.timestamp(),
            "status": self.status(now),
        }


@dataclass
class Shifts:
    """The shifts of one region. ``zones``: of a balancer by its ARN, name by id; None where ARC does not manage it."""

    zones: Callable[[str], Mapping[str, str] | None]
    kept: list[Shift] = field(default_factory=list)

    def active(self, arn: str, now: datetime) -> Shift | None:
        """The one that holds for the balancer: there is at most one."""
        return next((one for one in self.kept if one.arn == arn and one.status(now) == "ACTIVE"), None)

    def start(self, given: Mapping[str, Any], now: datetime) -> Shift:
        """Begin one. Raises Refused."""
        arn, zone_id = str(given.get("resourceIdentifier", "")), str(given.get("awayFrom", ""))
        until = expiry(str(given.get("expiresIn", "")), now)
        zones = self._managed(arn)
        if zone_id not in zones:
            raise Refused("ValidationException", f"{zone_id} is no Availability Zone of {arn}", reason="InvalidAz")
        if other := self.active(arn, now):
            raise Refused(
                "ConflictException", f"A zonal shift ({other.id}) is active for {arn}",
                reason="ZonalShiftAlreadyExists", status=409,
            )  # fmt: skip
        shift = Shift(arn, zones[zone_id], zone_id, str(given.get("comment", "")), now, until)
        self.kept.append(shift)
        log.info("zonal shift %s: %s away from %s until %s", shift.id, arn, shift.zone, until.isoformat())
        return shift

    def update(self, shift_id: str, given: Mapping[str, Any], now: datetime) -> Shift:
        """Another end, another comment. Raises Refused."""
        shift = self._open(shift_id, now)
        if given.get("expiresIn"):
            shift.expires_at = expiry(str(given["expiresIn"]), now)
        shift.comment = str(given.get("comment", shift.comment))
        return shift

    def cancel(self, shift_id: str, now: datetime) -> Shift:
        """End one. Raises Refused."""
        shift = self._open(shift_id, now)
        shift.ended_as = "CANCELED"
        log.info("zonal shift %s is cancelled", shift.id)
        return shift

    def resource(self, arn: str, now: datetime) -> dict[str, Any]:
        """A managed resource as ARC tells it. Raises Refused."""
        zones, shift = self._managed(arn), self.active(arn, now)
        weights = {zone_id: 0.0 if shift is not None and zone_id == shift.zone_id else 1.0 for zone_id in zones}
        active = [{**shift.row(now), "appliedStatus": "APPLIED", "shiftType": "ZONAL_SHIFT"}] if shift else []
        return {"arn": arn, "appliedWeights": weights, "zonalShifts": active, "zonalAutoshiftStatus": "DISABLED"}

    def _managed(self, arn: str) -> Mapping[str, str]:
        zones = self.zones(arn)
        if zones is None:
            raise Refused("ResourceNotFoundException", f"The resource {arn} is not managed by ARC", status=404)
        return zones

    def _open(self, shift_id: str, now: datetime) -> Shift:
        shift = next((one for one in self.kept if one.id == shift_id), None)
        if shift is None:
            raise Refused("ResourceNotFoundException", f"There is no zonal shift {shift_id}", status=404)
        if shift.status(now) != "ACTIVE":
            said = f"The zonal shift {shift_id} is {shift.status(now)}"
            raise Refused("ConflictException", said, reason="ZonalShiftStatusNotActive", status=409)
        return shift


def expiry(text: str, now: datetime) -> datetime:
    """When a shift of that length ends: whole minutes (``10m``) or hours (``2h``), 72 hours at most. Raises Refused.

    https://docs.aws.amazon.com/arc-zonal-shift/latest/api/API_StartZonalShift.html
    """
    found = _EXPIRES_IN.fullmatch(text) if len(text) <= 5 else None
    span = timedelta(**{"minutes" if found[2] == "m" else "hours": int(found[1])}) if found else None
    if span is None or span > _LONGEST:
        said = f"expiresIn {text!r} is no whole number of minutes (m) or hours (h) up to 72 hours"
        raise Refused("ValidationException", said, reason="InvalidExpiresIn")
    return now + span


def install(world: World, dispatcher: Any) -> None:
    """Teach moto's dispatcher the service. Call once, after the dispatcher is made."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        status, body = _answered(world, environ)
        head = [("Content-Type", "application/json")]
        if "__type" in body:
            head.append(("x-amzn-ErrorType", body.pop("__type")))
        start_response(f"{status} ARC", head)
        return [json.dumps(body).encode()]

    pattern = re.compile(rf"https?://{SERVICE}\.(.+)\.amazonaws\.com")
    dispatcher.backend_url_patterns = [*dispatcher.backend_url_patterns, (SERVICE, pattern)]
    dispatcher.app_instances[SERVICE] = answer


def away(world: World, balancer: str, now: datetime) -> str:
    """The zone to which the balancer of that ARN sends nothing new; empty: none. A shift takes a moment to arrive."""
    shifts: Shifts | None = vars(world.backend("elbv2", balancer.split(":")[3])).get("ops_shifts")
    shift = shifts.active(balancer, now) if shifts is not None else None
    if shift is None or (now - shift.started_at).total_seconds() < world.timing["zonal_shift"]:
        return ""
    return shift.zone


def _answered(world: World, environ: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    region = environ["HTTP_AUTHORIZATION"].split("Credential=")[1].split("/")[2]
    backend = world.backend("elbv2", region)
    shifts: Shifts = vars(backend).setdefault("ops_shifts", Shifts(lambda arn: _zones(backend, arn)))
    path = [unquote(part) for part in environ["PATH_INFO"].strip("/").split("/", 1)]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    given = json.loads(environ["wsgi.input"].read(length)) if length else {}
    asked = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    now = datetime.now(UTC)
    try:
        match environ["REQUEST_METHOD"], path:
            case "POST", ["zonalshifts"]:
                return 201, shifts.start(given, now).row(now)
            case "GET", ["zonalshifts"]:
                return 200, {"items": list(_listed(shifts, asked, now))}
            case "PATCH", ["zonalshifts", shift_id]:
                return 200, shifts.update(shift_id, given, now).row(now)
            case "DELETE", ["zonalshifts", shift_id]:
                return 200, shifts.cancel(shift_id, now).row(now)
            case "GET", ["managedresources", arn]:
                return 200, shifts.resource(arn, now)
            case "GET", ["managedresources"]:
                known = [arn for arn in backend.load_balancers if shifts.zones(arn) is not None]
                return 200, {"items": [_summary(shifts.resource(arn, now)) for arn in known]}
        raise Refused("AccessDeniedException", f"The local cloud has no {'/'.join(path)} of {SERVICE}", status=403)
    except Refused as refused:
        said = {"__type": refused.code, "message": refused.message}
        return refused.status, said | ({"reason": refused.reason} if refused.reason else {})


def _listed(shifts: Shifts, asked: Mapping[str, str], now: datetime) -> Iterator[dict[str, Any]]:
    for shift in reversed(shifts.kept):
        of, status = asked.get("resourceIdentifier", shift.arn), asked.get("status", shift.status(now))
        if of == shift.arn and status == shift.status(now):
            yield shift.row(now)


def _summary(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {**resource, "availabilityZones": list(resource["appliedWeights"])}


def _zones(backend: Any, arn: str) -> Mapping[str, str] | None:
    """Zone names by id of a balancer that has the shift switched on, as one without is no managed resource:
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-zonal-shift.html
    """
    balancer = backend.load_balancers.get(arn)
    if balancer is None or balancer.attrs.get("zonal_shift.config.enabled") != "true":
        return None
    names = {subnet.availability_zone for subnet in balancer.subnets}
    known = backend.ec2_backend.describe_availability_zones()
    return {zone.zone_id: zone.name for zone in known if zone.name in names}
