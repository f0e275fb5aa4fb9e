"""Wires a drill: what it looks and acts with, and what its guards ask for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.events import Event
    from quartermaster.infra.local.pilot_light import PilotLight
    from quartermaster.runbooks.acts import Hands
    from quartermaster.runbooks.evidence import DrillResult
    from quartermaster.runbooks.plan import DrillPlan

    Events = Generator[Event, None, DrillResult]

__all__ = ["drawn", "hands", "planned"]


def planned(
    ops: Session, kind: str, of: str, *, way: str = "", now: bool = False, overrides: Mapping[str, str] | None = None
) -> DrillPlan:
    """The drill as it would run now, on the world as it is. Read-only. Raises InputError for one that there is not."""
    from quartermaster.cli.faults import unstoppable
    from quartermaster.cli.forecasts import demand_now
    from quartermaster.fleet.alarms import firing
    from quartermaster.runbooks import drill
    from quartermaster.runbooks.case import Known

    drill.accept(kind, of, ops.fleet, way)
    scene = drill.see(kind, of, ops.fleet, hands(ops))
    found = {name: demand_now(ops, name) for name in scene.groups}
    return drill.plan(
        kind,
        of,
        scene=scene,
        fleet=ops.fleet,
        stack=ops.stack,
        now=ops.clock.now(),
        known=Known(
            {name: demand for name, demand in found.items() if demand is not None}, firing(ops.cloud), unstoppable(ops)
        ),
        way=way,
        right_now=now,
        overrides=overrides,
        inputs={"fleet.yaml": ops.fleet_sha256},
    )


def hands(ops: Session) -> Hands:
    """What drills look and act with on the session's stack."""
    from quartermaster.cli.backup import restorer
    from quartermaster.cli.faults import halted
    from quartermaster.cli.patch_database import writer_of
    from quartermaster.cli.zonal import shifts, zone_counter
    from quartermaster.runbooks.acts import Hands

    return Hands(
        hosts=ops.hosts,
        faults=ops.faults,
        clock=ops.clock,
        counter=ops.counter,
        databases=ops.databases if ops.fleet.postgres else None,
        restorer=restorer(ops),
        shifts=shifts(ops),
        zone_counter=zone_counter(ops),
        halted=halted(ops),
        pilot=_pilot(ops),
        writer=lambda database: writer_of(ops, database, "drill"),
    )


def _pilot(ops: Session) -> PilotLight | None:
    """None on aws, where nothing would lead a name back if we died."""
    from quartermaster.infra.local.pilot_light import PilotLight

    return PilotLight(ops.fleet, ops.cloud, ops.workspace) if ops.cloud.target == "local" else None


def drawn(ops: Session, plan: DrillPlan, tools: Hands, show: Callable[[Events], DrillResult | None]) -> DrillResult:
    """Run the drill, shown by ``show``. Whenever Ctrl-C comes, what the drill did is taken back before it ends."""
    from quartermaster.cli.output import draw, say
    from quartermaster.runbooks import drill

    events = drill.run(plan, journal=ops.journal, leases=ops.leases, hands=tools)
    try:
        result = show(events)
    except KeyboardInterrupt:
        # It came while an event was shown or written down: the drill, which did not hear of it, is closed as stopped.
        events.close()
        for row in drill.unfinished(ops.journal, stack=ops.stack):
            say(f"interrupted: taking back what {row.id} did")
            draw(drill.recover(row, journal=ops.journal, leases=ops.leases, hands=tools))
        raise
    assert result is not None
    return result
