"""Which load balancers there are, read from moto as HAProxy needs them. Runs under ``World.lock``."""

from __future__ import annotations

from typing import Any

from quartermaster.infra.local.balancer import BalancerSpec, Check, Front, Pool, Tls
from quartermaster.infra.local.moto_acm import key_pair
from quartermaster.infra.local.world import World

__all__ = ["specs"]


def specs(world: World) -> dict[str, BalancerSpec]:
    """Every load balancer, by ARN, with an address of its own and one in each of its subnets."""
    found: dict[str, BalancerSpec] = {}
    for backend in world.backends("elbv2"):
        for balancer in list(backend.load_balancers.values()):
            vpc = backend.ec2_backend.get_vpc(balancer.vpc_id)
            if not vars(balancer).get("ops_address"):
                balancer.ops_address = balancer.subnets[0].get_available_subnet_ip(balancer)
            fronts = tuple(_front(world, backend, listener) for listener in balancer.listeners.values())
            names = {name for front in fronts for name, _ in front.pools}
            pools = tuple(_pool(group) for group in backend.target_groups.values() if group.name in names)
            found[balancer.arn] = BalancerSpec(
                arn=balancer.arn,
                name=balancer.name,
                vpc=vpc.id,
                vpc_cidr=vpc.cidr_block,
                address=balancer.ops_address,
                idle_seconds=int(balancer.attrs.get("idle_timeout.timeout_seconds", 60)),
                fronts=tuple(sorted(fronts, key=lambda front: front.port)),
                pools=tuple(sorted(pools, key=lambda pool: pool.name)),
                legs=_legs(balancer),
                client_seconds=int(balancer.attrs.get("client_keep_alive.seconds", 3600)),
            )
    return found


def _legs(balancer: Any) -> tuple[tuple[str, str], ...]:
    """Zone and address of the node in each of its subnets, as AWS makes one.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/how-elastic-load-balancing-works.html
    """
    legs: dict[str, tuple[Any, str]] = vars(balancer).setdefault("ops_legs", {})
    subnets = {subnet.availability_zone: subnet for subnet in balancer.subnets}
    for zone in legs.keys() - subnets.keys():
        subnet, address = legs.pop(zone)
        subnet.del_subnet_ip(address)
    for zone in subnets.keys() - legs.keys():
        legs[zone] = subnets[zone], subnets[zone].get_available_subnet_ip(balancer)
    return tuple((zone, address) for zone, (_, address) in sorted(legs.items()))


def _front(world: World, backend: Any, listener: Any) -> Front:
    mode = "tcp" if listener.protocol in ("TCP", "TLS", "UDP", "TCP_UDP") else "http"
    chosen: list[tuple[str, int]] = []
    fixed = redirect = sticky = 0
    for action in listener.default_actions:
        data = action.data
        if data.get("Type") == "fixed-response":
            fixed = int(data["FixedResponseConfig"]["StatusCode"])
        if data.get("Type") == "redirect":
            redirect = int(data["RedirectConfig"]["StatusCode"].removeprefix("HTTP_"))
        config = data.get("ForwardConfig", {})
        stays = config.get("TargetGroupStickinessConfig") or {}
        if str(stays.get("Enabled", False)).lower() == "true":
            sticky = int(stays.get("DurationSeconds") or 0)
        weighted = config.get("TargetGroups") or []
        if not weighted and data.get("TargetGroupArn"):
            weighted = [{"TargetGroupArn": data["TargetGroupArn"], "Weight": 1}]
        for choice in weighted:
            group = backend.target_groups.get(choice["TargetGroupArn"])
            if group is not None:
                chosen.append((group.name, int(choice.get("Weight", 1))))
    return Front(
        port=int(listener.port),
        mode=mode,
        pools=tuple(chosen),
        fixed_status=fixed,
        redirect_status=redirect,
        tls=_tls(world, backend, listener),
        sticky_seconds=sticky,
        idle_seconds=int(listener.attributes["tcp.idle_timeout.seconds"]) if mode == "tcp" else 0,
    )


def _tls(world: World, backend: Any, listener: Any) -> Tls | None:
    if listener.protocol not in ("TLS", "HTTPS") or not listener.certificate:
        return None
    policy = listener.ssl_policy or ""
    least = "TLSv1.3" if "TLS13-1-3" in policy else "TLSv1.2" if "1-2" in policy else "TLSv1.0"
    return Tls(least, key_pair(world.account, backend.region_name, listener.certificate))


def _pool(group: Any) -> Pool:
    mode = "http" if group.protocol in ("HTTP", "HTTPS") else "tcp"
    algorithm = group.attributes.get("load_balancing.algorithm.type", "round_robin")
    if mode == "tcp":
        algorithm = "source_ip" if _on(group, "stickiness.enabled") else "flow_hash"
    port = str(group.health_check_port or "traffic-port")
    check = Check(
        protocol=group.health_check_protocol or "HTTP",
        path=group.health_check_path or "/",
        port=int(port) if port.isdigit() and int(port) != int(group.port) else 0,
        interval_seconds=float(group.health_check_interval_seconds),
        timeout_seconds=float(group.health_check_timeout_seconds),
        healthy_threshold=int(group.healthy_threshold_count),
        unhealthy_threshold=int(group.unhealthy_threshold_count),
        matcher=str((vars(group).get("matcher") or {}).get("HttpCode", "200")),
    )
    sticky = mode == "http" and _on(group, "stickiness.enabled")
    return Pool(
        group.arn,
        group.name,
        mode,
        algorithm,
        check,
        sticky_seconds=int(group.attributes.get("stickiness.lb_cookie.duration_seconds", 86_400)) if sticky else 0,
        slow_start_seconds=int(group.attributes.get("slow_start.duration_seconds", 0)),
    )


def _on(group: Any, attribute: str) -> bool:
    return str(group.attributes.get(attribute, "false")).lower() == "true"
