"""Mends what a killed `up` or `destroy` left behind: its lock, and operations whose end nobody wrote down.

Each creation under way is looked for in the account and adopted into the state, or struck out where nothing was
made; then the next `up` or `destroy` goes on and nothing exists twice.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.errors import LeaseHeld, OpsError
from quartermaster.fleet.events import Event, Noted, StepFinished, StepStarted
from quartermaster.fleet.files import replacing
from quartermaster.infra.engine import Engine
from quartermaster.infra.half_made import complete
from quartermaster.infra.locks import Holder, bucket_holders, holders
from quartermaster.infra.lookup import HARMLESS, find
from quartermaster.infra.resources import name_of, title_of
from quartermaster.infra.state import Adopted, Pending, adopt, known_ids, pending

__all__ = ["mend", "saved_state"]

_DYING_SECONDS = 15.0
"""An engine whose `ops` was killed ends by itself; measured: 0.5 s."""
_LOOK_AGAIN = 1.0
"""A request that was on its way when `ops` died may land after the first look."""


def saved_state(engine: Engine) -> Mapping[str, Any]:
    """The state as last written; read from the file where the backend is a folder, as that takes no time."""
    file = engine.state_file
    if file is None:
        return engine.export()
    return _read(file)


def _read(file: Path) -> Mapping[str, Any]:
    for candidate in (file, _backup(file)):
        try:
            checkpoint = json.loads(candidate.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if candidate == file:
                return {}
            break
        except ValueError:
            continue  # cut off in the middle of writing: the copy from just before stands beside it
        latest: Mapping[str, Any] = (checkpoint.get("checkpoint") or {}).get("latest") or {}
        return latest
    raise OpsError(
        f"the state {file} is damaged, and no sound copy stands beside it", remedy="restore it from a backup"
    )


def _backup(file: Path) -> Path:
    """The engine's copy of the state as it was before the last write."""
    return file.with_name(f"{file.name}.bak")


def _restore(file: Path | None) -> bool:
    """Put the copy in the place of a state whose writing was cut off. Did it have to?

    The copy lacks the last thing that was written down. A beginning that it lacks had not been acted on yet; an
    end that it lacks is still under way in it, and is looked for.
    """
    if file is None or not file.exists():
        return False
    for written in (file, _backup(file)):
        # The engine's file store keeps a note of content types beside each file, which it can do without.
        notes = written.with_name(f"{written.name}.attrs")
        if notes.exists() and not _sound(notes):
            notes.unlink()
    if _sound(file):
        return False
    with replacing(file) as draft:
        shutil.copyfile(_backup(file), draft)
    return True


def _sound(file: Path) -> bool:
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def mend(engine: Engine, cloud: Cloud) -> Iterator[Event]:
    """Put the stack's lock and state right. Nothing to do is the common case and costs one file read.

    Raises LeaseHeld when another process works on the stack.
    """
    yield from _release_locks(engine, cloud)
    if _restore(engine.state_file):
        yield Noted(step="mend", message="the state was cut off while being written: its copy took its place")
    waiting = pending(saved_state(engine))
    if not waiting:
        return
    names = ", ".join(name_of(item.urn) for item in waiting[:5]) + (" …" if len(waiting) > 5 else "")
    yield Noted(
        step="mend",
        message=f"an earlier run was cut off while {len(waiting)} operations were under way ({names})",
        level="warning",
    )
    yield StepStarted(step="mend", title="Find out what the interrupted run had made")
    begun = time.monotonic()
    state = engine.export()
    begun_creations = [item for item in waiting if item.operation == "creating"]
    # Components are the state's alone: there is nothing of them to be found.
    sought = [item for item in begun_creations if item.custom and item.type not in HARMLESS]
    ids = _made(cloud, state, sought)
    for item in sought:
        if item.urn in ids:
            complete(cloud, item.type, ids[item.urn], item.inputs)
    for item in begun_creations:
        found = f"had been made ({ids[item.urn]}): taken over" if item.urn in ids else "will be made"
        yield Noted(step="mend", message=f"{title_of(item.urn)} {found}")
    adopted = [Adopted(urn, id_) for urn, id_ in ids.items()]
    engine.replace_state(adopt(state, adopted))
    unsure = [item.urn for item in adopted] + [item.urn for item in waiting if item.operation == "updating"]
    if unsure:
        # What is half made or half changed is read back, so that the next `up` sees what is missing.
        for _ in engine.refresh(targets=unsure):
            pass
    yield StepFinished(
        step="mend", title="Took over what the interrupted run had made", seconds=time.monotonic() - begun
    )


def _made(cloud: Cloud, state: Mapping[str, Any], items: Sequence[Pending]) -> dict[str, str]:
    """URN to id of what the interrupted creations made and the state does not know. Looks twice.

    Raises OpsError for a type that cannot be looked up, and when there is more than one.
    """
    ids: dict[str, str] = {}
    for attempt in range(2):
        missing = [item for item in items if item.urn not in ids]
        if missing and attempt:
            time.sleep(_LOOK_AGAIN)
        for item in missing:
            found = [id_ for id_ in _find(cloud, item) if id_ not in known_ids(state, item)]
            if len(found) > 1:
                listed = ", ".join(found)
                raise OpsError(f"{item.urn} exists {len(found)} times: {listed}", remedy="delete all but one of them")
            if found:
                ids[item.urn] = found[0]
    return ids


def _find(cloud: Cloud, item: Pending) -> tuple[str, ...]:
    try:
        return find(cloud, item.type, item.urn, item.inputs)
    except KeyError as exc:
        raise OpsError(
            f"cannot find out whether {item.urn} was made: {item.type} cannot be looked up",
            remedy="look for it yourself, then: ops pulumi -- refresh --import-pending-creates if it is there, "
            "--clear-pending-creates if not",
        ) from exc


def _release_locks(engine: Engine, cloud: Cloud) -> Iterator[Event]:
    found = holders(engine.state_file)
    if engine.backend.startswith("s3://"):
        found = bucket_holders(cloud.client("s3"), engine.backend, engine.project, engine.stack_name)
    for holder in found:
        if not holder.here:
            raise LeaseHeld(
                f"process {holder.pid} on {holder.host} has held the stack's state since {holder.since}",
                remedy=f"wait for it; if {holder.host} is gone for good, delete {holder.place}",
            )
        _await_end(holder)
        holder.release()
        yield Noted(
            step="mend",
            message=f"removed the lock of Pulumi process {holder.pid}, which ended without letting go",
            level="warning",
        )


def _await_end(holder: Holder) -> None:
    until = time.monotonic() + _DYING_SECONDS
    while holder.alive:
        # An orphan is about to end; one with a parent is somebody's at work.
        if (holder.parent not in (0, 1) and not _orphaned(holder)) or time.monotonic() > until:
            raise LeaseHeld(
                f"Pulumi process {holder.pid} works on this stack", remedy="wait for it, or stop the `ops` that runs it"
            )
        time.sleep(0.1)


def _orphaned(holder: Holder) -> bool:
    """Has its parent been replaced by a reaper (init, or a sub-reaper such as systemd --user)?"""
    try:
        name = Path(f"/proc/{holder.parent}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return True
    return not name.startswith(("python", "ops", "pytest"))
