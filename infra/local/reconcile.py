"""What should be, what is, and the acts between them: pure decisions about hosts and cables.

The daemon observes (moto's state, the machines), calls these, and acts; each act is idempotent.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from quartermaster.infra.local.host import HostSpec

__all__ = ["Act", "PresentHost", "decide_cables", "decide_hosts"]


@dataclass(frozen=True, slots=True)
class PresentHost:
    """A host as this machine has it."""

    id: str
    zone: str
    state: str
    """``on``, ``rebooting``, ``off`` (never booted, or switched off by us), ``ended`` (its init ended by itself)
    or ``killed`` (its power was cut from outside)."""
    powered_off: bool = False
    """It ended because it was told to from inside, rather than by a crash."""
    reboots: int = 0
    """RebootInstances calls already acted on."""
    cable: bool = True
    """Whether its interface is up."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do to one host."""

    kind: str
    """make, power_on, power_off, reboot, remove, report_off, report_dead, plug or unplug."""
    host: str


def decide_hosts(wanted: Mapping[str, HostSpec], present: Mapping[str, PresentHost]) -> list[Act]:
    """Acts that bring the hosts to what is wanted; one act a host at a time. Pure."""
    acts: list[Act] = []
    for host in sorted(present.keys() - wanted.keys()):
        acts.append(Act("remove", host))
    for host, spec in sorted(wanted.items()):
        found = present.get(host)
        if found is None:
            if spec.wanted_on:
                acts.append(Act("make", host))
        elif found.state == "ended":
            acts.append(Act("report_off" if found.powered_off else "report_dead", host))
        elif spec.wanted_on and found.state == "off":
            acts.append(Act("power_on", host))
        elif not spec.wanted_on and found.state in ("on", "rebooting", "killed"):
            acts.append(Act("power_off", host))
        elif found.state == "on" and spec.reboot > found.reboots:
            acts.append(Act("reboot", host))
    return acts


def decide_cables(present: Mapping[str, PresentHost], failed_zones: Set[str]) -> list[Act]:
    """Plug in the hosts that are up in zones that are not cut off, unplug the others. Pure."""
    acts: list[Act] = []
    for host, found in sorted(present.items()):
        wanted = found.state == "on" and found.zone not in failed_zones
        if wanted != found.cable:
            acts.append(Act("plug" if wanted else "unplug", host))
    return acts
