"""The hosts of the local cloud together: observed, decided on and acted on, each in its own thread of work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from quartermaster.infra.local import host, moto_ec2
from quartermaster.infra.local.host import HostSpec, Machine
from quartermaster.infra.local.imds import MetadataServer
from quartermaster.infra.local.launch import POWEROFF
from quartermaster.infra.local.network import Bridge, Network
from quartermaster.infra.local.processor import seconds_by_namespace
from quartermaster.infra.local.reconcile import Act, PresentHost, decide_cables, decide_hosts
from quartermaster.infra.local.world import World, log

__all__ = ["Machines", "Work"]


class Work:
    """Runs acts in threads, at most one for a key at a time; a failed act is logged and decided on anew."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="act")
        self._busy: dict[str, Future[None]] = {}

    def busy(self, key: str) -> bool:
        """Whether an act for the key is under way."""
        return key in self._busy and not self._busy[key].done()

    def submit(self, key: str, act: Callable[..., object], *args: object) -> None:
        """Start the act unless one for the key is under way."""
        if not self.busy(key):
            self._busy[key] = self._pool.submit(self._run, key, act, *args)

    def close(self) -> None:
        """Wait for what is under way; nothing new starts."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @staticmethod
    def _run(key: str, act: Callable[..., object], *args: object) -> None:
        try:
            act(*args)
        except Exception:  # noqa: BLE001 - one failed act must not end the cloud; the next turn decides anew
            log.exception("act for %s failed", key)


class Machines:
    """Every host on this machine."""

    def __init__(self, world: World, network: Network, work: Work) -> None:
        self._world = world
        self._network = network
        self._work = work
        self._machines: dict[str, Machine] = {}
        self._unplugged: set[str] = set()
        self._metadata: dict[str, MetadataServer] = {}
        self._metadata_lock = threading.Lock()

    def ids(self) -> set[str]:
        """Ids of the hosts that exist here, dying ones included."""
        return set(self._machines)

    def get(self, host_id: str) -> Machine:
        """The host. Raises KeyError with the known ones."""
        try:
            return self._machines[host_id]
        except KeyError:
            known = ", ".join(sorted(self._machines)) or "none"
            raise KeyError(f"no host {host_id!r}; running here: {known}") from None

    def busy(self) -> dict[str, float]:
        """Host id → seconds of CPU time that it has used since it booted. Read-only."""
        used, found = seconds_by_namespace(), {}
        for key, machine in list(self._machines.items()):
            with suppress(OSError):
                space = Path(f"/proc/{machine.init_pid}/ns/pid").readlink()
                found[key] = used.get(str(space), 0.0)
        return found

    def step(self, wanted: Mapping[str, HostSpec]) -> None:
        """One turn: decide, act, and tell EC2 how the hosts are."""
        present = self._present()
        for act in decide_hosts(wanted, present):
            self._work.submit(f"host/{act.host}", self._act, act, wanted.get(act.host))
        for act in decide_cables(self._present(), self._world.failed_zones):
            if not self._work.busy(f"host/{act.host}"):
                self._cable(act)
        with self._world.lock:
            for key in wanted:
                moto_ec2.observe(self._world, key, key not in present or present[key].state in ("on", "rebooting"))

    def kill(self, host_id: str) -> None:
        """Cut the power and the cable of a host; the API is not told."""
        machine = self.get(host_id)
        self._cable(Act("unplug", host_id))
        machine.killed = True
        host.cut(machine)
        log.info("host %s lost its power", host_id)

    def facts(self, wanted: Mapping[str, HostSpec]) -> list[dict[str, Any]]:
        """What status prints of each."""
        machines = dict(self._machines)
        return [
            {
                "id": key,
                "zone": spec.zone,
                "address": spec.address,
                "state": self._look(machines[key]).state if key in machines else "absent",
                "boots": machines[key].facts().get("boots", 0) if key in machines else 0,
            }
            for key, spec in sorted(wanted.items())
        ]

    def close(self) -> None:
        """Remove every host, powerless."""
        for machine in list(self._machines.values()):
            host.cut(machine)
        for key, machine in list(self._machines.items()):
            host.remove(self._world, self._network, machine)
            del self._machines[key]
        for server in self._metadata.values():
            server.close()

    def _present(self) -> dict[str, PresentHost]:
        return {key: self._look(machine) for key, machine in list(self._machines.items())}

    def _look(self, machine: Machine) -> PresentHost:
        facts = machine.facts()
        if machine.killed:
            state = "killed"
        elif machine.launcher is None:
            state = "off"
        elif machine.alive:
            state = "rebooting" if facts.get("state") == "rebooting" else "on"
        else:
            state = "ended"
        return PresentHost(
            id=machine.spec.id,
            zone=machine.spec.zone,
            state=state,
            powered_off=facts.get("status") == POWEROFF,
            reboots=machine.rebooted,
            cable=machine.spec.id not in self._unplugged,
        )

    def _act(self, act: Act, spec: HostSpec | None) -> None:
        if act.kind == "make" and spec is not None:
            bridge = self._bridge(spec)
            self._serve_metadata(bridge)
            machine = host.make(self._world, self._network, bridge, spec)
            self._machines[spec.id] = machine
            host.power_on(self._world, bridge, machine)
            return
        machine = self._machines[act.host]
        if act.kind == "power_on":
            host.power_on(self._world, self._bridge(machine.spec), machine)
        elif act.kind == "power_off":
            host.power_off(machine)
            machine.killed = False
        elif act.kind == "reboot":
            machine.rebooted += 1
            host.reboot(machine)
        elif act.kind == "remove":
            host.power_off(machine, grace_seconds=max(5.0, self._world.timing["terminate"]))
            host.remove(self._world, self._network, machine)
            self._unplugged.discard(act.host)
            del self._machines[act.host]
            log.info("host %s removed", act.host)
        elif act.kind == "report_off":
            machine.launcher = None
            with self._world.lock:
                moto_ec2.powered_off(self._world, act.host)
        elif act.kind == "report_dead":
            log.warning("host %s died: its init ended with %s", act.host, machine.facts().get("status"))
            machine.launcher, machine.killed = None, True

    def _serve_metadata(self, bridge: Bridge) -> None:
        """The VPC's metadata service, made before its first host boots."""
        with self._metadata_lock:
            if bridge.vpc not in self._metadata:
                server = MetadataServer(lambda address: moto_ec2.metadata(self._world, bridge.vpc, address))
                server.listen(self._network.attach_metadata(bridge).netns)
                self._metadata[bridge.vpc] = server

    def _cable(self, act: Act) -> None:
        attachment = self.get(act.host).attachment
        if act.kind == "plug":
            self._network.restore(attachment)
            self._unplugged.discard(act.host)
        else:
            self._network.silence(attachment)
            self._unplugged.add(act.host)

    def _bridge(self, spec: HostSpec) -> Bridge:
        return self._network.bridge(spec.vpc, spec.vpc_cidr)
