"""Auto-scaling groups as AWS behaves: moto keeps the records, ``groups.decide`` says what happens, this does it.

Every function here runs under ``World.lock``.
"""

from __future__ import annotations

from typing import Any

from quartermaster.infra.local import groups, moto_ec2, moto_elbv2
from quartermaster.infra.local.groups import Facts, Hook, Member, Step
from quartermaster.infra.local.world import World, log

__all__ = [
    "advance",
    "check_health",
    "enter_state",
    "facts",
    "group_of",
    "leave",
    "named",
    "record",
    "refusal",
    "suspended",
    "version_of",
]


def advance(world: World) -> None:
    """Let every group take its next steps."""
    for backend in world.backends("autoscaling"):
        for group in list(backend.autoscaling_groups.values()):
            if world.now() - group.ops_checked >= world.timing["group_health_check"]:
                group.ops_checked = world.now()
                check_health(world, group)
            for step in groups.decide(facts(world, backend, group), world.now()):
                _take(world, backend, group, step)


def facts(world: World, backend: Any, group: Any) -> Facts:
    """The group as it is now."""
    subnets = _subnets(backend, group)
    hooks = [hook for hook in backend.lifecycle_hooks.values() if hook.auto_scaling_group_name == group.name]

    def declared(transition: str) -> tuple[Hook, ...]:
        found = [hook for hook in hooks if str(hook.lifecycle_transition).endswith(transition)]
        return tuple(Hook(hook.name, default=hook.default_result) for hook in found)

    return Facts(
        name=group.name,
        desired=int(group.desired_capacity or 0),
        zones=tuple(zone for zone in subnets if zone not in world.failed_zones),
        members=tuple(_member(world, group, state) for state in group.instance_states),
        suspended=suspended(group),
        launch_hooks=declared("EC2_INSTANCE_LAUNCHING"),
        terminate_hooks=declared("EC2_INSTANCE_TERMINATING"),
        rebalancing=group.ops_rebalancing,
        extra=group.ops_extra,
    )


def check_health(world: World, group: Any) -> None:
    """Look at EC2 and, where the group asks, ELB health of the members in service, as the group does at intervals."""
    if "HealthCheck" in suspended(group):
        return
    unhealthy: dict[str, str] = {}
    if "ELB" in str(group.health_check_type or ""):
        for arn in group.target_group_arns:
            found = moto_elbv2.states(world, arn)
            unhealthy |= {name: "an ELB health check" for name, state in found.items() if state == "unhealthy"}
    for state in group.instance_states:
        if state.lifecycle_state != "InService" or state.health_status != "Healthy":
            continue
        instance, why = state.instance, ""
        if instance.state != "running":
            why = f"an EC2 health check: it is {instance.state}"
        elif not instance.ops_host_ok and world.now() - instance.ops_host_failed_at >= world.timing["status_check"]:
            why = "an EC2 status check"
        elif world.now() - state.ops_since >= float(group.health_check_grace_period or 0):
            why = unhealthy.get(instance.id, "")
        if why:
            state.health_status = "Unhealthy"
            log.info("group %s: %s failed %s", group.name, instance.id, why)


def enter_state(world: World, group: Any, state: Any, lifecycle: str) -> None:
    """Move a member to a lifecycle state, with what that means for its target groups."""
    instance = state.instance
    if lifecycle in ("Terminating", "EnteringStandby"):
        for arn in group.target_group_arns:
            moto_elbv2.deregister(world, arn, instance.id)
        instance.ops_target_lifecycle = "Terminated" if lifecycle == "Terminating" else "Standby"
    if lifecycle == "InService":
        if "AddToLoadBalancer" not in suspended(group):
            for arn in group.target_group_arns:
                moto_elbv2.register(world, arn, instance.id)
        state.health_status = "Healthy"
    if lifecycle in ("Pending", "InService"):
        instance.ops_target_lifecycle = "InService"
    state.lifecycle_state, state.ops_since, state.ops_hook = lifecycle, world.now(), None


def leave(world: World, group: Any, instance_id: str, why: str) -> None:
    """Let a member go; the group launches another where it then lacks one."""
    record(group, f"Terminating EC2 instance: {instance_id}", why)
    state = next(item for item in group.instance_states if item.instance.id == instance_id)
    enter_state(world, group, state, "Terminating")


def suspended(group: Any) -> frozenset[str]:
    """The processes that somebody has stopped."""
    return frozenset(item["ProcessName"] for item in group.suspended_processes)


def named(backend: Any, name: str) -> Any:
    """The group of that name. Raises as AWS does where there is none."""
    try:
        return backend.autoscaling_groups[name]
    except KeyError:
        raise refusal("AutoScalingGroup name not found - null") from None


def group_of(request: Any) -> Any:
    """The group that a request names. Raises as AWS does where there is none."""
    return named(request.autoscaling_backend, request._get_param("AutoScalingGroupName"))


def refusal(message: str, code: str = "ValidationError") -> Exception:
    """The API's own error, to be raised."""
    from moto.autoscaling.exceptions import AutoscalingClientError

    error: Exception = AutoscalingClientError(code, message)
    return error


def version_of(group: Any) -> str:
    """The template version that the group launches: a replacement's while one is under way, else its own."""
    return str(group.ops_launch_version or group.launch_template_version)


def _take(world: World, backend: Any, group: Any, step: Step) -> None:
    if step.kind in ("launch", "rebalance"):
        if step.kind == "rebalance":
            group.ops_rebalancing = True
        _launch(world, backend, group, step)
        return
    if step.kind == "rebalanced":
        group.ops_rebalancing = False
        return
    state = next(item for item in group.instance_states if item.instance.id == step.member)
    if step.kind == "move":
        if step.to == "Terminating":
            leave(world, group, step.member, step.why)
        else:
            enter_state(world, group, state, step.to)
    elif step.kind == "hook":
        hook = backend.lifecycle_hooks[f"{group.name}_{step.to}"]
        waiting = "Pending:Wait" if state.lifecycle_state.startswith("Pending") else "Terminating:Wait"
        enter_state(world, group, state, waiting)
        state.ops_hook = Hook(hook.name, world.now() + float(hook.heartbeat_timeout), hook.default_result)
    elif step.kind == "terminate":
        enter_state(world, group, state, "Terminating:Proceed")
        backend.ec2_backend.terminate_instances([step.member])
    elif step.kind == "remove":
        group.instance_states = [item for item in group.instance_states if item is not state]
    log.info("group %s: %s %s %s %s", group.name, step.kind, step.member, step.to, step.why)


def _launch(world: World, backend: Any, group: Any, step: Step) -> None:
    from moto.autoscaling.models import InstanceState

    template = group.ec2_launch_template.get_version(version_of(group))
    tags = {**group.get_propagated_tags(), "aws:autoscaling:groupName": group.name, **template.instance_tags}
    profile = template.data.get("IamInstanceProfile") or {}
    reservation = backend.ec2_backend.run_instances(
        None,
        1,
        None,
        [],
        instance_type=template.instance_type,
        is_instance_type_default=True,
        region_name=backend.region_name,
        launch_template={"LaunchTemplateId": template.template.id, "Version": str(template.number)},
        subnet_id=_subnets(backend, group)[step.to],
        associate_public_ip=None,
        metadata_options=template.data.get("MetadataOptions", {}),
        tags={"instance": tags},
    )
    instance = reservation.instances[0]
    if profile:
        backend.ec2_backend.associate_iam_instance_profile(
            instance.id, iam_instance_profile_name=profile.get("Name"), iam_instance_profile_arn=profile.get("Arn")
        )
    instance.autoscaling_group = group
    state: Any = InstanceState(instance, "Pending", protected_from_scale_in=group.new_instances_protected_from_scale_in)
    state.ops_version, state.ops_from_standby = template.number, False
    state.ops_launched_at = world.now()
    enter_state(world, group, state, "Pending")
    group.instance_states.append(state)
    record(group, f"Launching a new EC2 instance: {instance.id}", step.why)
    log.info("group %s: launch %s in %s: %s", group.name, instance.id, step.to, step.why)


def _member(world: World, group: Any, state: Any) -> Member:
    instance = state.instance
    draining = any(moto_elbv2.draining(world, arn, instance.id) for arn in group.target_group_arns)
    health = [moto_elbv2.states(world, arn) for arn in group.target_group_arns]
    current = True
    if group.ec2_launch_template is not None:
        current = state.ops_version == group.ec2_launch_template.get_version(version_of(group)).number
    return Member(
        id=instance.id,
        zone=instance.placement.zone,
        lifecycle=state.lifecycle_state,
        healthy=state.health_status == "Healthy",
        ec2=instance.state if moto_ec2.find(world, instance.id) is not None else "gone",
        launched_at=state.ops_launched_at,
        current=current,
        protected=bool(state.protected_from_scale_in),
        from_standby=state.ops_from_standby,
        draining=draining,
        hook=state.ops_hook,
        since=state.ops_since,
        serving=all(found.get(instance.id) == "healthy" for found in health if found),
    )


def _subnets(backend: Any, group: Any) -> dict[str, str]:
    """Zone → subnet of the group, in the order of its zones."""
    found: dict[str, str] = {}
    for subnet_id in (group.vpc_zone_identifier or "").split(","):
        if subnet_id:
            subnet = backend.ec2_backend.get_subnet(subnet_id.strip())
            found.setdefault(subnet.availability_zone, subnet.id)
    return dict(sorted(found.items()))


def record(group: Any, description: str, cause: str) -> None:
    """Write down an activity of the group."""
    from moto.autoscaling.models import Activity

    activity = Activity(description, cause, group, status_code="Successful")
    activity.progress = 100
    group.ops_activities.insert(0, activity)
    del group.ops_activities[200:]
