"""RDS as AWS behaves: creating takes time, and the endpoint is the address of a real PostgreSQL.

Every function here runs under ``World.lock``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quartermaster.infra.local import moto_secrets
from quartermaster.infra.local.world import World

__all__ = [
    "DatabaseSpec",
    "Place",
    "advance",
    "event",
    "failed",
    "group_name",
    "install",
    "made",
    "named",
    "parameters",
    "place",
    "refusal",
    "settings",
    "specs",
    "stand_by",
    "waiting",
]


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """A database as it should be on this machine."""

    name: str
    vpc: str
    vpc_cidr: str
    address: str
    zone: str
    port: int
    user: str
    password: str
    database: str
    standby_address: str = ""
    standby_zone: str = ""
    source: str = ""
    """Name of the database that this one is a read replica of."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What its parameter group says, as far as it is in force."""
    restarts: int = 0
    """How often it was told to restart, …"""
    failover: bool = False
    """… the last time on its standby."""
    since: float = 0.0
    """When it was asked for; another one of the same name is so since another instant."""


@dataclass
class Place:
    """Where a database is on this machine, and since when it is wanted."""

    since: float
    address: str
    zone: str
    standby_address: str = ""
    standby_zone: str = ""
    made: bool = False
    taken: tuple[tuple[Any, str], ...] = ()
    booted: tuple[str, dict[str, str]] = ("", {})
    """The parameter group, and what it said, when the server last started."""
    restarts: int = 0
    failover: bool = False
    holds: bool = False
    """Not available yet, though its server answers."""
    version: str = ""
    """Engine version that it comes back as; empty: the same."""


_places: dict[str, Place] = {}


def install(world: World) -> None:
    """Give moto's RDS the behaviour of this module. Call once."""
    import moto.rds.models

    backend: Any = moto.rds.models.RDSBackend
    instance: Any = moto.rds.models.DBInstance
    create, replicate, delete = (
        backend.create_db_instance,
        backend.create_db_instance_read_replica,
        backend.delete_db_instance,
    )

    def created(self: Any, db_kwargs: dict[str, Any]) -> Any:
        return _place(world, create(self, db_kwargs))

    def replicated(self: Any, db_kwargs: dict[str, Any]) -> Any:
        source, made = str(db_kwargs["source_db_instance_identifier"]), replicate(self, db_kwargs)
        abroad = source.startswith("arn:") and source.split(":")[3] != self.region_name
        # The networks of two regions are not joined on this machine, so a replica in the other is a record only.
        return made if abroad else _place(world, made)

    def deleted(self: Any, db_instance_identifier: str, *args: Any, **kwargs: Any) -> Any:
        gone = delete(self, db_instance_identifier, *args, **kwargs)
        place = _places.pop(db_instance_identifier, None)
        for subnet, address in place.taken if place else ():
            subnet.del_subnet_ip(address)
        return gone

    moto_secrets.has_server = _places.__contains__
    plain: Any = instance.address.fget

    def address(self: Any) -> str:
        place = _places.get(self.db_instance_identifier)
        return place.address if place else str(plain(self))

    backend.create_db_instance, backend.create_db_instance_read_replica = created, replicated
    backend.delete_db_instance = deleted
    instance.address = property(address)


def advance(world: World) -> None:
    """Call databases available whose time has come and whose server answers."""
    for backend in world.backends("rds"):
        for name, database in backend.databases.items():
            place = _places.get(name)
            if place is None or database.status != "creating":
                continue
            place.booted = group_name(database), parameters(database)
            if place.made and not place.holds and world.now() - place.since >= world.timing["database_create"]:
                database.status = "available"


def specs(world: World) -> dict[str, DatabaseSpec]:
    """The PostgreSQL servers that should exist, by instance identifier."""
    found: dict[str, DatabaseSpec] = {}
    for backend in world.backends("rds"):
        for name, database in backend.databases.items():
            place = _places.get(name)
            if place is None:
                continue
            vpc_id = database.db_subnet_group.vpc_id
            cidr = world.backend("ec2", backend.region_name).get_vpc(vpc_id).cidr_block
            found[name] = DatabaseSpec(
                name=name,
                vpc=vpc_id,
                vpc_cidr=cidr,
                address=place.address,
                zone=place.zone,
                port=int(database.port),
                user=database.master_username or "postgres",
                password=str(vars(database).get("_master_user_password") or "postgres"),
                database=database.db_name or "",
                standby_address=place.standby_address if database.multi_az else "",
                standby_zone=place.standby_zone,
                source=_source(database) if database.is_replica else "",
                parameters=_in_force(database, place),
                restarts=place.restarts,
                failover=place.failover,
                since=place.since,
            )
    return found


def made(name: str) -> None:
    """The database's server answers."""
    if name in _places:
        _places[name].made = True


def place(name: str) -> Place | None:
    """Where a database is on this machine; None for those that are records only."""
    return _places.get(name)


def settings(world: World, name: str) -> dict[str, str]:
    """What the database's parameter group says now: in force from the next start of the server on."""
    return next((parameters(database) for database in named(world, name)), {})


def failed(world: World, name: str) -> None:
    """The database's server could not be made."""
    for database in named(world, name):
        database.status = "failed"


def event(world: World, name: str, message: str) -> None:
    """Add an event to what DescribeEvents tells of a database."""
    from moto.rds.models import Event

    for database in named(world, name):
        told: Any = Event("DB_INSTANCE_CREATE", database)
        told.message = message
        database.backend.events.append(told)


def _place(world: World, database: Any) -> Any:
    """Give a new PostgreSQL instance its addresses, from the subnets of its group; others stay as moto has them.

    A replica in another region stays a record too: its network has no way to its source's on this machine.
    """
    group = vars(database).get("db_subnet_group")
    afar = database.is_replica and str(database.source_db_instance_identifier).startswith("arn:")
    if database.engine != "postgres" or group is None or afar or not world.with_hosts:
        return database
    subnets = {subnet.availability_zone: subnet for subnet in group._subnets}
    zones = sorted(subnets)
    zone = database.availability_zone if database.availability_zone in zones else zones[0]
    address = subnets[zone].get_available_subnet_ip(database)
    place = Place(world.now(), address, zone, taken=((subnets[zone], address),))
    database.availability_zone, database.status = zone, "creating"
    database.secondary_availability_zone = None
    _places[database.db_instance_identifier] = place
    stand_by(database)
    return database


def stand_by(database: Any) -> None:
    """Give an instance that is to have a standby an address for it, in another zone; it keeps the one that it had."""
    place = _places.get(database.db_instance_identifier)
    if place is None or place.standby_address or database.is_replica or not database.multi_az:
        return
    subnets = {subnet.availability_zone: subnet for subnet in database.db_subnet_group._subnets}
    zones = sorted(subnets)
    if len(zones) > 1:
        place.standby_zone = zones[(zones.index(place.zone) + 1) % len(zones)]
        place.standby_address = subnets[place.standby_zone].get_available_subnet_ip(database)
        place.taken += ((subnets[place.standby_zone], place.standby_address),)


def parameters(database: Any) -> dict[str, str]:
    """What the database's parameter group says now."""
    return {name: str(row["ParameterValue"]) for name, row in _rows(database).items()}


def _in_force(database: Any, place: Place) -> dict[str, str]:
    """What the server has of it: what waits for a restart is as it was at the last one, and so is another group.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithDBInstanceParamGroups.html
    """
    group, booted = place.booted
    if database.status == "creating":
        return parameters(database)
    if group != group_name(database):
        return dict(booted)
    later = waiting(database)
    at_once = {name: value for name, value in parameters(database).items() if name not in later}
    return {**at_once, **{name: value for name, value in booted.items() if name in later}}


def waiting(database: Any) -> set[str]:
    """Names of the settings that the database's parameter group applies at a restart only."""
    rows = _rows(database)
    return {name for name, row in rows.items() if row.get("ApplyMethod") == "pending-reboot"}


def _rows(database: Any) -> dict[str, Any]:
    group = database.backend.db_parameter_groups.get(group_name(database))
    return {name: row for name, row in group.parameters.items() if "ParameterValue" in row} if group else {}


def group_name(database: Any) -> str:
    return str(database.db_parameter_group_name or "")


def _source(database: Any) -> str:
    return str(database.source_db_instance_identifier or "").rpartition(":")[2]


def named(world: World, name: str) -> list[Any]:
    """The database of that name, of whichever region."""
    return [backend.databases[name] for backend in world.backends("rds") if name in backend.databases]


def refusal(message: str, code: str) -> Exception:
    """The API's own error, to be raised."""
    from moto.rds.exceptions import RDSClientError

    error: Exception = RDSClientError(code, message)
    return error
