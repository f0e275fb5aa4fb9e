"""The balancers of one region, each with its certificate and its logs, and the clusters that stand behind them."""

from __future__ import annotations

from collections.abc import Mapping

from quartermaster.fleet.connections import keep_alive
from quartermaster.fleet.schema import Fleet
from quartermaster.infra.access import ClusterAccess
from quartermaster.infra.access_logs import AccessLogs
from quartermaster.infra.balancer import Balancer, Balancing
from quartermaster.infra.dns import Certificate, Dns
from quartermaster.infra.layout import Layout
from quartermaster.infra.listener import TLS_PORT
from quartermaster.infra.network import Network

__all__ = ["Fronts", "owners_first"]


def owners_first(fleet: Fleet) -> list[str]:
    """The clusters, those with a balancer of their own before those that stand behind another's."""
    return sorted(fleet.clusters, key=lambda name: fleet.clusters[name].balancer is None)


class Fronts:
    """Makes what is before a cluster's hosts. Ask for clusters in the order of ``owners_first``."""

    def __init__(
        self, fleet: Fleet, layout: Layout, network: Network, *, account: str, tls: bool, dns: Dns | None
    ) -> None:
        self._fleet, self._layout, self._network, self._dns, self._tls = fleet, layout, network, dns, tls
        wanted = any(self._logs(name) for name in fleet.clusters)
        self._access_logs = AccessLogs(layout, account, tls=tls) if wanted else None
        self._made: dict[str, Balancer] = {}
        self._access: dict[str, ClusterAccess] = {}

    @property
    def made(self) -> Mapping[str, Balancer]:
        """By cluster, those made so far."""
        return self._made

    def of(self, name: str, access: ClusterAccess) -> Balancer | None:
        """What the cluster needs of its balancer, which is made with its first cluster; None without one."""
        found = self._fleet.balancer_of(name)
        if found is None:
            return None
        owner, declared = found
        self._access[name] = access
        if name != owner:
            access.stand_behind(self._access[owner], declared.port)
            return self._made[name]
        assert access.balancer is not None
        secure = self._dns is not None and self._ends_tls(name)
        balancing = Balancing(
            self._layout,
            name,
            declared,
            vpc_id=self._network.vpc_id,
            subnets=self._network.subnet_ids("private" if declared.internal else "public"),
            security_group=access.balancer.id,
            times=keep_alive(self._fleet, name, declared),
            certificate=Certificate(name, self._dns).arn if self._dns is not None and secure else None,
            redirects=self._tls,
            logs=self._access_logs if self._logs(name) else None,
        )
        if secure:
            access.open_tls()
        self._made.update(balancing.by_cluster)
        return self._made[name]

    def _ends_tls(self, name: str) -> bool:
        """A network balancer on 443 hands TLS on to its hosts."""
        balancer = self._fleet.clusters[name].balancer
        return balancer is not None and balancer.port != TLS_PORT

    def _logs(self, name: str) -> bool:
        """A network balancer logs what comes by TLS, and nothing else."""
        balancer = self._fleet.clusters[name].balancer
        if balancer is None or not balancer.access_logs:
            return False
        return balancer.kind == "application" or (self._dns is not None and self._ends_tls(name))
