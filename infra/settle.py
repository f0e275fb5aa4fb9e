"""After `up`: wait until the hosts that the groups want serve behind their balancers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quartermaster.fleet.clock import Clock
from quartermaster.fleet.events import Event, Noted, StepFinished, StepStarted
from quartermaster.fleet.hosts import Hosts

__all__ = ["settle"]

_LONGEST_SECONDS = 180.0
_POLL_SECONDS = 1.0


def settle(hosts: Hosts, clusters: Iterable[str], clock: Clock) -> Iterator[Event]:
    """Wait for each cluster in turn; those that do not serve in time are named in a warning. Read-only."""
    for cluster in clusters:
        step = f"serve:{cluster}"
        begun = clock.now()
        yield StepStarted(step=step, title=f"hosts of {cluster} serve")
        while True:
            group = hosts.group(cluster)
            waiting = [host for host in group.hosts if not host.serving and host.lifecycle != "Standby"]
            seconds = (clock.now() - begun).total_seconds()
            if seconds >= _LONGEST_SECONDS or (not waiting and len(group.hosts) >= group.desired):
                break
            clock.sleep(_POLL_SECONDS)
        if waiting:
            named = ", ".join(f"{host.id} is {host.lifecycle}, {host.health}" for host in waiting)
            said = (
                f"after {seconds:.0f} s not all hosts of {cluster} serve: {named}; see /var/log/ops-converge.log there"
            )
            yield Noted(step=step, message=said, level="warning")
        yield StepFinished(step=step, title=f"hosts of {cluster} serve", seconds=seconds, changed=False)
