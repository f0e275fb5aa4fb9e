"""Backups taken and restored by hand, as streams of events. Done twice is done once: each step reads first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, Json, StepFailed, StepFinished, StepStarted
from quartermaster.runbooks.restorer import Asking, Restorer
from quartermaster.runbooks.vaults import RestoreTest

__all__ = ["answer", "restore", "step", "take", "until", "verify"]

_LONGEST = timedelta(hours=4)


def take(restorer: Restorer, name: str, snapshot: str, clock: Clock, *, poll: float) -> Iterator[Event]:
    """Take a backup, and wait until it can be restored."""
    backups, ordered = restorer.backups, {"ordered": ""}

    def order() -> dict[str, str]:
        ordered["ordered"] = backups.take(name, snapshot)
        return ordered

    def done() -> dict[str, Json] | None:
        found = backups.taken(name, ordered["ordered"])
        return found.to_json(clock.now()) if found else None

    yield from step("order", f"Backup {snapshot} is ordered", clock, order)
    yield from step("wait", "The backup is complete", clock, lambda: until(done, clock, poll, f"the backup of {name}"))


def restore(
    restorer: Restorer,
    name: str,
    clock: Clock,
    *,
    poll: float,
    to: datetime | None = None,
    draw: str = "",
    compare: bool = False,
) -> Iterator[Event]:
    """Restore beside the original, and leave it there. ``compare``: note what the original has, to be checked by."""
    if restorer.backups.restored(name) is None:
        choose = lambda: restorer.lose(name, to=to, draw=draw, compare=compare)  # noqa: E731 - named for the line below
        yield from step("choose", "What to restore", clock, choose)
        yield from step("order", "The restore is ordered", clock, lambda: restorer.restore(name))

    def ready() -> dict[str, Json] | None:
        found = restorer.backups.restored(name)
        if found is None or found.failed:
            raise OpsError(
                f"{name} could not be restored: {found.why if found else 'the instance is gone'}",
                remedy=f"ops backup list {name}; ops backup remove {name}",
            )
        return {"id": found.id, "address": found.address, "port": found.port} if found.ready else None

    yield from step("wait", "The data come back", clock, lambda: until(ready, clock, poll, f"the restore of {name}"))


def verify(
    restorer: Restorer, name: str, clock: Clock, *, poll: float, rpo: float | None, to: datetime | None, draw: str
) -> Iterator[Event]:
    """Restore, check, and remove again, whatever the checks say."""
    # What an interrupted one left was checked by nobody, and may be of another time.
    yield from step("clear", "Nothing restored is left", clock, lambda: restorer.backups.remove(name))
    try:
        yield from restore(restorer, name, clock, poll=poll, to=to, draw=draw, compare=True)
        yield from step("check", "The data are checked", clock, lambda: restorer.check(name, rpo=rpo))
    finally:
        restorer.backups.remove(name)


def answer(restorer: Restorer, test: RestoreTest, asking: Callable[[str], Asking]) -> Iterator[Event]:
    """Check what AWS Backup's restore test restored, tell it, and remove what asked."""
    clock = restorer.clock
    try:
        title = f"What {test.job} restored is checked, and AWS Backup told"
        yield from step("answer", title, clock, lambda: restorer.answer(test, asking))
    finally:
        restorer.backups.dismiss(test.database)


def step(step: str, title: str, clock: Clock, act: Callable[[], object]) -> Iterator[Event]:
    """Do one act as a step; what it found, if that is a mapping, is the step's detail."""
    yield StepStarted(step=step, title=title)
    began = clock.now()
    try:
        found = act()
    except OpsError as exc:
        yield StepFailed(step=step, title=title, error=exc.message, seconds=(clock.now() - began).total_seconds())
        raise
    detail = found if isinstance(found, dict) else {}
    seconds = round((clock.now() - began).total_seconds(), 3)
    yield StepFinished(step=step, title=title, seconds=seconds, changed=found is not False, detail=detail)


def until(look: Callable[[], dict[str, Json] | None], clock: Clock, poll: float, what: str) -> dict[str, Json]:
    """What a look finds once it finds something. Raises OpsError after hours, which names ``what`` did not end."""
    over = clock.now() + _LONGEST
    while (found := look()) is None:
        if clock.now() > over:
            raise OpsError(
                f"{what} did not end within {_LONGEST}", remedy="run the same command again: it goes on waiting"
            )
        clock.sleep(poll)
    return found
