"""One host's way through a patch cycle. Each step reads the world first, so a host half-way is taken up where it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import StepFailed, StepFinished, StepStarted
from quartermaster.fleet.hosts import Host
from quartermaster.playbooks import patch_successor as successor
from quartermaster.playbooks.machine import HostTrouble, Limits, Machine
from quartermaster.playbooks.patch_past import HostPast
from quartermaster.playbooks.patch_plan import HostPlan, PatchPlan, spelled
from quartermaster.playbooks.together import Voice
from quartermaster.playbooks.world import World, find

__all__ = ["HostWork", "Limits"]


_FIRST_PAUSE = 0.1
"""Between two looks at the group, in seconds; the longer a wait lasts, the longer they are apart."""


@dataclass(slots=True)
class HostWork:
    """The work on one host of a wave."""

    plan: PatchPlan
    run: str
    host: HostPlan
    past: HostPast
    world: World
    machine: Machine
    voice: Voice
    expected: Mapping[str, str] = field(default_factory=dict)
    """Versions that the canary came to."""
    limits: Limits = field(default_factory=Limits)
    state: str = ""
    """How it ended: patched, failed, rolled_back, replaced or drained."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """After the upgrade, or the rollback."""
    _touched: bool = False

    def go(self) -> None:
        """Patch the host, or take it back as far as that goes; ends with the event that tells its state."""
        begun = time.monotonic()
        self.voice.say(StepStarted(step="host", title="patch", host=self.host.id, zone=self.host.zone), reads=True)
        said: list[str] = []
        try:
            self._forward()
            self.state = "patched"
        except OpsError as exc:
            said.append(told(exc))
            try:
                self.state = self._backward(said)
            except OpsError as other:
                said.append(told(other))
                self.state = self._kept_out()
        finally:
            self.machine.close()
        self._tell("; then ".join(said), time.monotonic() - begun)

    @property
    def _pins(self) -> dict[str, str]:
        return self.plan.pinned(self.host.id)

    def _forward(self) -> None:
        if {"rollback", "replace"} & self.past.begun:
            self._touched = True
            raise HostTrouble(f"its upgrade had failed: {self.past.error or 'taken up during the rollback'}")
        self._touched = "upgrade" in self.past.begun
        if "standby" not in self.past.begun:
            self._step("check", self._check, reads=True)
            if self._pins:
                self._step("save", self._save)
        lifecycle = self._seen().lifecycle
        if "return" not in self.past.begun or lifecycle in ("Standby", "EnteringStandby"):
            if lifecycle == "InService":
                self._step("standby", self._enter, undo={"standby": self.host.id})
            self._step("drain", self._drained, reads=True)
            self._work()
            self._step("return", lambda: self.world.exit_standby(self.host.id))
        else:
            self.versions = self.past.done.get("upgrade", {}).get("versions", {})
        self._step("healthy", self._served, reads=True)

    def _work(self) -> None:
        """Package, reboot, converge, health: the host is out of service."""
        if self._pins:
            if "upgrade" not in self.past.done:
                self._touched = True
                self._step("upgrade", self._upgrade)
            else:
                self.versions = self.past.done["upgrade"]["versions"]
        if "reboot" not in self.past.done and self._wants_reboot():
            self._touched = True
            self._step("reboot", lambda: {"boot_id": self.machine.reboot(self.run)})
        if "converge" not in self.past.done:
            self._step("converge", lambda: self.machine.converge(self.run))
        self._step("health", self._answers, reads=True)

    def _backward(self, said: list[str]) -> str:
        """Take a failed host back into service as it was, else let a new one take its place; what failed is ``said``.

        Raises OpsError when neither can be: then the host stays drained.
        """
        if "replace" not in self.past.begun:
            seen = find(self.world, self.host.id)
            if seen is None or seen.lifecycle.startswith("Terminating"):
                return "failed"
            if seen.lifecycle == "InService" and not self._touched:
                return "failed"
            if seen.lifecycle == "EnteringStandby" and not self._touched:
                raise HostTrouble("it is left draining", remedy=f"once it is in Standby: {self._recover}")
            try:
                self._back(seen)
                return "rolled_back" if self._touched else "failed"
            except OpsError as exc:
                if why := successor.refusal(self.plan, self.world.group(), proven=bool(self.expected)):
                    exc.remedy = exc.remedy or f"mend it, then {self._recover}"
                    raise HostTrouble(f"{told(exc)}; it is left drained, and not replaced: {why}") from exc
                said.append(told(exc))
        with successor.ONE_AT_A_TIME:
            before = self.past.undo.get("replace") or successor.facts(self.world)
            self._step("replace", lambda: self._replace(before, said), undo=before)
        return "replaced"

    def _back(self, seen: Host) -> None:
        """The saved packages, where the upgrade was begun, and into service once the host itself is well."""
        if seen.lifecycle == "InService":
            self._step("standby", self._enter, undo={"standby": self.host.id})
        self._step("drain", self._drained, reads=True)
        if self._touched:
            if self._pins:  # else it was only rebooted
                self._step("rollback", self._rollback)
            self._step("converge", lambda: self.machine.converge(self.run))
        self._step("health", self._answers, reads=True)
        self._step("return", lambda: self.world.exit_standby(self.host.id))
        self._step("healthy", self._served, reads=True)

    def _replace(self, before: Mapping[str, Any], said: list[str]) -> dict[str, Any]:
        done = successor.replace(self.world, self.host.id, before, self.limits, self.voice.wait)
        said.append(f"{done['by']} serves in its place")
        return done

    def _kept_out(self) -> str:
        """``drained``, as the host is out of service or can be taken out of it; else ``failed``."""
        seen = find(self.world, self.host.id)
        if seen is not None and seen.lifecycle == "InService":
            try:
                self._step("standby", self._enter, undo={"standby": self.host.id})
            except OpsError:
                return "failed"
        return "drained" if seen is not None else "failed"

    @property
    def _recover(self) -> str:
        return f"ops patch recover {self.plan.cluster}"

    def _step(
        self, name: str, act: Callable[[], Any], undo: Mapping[str, Any] | None = None, *, reads: bool = False
    ) -> None:
        """Do the step once it is written down; one that only ``reads`` is not waited for."""
        common: dict[str, Any] = {"step": name, "host": self.host.id, "zone": self.host.zone}
        self.voice.say(StepStarted(**common, undo=undo or {}), reads=reads)
        begun = time.monotonic()
        try:
            detail = act() or {}
        except OpsError as exc:
            self.voice.say(StepFailed(**common, seconds=_since(begun), error=told(exc)))
            raise
        self.voice.say(StepFinished(**common, seconds=_since(begun), detail=detail))

    def _check(self) -> None:
        seen = self._seen()
        if not seen.serving:
            raise HostTrouble(
                f"host {seen.id} is {seen.lifecycle} and {seen.health or 'unknown'}", remedy="`ops status` says why"
            )
        ahead = self.machine.facts([]).clock_ahead
        if abs(ahead) > self.limits.clock:
            off = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
            raise HostTrouble(
                f"the clock of host {seen.id} is {off}, {self.limits.clock:.0f} s may be",
                remedy="set it right; a service that keeps it should run",
            )

    def _enter(self) -> None:
        self.world.enter_standby(self.host.id)

    def _drained(self) -> None:
        """Wait until the group says Standby and the balancer has let go: the full delay, never less."""
        patience = self.plan.drain_seconds + self.limits.drain_slack
        self._until(lambda seen: seen.lifecycle == "Standby" and seen.health in ("unused", ""), patience, "drained")

    def _served(self) -> None:
        self._until(lambda seen: seen.serving, self.limits.healthy, "healthy at the balancer")

    def _until(self, met: Callable[[Host], bool], patience: float, word: str) -> None:
        until, pause = time.monotonic() + patience, _FIRST_PAUSE
        while not met(seen := self._seen()):
            if seen.lifecycle.startswith("Terminating"):
                raise HostTrouble(
                    f"host {seen.id} is ended by its group and was to be {word}: {seen.lifecycle}",
                    remedy="read the activities of the group for the reason",
                )
            if time.monotonic() > until:
                raise HostTrouble(
                    f"host {seen.id} was not {word} in {patience:.0f} s: {seen.lifecycle}, {seen.health}",
                    remedy="`ops status` says why",
                )
            self.voice.wait(pause)
            pause = min(self.limits.poll, 1.2 * pause)

    def _seen(self) -> Host:
        seen = find(self.world, self.host.id)
        if seen is None:
            raise HostTrouble(f"host {self.host.id} is no longer in group {self.plan.group}", remedy="plan again")
        return seen

    def _save(self) -> dict[str, Any]:
        saved = self.machine.save(self.run, self._pins)
        old = {change.name: change.old for change in saved.changes}
        return {"old": old, "rollback": not saved.missing, "missing": list(saved.missing)}

    def _upgrade(self) -> dict[str, Any]:
        self.versions = dict(self.machine.upgrade(self.run, self._pins))
        other = {name: found for name, found in self.versions.items() if self.expected.get(name, found) != found}
        if other:
            canary = spelled({name: self.expected[name] for name in other})
            raise HostTrouble(
                f"host {self.host.id} came to {spelled(other)} and the canary to {canary}",
                remedy="see that all hosts ask one package repository, then plan again",
            )
        return {"versions": dict(self.versions)}

    def _rollback(self) -> dict[str, Any]:
        self.versions = dict(self.machine.rollback(self.run))
        return {"versions": dict(self.versions)}

    def _answers(self) -> None:
        if not self.plan.health:
            self.machine.facts([])
        elif error := self.machine.health(self.plan.port, self.plan.health, self.limits.health):
            raise HostTrouble(
                f"host {self.host.id} is not healthy on itself: {error}", remedy="read the service's log on the host"
            )

    def _wants_reboot(self) -> bool:
        if self.plan.reboot == "when_required":
            return self.machine.facts([]).reboot_required or "reboot" in self.past.begun
        return self.plan.reboot == "always"

    def _tell(self, error: str, seconds: float) -> None:
        old = {update.name: update.old for update in self.host.updates if update.old}
        new = dict(self.versions) or old
        detail = {"state": self.state, "from": spelled(old), "to": spelled(new)}
        common: dict[str, Any] = {"step": "host", "title": "patch", "host": self.host.id, "zone": self.host.zone}
        if self.state == "patched":
            self.voice.say(StepFinished(**common, seconds=round(seconds, 3), detail=detail))
        else:
            self.voice.say(StepFailed(**common, seconds=round(seconds, 3), detail=detail, error=error))


def told(error: OpsError) -> str:
    """An error in one line, with what can be done about it."""
    return f"{error.message} ({error.remedy})" if error.remedy else error.message


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)
