"""Asking a cluster's hosts what is pending, and keeping what they say: ages and ``ops patch status`` go by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from quartermaster.cli.output import say

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.hosts import Group
    from quartermaster.playbooks.machine import Machine, Survey

__all__ = ["asking", "with_drags"]


def asking(ops: Session, found: Group) -> Callable[[], Mapping[str, Survey]]:
    """Ask all hosts at once what is pending; they take their time, and the callable waits for them.

    It returns what is pending by host, with the time each update was first seen, and writes both down; a role bundle
    stands there only where new hosts get another.
    """

    def ask(_host_id: str, machine: Machine) -> Survey:
        return machine.survey()

    ids = [host.id for host in found.hosts]
    say(f"asking {len(ids)} host{'s' if len(ids) != 1 else ''} what is pending")
    answers = _all(ops, found, ids, ask)

    def dated() -> Mapping[str, Survey]:
        from quartermaster.cli.ssh import stack_bucket
        from quartermaster.playbooks.compliance_store import Readings
        from quartermaster.playbooks.publish import current
        from quartermaster.playbooks.sightings import Sightings

        bundle = current(ops.cloud.client("s3"), stack_bucket(ops)[0])
        told = {host: replace(one, bundle="") if one.bundle == bundle else one for host, one in answers().items()}
        now = ops.clock.now()
        surveys = Sightings(ops.journal.engine).remember(told, now)
        Readings(ops.journal.engine).keep(ops.stack, found.cluster, found.hosts, surveys, now)
        return surveys

    return dated


def with_drags(
    ops: Session, found: Group, surveys: Mapping[str, Survey], pins: Mapping[str, Mapping[str, str]]
) -> dict[str, Survey]:
    """The surveys with what the hosts of ``pins`` would upgrade besides the versions pinned there. Asks those hosts."""

    def ask(host_id: str, machine: Machine) -> Survey:
        own = {update.name for update in surveys[host_id].updates}
        pinned = {name: version for name, version in pins[host_id].items() if name in own}
        return replace(surveys[host_id], drags=machine.drags(pinned))

    return {**surveys, **_all(ops, found, list(pins), ask)()}


def _all(
    ops: Session, found: Group, ids: Sequence[str], ask: Callable[[str, Machine], Survey]
) -> Callable[[], dict[str, Survey]]:
    """Ask those hosts, at once. The callable waits for what they answer; of one in trouble, the trouble."""
    from quartermaster.cli.ssh import machines_of
    from quartermaster.playbooks.machine import HostTrouble, Survey

    machines = machines_of(ops, found)

    def one(host_id: str) -> Survey:
        machine = machines.open(host_id)
        try:
            told = ask(host_id, machine)
        except HostTrouble as error:
            machine.close()
            return Survey(error=error.message)
        machines.keep(host_id, machine)
        return told

    pool = ThreadPoolExecutor(max_workers=16)
    asked = {host_id: pool.submit(one, host_id) for host_id in ids}
    pool.shutdown(wait=False)
    return lambda: {host_id: answer.result() for host_id, answer in asked.items()}
