"""The plan of a replacement: which hosts are not what a new one would be now, and in which stages they go.

Pure: same input, same plan. Guards refuse here as for patching in place; window and freeze alone give way to an
override with a reason. AWS picks the hosts of a stage from any zone, so every stage must bear the loss of the fullest
zone on top of its own hosts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.hosts import Group, Host
from quartermaster.playbooks.machine import Survey
from quartermaster.playbooks.patch import Need, ends_at, health_faults, refuse, time_faults
from quartermaster.playbooks.patch_plan import GateRule
from quartermaster.playbooks.replace_plan import HostTurn, Preferences, ReplacePlan, Stage
from quartermaster.playbooks.replace_world import Launched, Refresh

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["plan"]

_JUDGE_SECONDS = 10
"""After the soak, before AWS goes on by itself: for the gate to be judged and a rollback to arrive."""
_LONGEST_DELAY = 172_800
"""https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html"""


def plan(
    group: Group,
    fleet: Fleet,
    launched: Launched,
    now: datetime,
    *,
    surveys: Mapping[str, Survey] | None = None,
    need: Need | None = None,
    alarms: Sequence[str] = (),
    history: Sequence[Refresh] = (),
    override: str = "",
    ahead: bool = False,
) -> ReplacePlan:
    """The plan for one cluster's group. ``alarms`` send it back; ``override`` is the reason to break the window.

    ``surveys`` tell by host of which role bundle it is, where that is an old one; None: the hosts were not asked.
    ``ahead``: only to be looked at, so a shut window is told rather than refused.

    Raises GuardRefused, naming everything that stands against it.
    """
    policy, need = fleet.patching_of(group.cluster), need or Need()
    breaks = time_faults(fleet, group.cluster, now)
    faults = health_faults(group, any(refresh.busy for refresh in history))
    refuse(group.cluster, "replaced", faults, [] if override or ahead else breaks)
    target, asked = launched.latest, surveys or {}
    hosts = tuple(_turn(host, launched, asked.get(host.id, Survey())) for host in group.hosts)
    pending = [host for host in hosts if host.why]
    matching = _matching(group.cluster, launched, pending)
    before = _before(launched, pending)
    reversible = matching and before.isdigit() and before != target
    stages: tuple[Stage, ...] = ()
    at_once, extra = 1, 0
    if pending:
        wave = policy.wave.of(len(hosts))
        if need.after_zone_loss is None:  # what the hour needs is unknown: leave one host at least when a zone is lost
            wave = max(1, min(wave, _left(group, 0)[1] - 1))
        at_once, extra = _room(group, need, wave)
        stages = _stages(group, need, len(pending), canary=policy.canary, at_once=at_once, extra=extra)
    warnings = [f"capacity needed is {need.source}"] if need.hosts is None and pending else []
    warnings += [f"override: {override}: {fault}" if override else f"not now: {fault}" for fault in breaks]
    warnings += [
        f"the role bundle of {host.id} is unknown: {asked[host.id].error}"
        for host in hosts
        if host.id in asked and asked[host.id].error
    ]
    warnings += _way_back(pending, before, target, matching=matching) if pending else []
    warnings += [
        f"an earlier replacement by version {target} went back: {refresh.rollback or refresh.why}"
        for refresh in history[:1]
        if refresh.target == target and refresh.status.startswith(("Rollback", "Failed"))
    ]
    soak = policy.soak_minutes * 60
    return ReplacePlan(
        cluster=group.cluster,
        group=group.name,
        template=launched.template,
        own=launched.own,
        before=before,
        target=target,
        image=launched.says[target].get("image", ""),
        changes=_changes(launched.says.get(before, {}), launched.says[target]) if pending else (),
        hosts=hosts,
        stages=stages,
        preferences=Preferences(
            min_healthy=100 if extra else _percent_kept(len(hosts), at_once),
            max_healthy=100 + math.ceil(100 * extra / len(hosts)) if extra else 100,
            checkpoints=_checkpoints(stages, len(hosts), matching=matching),
            delay_seconds=min(soak + _JUDGE_SECONDS, _LONGEST_DELAY),
            alarms=tuple(alarms),
            auto_rollback=reversible,
            skip_matching=matching,
        ),
        soak_seconds=soak,
        gate=GateRule(**policy.gate.model_dump()),
        max_failures=policy.max_failures,
        ends_at=ends_at(fleet, group.cluster, now) if not breaks else None,
        warnings=tuple(warnings),
    )


def _matching(cluster: str, launched: Launched, pending: Sequence[HostTurn]) -> bool:
    """Whether AWS may leave hosts of the newest version alone: none of them is to go.

    It tells hosts apart by their version, so it cannot spare one where another of that version is of an old bundle.
    Raises GuardRefused where one that is to go then is protected.
    """
    matching = not any(host.version == launched.latest for host in pending)
    if not matching and (held := launched.held(host.id for host in pending)):
        raise GuardRefused(
            f"{cluster} is not replaced now: {held}",
            remedy="take the protection off; or ops configure, after which no host is of an old bundle",
        )
    return matching


def _way_back(pending: Sequence[HostTurn], before: str, target: str, *, matching: bool) -> list[str]:
    """What to know of the rollback of hosts that were of version ``before``."""
    if not matching:
        return ["there is no way back to an old role bundle: a failure is not rolled back"]
    if not before.isdigit() or before == target:
        return [f"there is no numbered version to go back to from {target}: a failure is not rolled back"]
    if len({host.version for host in pending}) > 1:
        return [f"hosts are of several versions; a rollback brings all of them to {before}"]
    return []


def _turn(host: Host, launched: Launched, survey: Survey) -> HostTurn:
    version, target = launched.hosts.get(host.id, ""), launched.latest
    said = launched.says.get(version, {})
    why = ""
    if not version:
        why = f"it was started from no version of this template; {target} is the newest"
    elif version != target:
        differs = ", ".join(_changes(said, launched.says[target])) or "nothing that the template says"
        why = f"it is of version {version}, {target} is the newest: {differs}"
    elif survey.bundle:
        why = f"it is of version {version}, the newest, but of role bundle {survey.bundle[:12]}: new hosts get another"
    return HostTurn(host.id, host.zone, version, said.get("image", ""), why, survey.bundle)


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    short = ("image", "instance type", "user data")
    names = [name for name in (*short, *sorted({*old, *new} - {*short})) if old.get(name) != new.get(name)]
    told = [f"{name} {old.get(name) or 'none'} → {new.get(name) or 'none'}" for name in names if name in short]
    return (*told, *(name for name in names if name not in short))


def _before(launched: Launched, pending: Sequence[HostTurn]) -> str:
    """What most of the hosts to replace are: proven there. The newest of equals; the group's own without any."""
    count = Counter(host.version for host in pending if host.version)
    if not count:
        return launched.own
    return max(count, key=lambda version: (count[version], int(version)))


def _room(group: Group, need: Need, wave: int) -> tuple[int, int]:
    """(hosts replaced at once, of those launched before others are terminated). Raises GuardRefused."""
    faults = {taken: _fault(group, need, taken) for taken in range(wave, -1, -1)}
    fits = next((taken for taken, fault in faults.items() if not fault), None)
    if fits:
        return fits, 0
    spare = group.max - group.desired
    if fits == 0 and spare >= 1:
        first = min(wave, spare)
        return first, first
    why = f"{faults[1]}, and max of {group.max} leaves no room to launch first" if fits == 0 else faults[0]
    raise GuardRefused(
        f"{group.cluster} is not replaced now: {why}",
        remedy=f"raise clusters.{group.cluster}.size.max, or wait for an hour with less demand",
    )


def _left(group: Group, taken: int) -> tuple[int, int]:
    """(hosts that serve, of those left when the fullest zone is lost too)."""
    left = len(group.hosts) - taken
    return left, max(0, left - max(Counter(host.zone for host in group.hosts).values()))


def _fault(group: Group, need: Need, taken: int) -> str:
    (left, after), wanted = _left(group, taken), max(1, need.hosts or 0)
    if left < wanted:
        return f"with {taken} of {len(group.hosts)} hosts replaced {left} would serve and {wanted} are needed"
    if need.after_zone_loss is not None and after < need.after_zone_loss:
        return f"with {taken} replaced and a zone lost {after} would serve and {need.after_zone_loss} are needed"
    return ""


def _stages(group: Group, need: Need, pending: int, *, canary: int, at_once: int, extra: int) -> tuple[Stage, ...]:
    size, done = len(group.hosts), len(group.hosts) - pending
    sizes = [min(canary, pending)] if canary else []
    while sum(sizes) < pending:
        sizes.append(min(at_once, pending - sum(sizes)))
    stages: list[Stage] = []
    for number, count in enumerate(sizes, 1):
        done += count
        percent = 100 if number == len(sizes) else max(1, 100 * done // size)
        if stages and percent <= stages[-1].percent:  # a hundred stages is what percent can tell apart
            continue
        together = min(count, at_once)
        left, after = _left(group, 0 if extra else together)
        stages.append(
            Stage(
                number=len(stages) + 1,
                hosts=done - (size - pending),
                percent=percent,
                canary=number == 1 and bool(canary),
                at_once=together,
                left=left,
                after_zone_loss=after,
                needed=need.hosts,
                needed_after_zone_loss=need.after_zone_loss,
            )
        )
    return tuple(stages)


def _checkpoints(stages: Sequence[Stage], size: int, *, matching: bool) -> tuple[int, ...]:
    """Percentages at which AWS waits.

    Whether hosts that it leaves because they are protected count as new is not documented: so at what each stage comes
    to with them, and without. At most it waits once more than it had to.
    """
    if len(stages) < 2:
        return ()
    without = () if matching else (max(1, 100 * stage.hosts // size) for stage in stages)
    return tuple(sorted({*(stage.percent for stage in stages), *without}))


def _percent_kept(size: int, at_once: int) -> int:
    """The smallest percentage that AWS, which rounds hosts up, takes for ``size - at_once`` of them or more."""
    least = 100 * (size - at_once) // size
    return least if math.ceil(size * least / 100) >= size - at_once else least + 1
