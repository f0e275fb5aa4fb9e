"""The load balancers of the local cloud together, each turned in its own thread of work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartermaster.fleet.hosts import Requests
from quartermaster.infra.local import moto_elbv2
from quartermaster.infra.local.balancer import BalancerSpec, Server
from quartermaster.infra.local.haproxy import Balancer
from quartermaster.infra.local.machines import Work
from quartermaster.infra.local.network import Network
from quartermaster.infra.local.world import World, log

__all__ = ["Balancers"]


class Balancers:
    """Every load balancer on this machine."""

    def __init__(self, world: World, network: Network, work: Work) -> None:
        self._world = world
        self._network = network
        self._work = work
        self._balancers: dict[str, Balancer] = {}
        self._wanted: Mapping[str, BalancerSpec] = {}
        self._away: dict[str, float] = {}
        """Zone that is cut off → since when."""

    def step(self, wanted: Mapping[str, BalancerSpec], servers: Mapping[str, Mapping[str, Server]]) -> None:
        """One turn: balancers come, go and follow their target groups. ``servers``: pool name → id → server."""
        self._wanted = wanted
        now = self._world.now()
        self._away = {zone: self._away.get(zone, now) for zone in list(self._world.failed_zones)}
        for arn in self._balancers.keys() - wanted.keys():
            self._work.submit(f"balancer/{arn}", self._remove, arn)
        for arn, spec in wanted.items():
            self._work.submit(f"balancer/{arn}", self._turn, spec, servers)

    def requests(self, name: str) -> Requests:
        """Finished and failed at the balancer. Raises KeyError with the known ones."""
        return self._named(name).requests()

    def host_requests(self, name: str) -> dict[str, int]:
        """Host → requests that it finished behind the balancer. Raises KeyError with the known ones."""
        return self._named(name).host_requests()

    def _named(self, name: str) -> Balancer:
        for balancer in list(self._balancers.values()):
            if balancer.spec.name == name:
                return balancer
        known = ", ".join(sorted(found.spec.name for found in self._balancers.values())) or "none"
        raise KeyError(f"no balancer {name!r}; running here: {known}")

    def pool_requests(self) -> dict[str, int]:
        """Target group → requests, each of the running process: a count that is smaller than before began anew."""
        return {name: count for found in list(self._balancers.values()) for name, count in found.pool_requests.items()}

    def facts(self) -> list[dict[str, Any]]:
        """What status prints of each."""
        return [
            {
                "name": spec.name,
                "arn": spec.arn,
                "address": self._answered(spec)[0],
                "addresses": dict(spec.legs),
                "answered": self._answered(spec),
                "port": spec.plain_port,
                "url": spec.url_at(self._answered(spec)[0]),
            }
            for spec in sorted(self._wanted.values(), key=lambda spec: spec.name)
        ]

    def _answered(self, spec: BalancerSpec) -> list[str]:
        """The addresses that DNS answers with: without legs that have been silent for long, unless all have."""
        now, patience = self._world.now(), self._world.timing["balancer_dns"]
        left = [leg for zone, leg in spec.legs if zone not in self._away or now - self._away[zone] < patience]
        return left or list(spec.listens)

    def close(self) -> None:
        """Stop and remove all."""
        for arn in list(self._balancers):
            self._remove(arn)

    def _turn(self, spec: BalancerSpec, servers: Mapping[str, Mapping[str, Server]]) -> None:
        balancer = self._balancers.get(spec.arn)
        if balancer is None:
            balancer = Balancer(self._world, self._network, spec)
            self._balancers[spec.arn] = balancer
        found = balancer.step(spec, servers)
        with self._world.lock:
            for pool in spec.pools:
                moto_elbv2.observe(self._world, pool, found.get(pool.name, {}))

    def _remove(self, arn: str) -> None:
        balancer = self._balancers.pop(arn)
        balancer.close()
        log.info("balancer %s removed", balancer.spec.name)
