"""The auto-scaling API's side of groups: requests change records and refuse what AWS refuses; ``advance`` acts.

Every function here runs under ``World.lock``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from quartermaster.infra.local import moto_elbv2
from quartermaster.infra.local.moto_autoscaling import enter_state, group_of, named, refusal
from quartermaster.infra.local.world import World

__all__ = ["install"]

_MOST_PROTECTED = 50
"""In one call: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceProtection.html"""


def install(world: World) -> None:
    """Give moto's auto-scaling the behaviour of this module. Call once."""
    import moto.autoscaling.models as models
    import moto.autoscaling.responses as responses

    backend: Any = models.AutoScalingBackend
    group: Any = models.FakeAutoScalingGroup
    response: Any = responses.AutoScalingResponse
    _patch_group(world, group)
    _patch_capacity(world, backend)
    _patch_members(world, backend)
    _patch_responses(world, response)
    member: Any = models.InstanceState
    member.launch_template = property(_template_of_member)
    # Until a member has been moved once: those that a user attached.
    member.ops_hook, member.ops_from_standby, member.ops_version = None, False, 0
    member.ops_since = member.ops_launched_at = 0.0


def _patch_group(world: World, group: Any) -> None:
    begin, update = group.__init__, group.update

    def born(self: Any, *args: Any, **kwargs: Any) -> None:
        self.ops_activities, self.ops_rebalancing, self.ops_checked = [], False, world.now()
        self.ops_launch_version, self.ops_extra = "", 0
        begin(self, *args, **kwargs)
        _check_size(self, int(self.desired_capacity or 0))

    def resize(self: Any, new_capacity: int | None) -> None:
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity

    def changed(self: Any, **kwargs: Any) -> None:
        low = self.min_size if kwargs.get("min_size") is None else kwargs["min_size"]
        high = self.max_size if kwargs.get("max_size") is None else kwargs["max_size"]
        wanted = kwargs.get("desired_capacity")
        if low > high:
            raise refusal(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
        if wanted is None:
            kwargs["desired_capacity"] = min(max(int(self.desired_capacity or 0), low), high)
        elif not low <= wanted <= high:
            raise refusal(f"Desired capacity:{wanted} must be between the specified min size:{low} and max size:{high}")
        policy = kwargs.get("mixed_instances_policy")
        kwargs["mixed_instances_policy"] = policy if policy is not None else self.mixed_instances_policy
        update(self, **kwargs)

    group.__init__, group.update, group.set_desired_capacity = born, changed, resize


def _patch_capacity(world: World, backend: Any) -> None:
    create, delete = backend.create_auto_scaling_group, backend.delete_auto_scaling_group

    def created(self: Any, **kwargs: Any) -> Any:
        if kwargs["name"] in self.autoscaling_groups:
            raise refusal("AutoScalingGroup by this name already exists", "AlreadyExists")
        made = create(self, **kwargs)
        made.health_check_grace_period = int(kwargs.get("health_check_period") or 0)  # AWS's default; moto says 300
        return made

    def resized(self: Any, group_name: str, desired_capacity: int | None) -> None:
        group = named(self, group_name)
        _check_size(group, int(desired_capacity or 0))
        group.desired_capacity = desired_capacity

    def deleted(self: Any, group_name: str, force: bool = False) -> None:
        group = self.autoscaling_groups.get(group_name)
        if group is not None and group.instance_states and not force:
            raise refusal(
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) "
                "still in the group.",
                "ResourceInUse",
            )
        for state in group.instance_states if group is not None else ():
            enter_state(world, group, state, "Terminating")
            self.ec2_backend.terminate_instances([state.instance.id])
        if group is not None:
            group.min_size = 0  # moto deletes by way of a desired capacity of 0
        delete(self, group_name)
        for store in (self.lifecycle_hooks, self.scheduled_actions, self.policies):
            for key in [key for key, item in store.items() if item.auto_scaling_group_name == group_name]:
                del store[key]

    backend.create_auto_scaling_group = created
    backend.set_desired_capacity = resized
    backend.delete_auto_scaling_group = deleted


def _patch_members(world: World, backend: Any) -> None:
    from moto.autoscaling.models import EnterStandbyActivity, ExitStandbyActivity, TerminateInstanceActivity

    detach = backend.detach_instances

    def enter_standby(self: Any, group_name: str, instance_ids: list[str], should_decrement: bool) -> list[Any]:
        group = named(self, group_name)
        states = [_state(group, name) for name in instance_ids]
        for state in states:
            if state.lifecycle_state != "InService":
                raise refusal(f"The instance {state.instance.id} is in {state.lifecycle_state}, not in InService.")
        before = group.desired_capacity
        if should_decrement:
            if before - len(states) < group.min_size:
                raise refusal(
                    f"AutoScalingGroup {group_name} has min-size={group.min_size}, max-size={group.max_size}, and "
                    f"desired-size={before}. To place into standby {len(states)} instance(s), please update the "
                    "AutoScalingGroup sizes appropriately."
                )
            group.desired_capacity = before - len(states)
        for state in states:
            enter_state(world, group, state, "EnteringStandby")
        return [EnterStandbyActivity(state.instance, before) for state in states]

    def exit_standby(self: Any, group_name: str, instance_ids: list[str]) -> list[Any]:
        group = named(self, group_name)
        states = [_state(group, name) for name in instance_ids]
        for state in states:
            if state.lifecycle_state != "Standby":
                raise refusal(f"The instance {state.instance.id} is in {state.lifecycle_state}, not in Standby.")
        before = group.desired_capacity
        if before + len(states) > group.max_size:
            raise refusal(
                f"AutoScalingGroup {group_name} has min-size={group.min_size}, max-size={group.max_size}, and "
                f"desired-size={before}. To exit standby {len(states)} instance(s), please update the "
                "AutoScalingGroup sizes appropriately."
            )
        group.desired_capacity = before + len(states)
        for state in states:
            enter_state(world, group, state, "Pending")
            state.ops_from_standby = True
        return [ExitStandbyActivity(state.instance, before) for state in states]

    def protect(self: Any, group_name: str, instance_ids: list[str], protected: bool | None) -> None:
        group = named(self, group_name)
        if len(instance_ids) > _MOST_PROTECTED:
            raise refusal(f"{len(instance_ids)} instances were named, {_MOST_PROTECTED} may be.")
        states = [_state(group, name) for name in instance_ids]
        for state in states:
            if state.lifecycle_state not in ("InService", "EnteringStandby", "Standby"):
                raise refusal(f"The instance {state.instance.id} is not in InService or EnteringStandby or Standby.")
        for state in states:
            state.protected_from_scale_in = protected

    def terminate(self: Any, instance_id: str, should_decrement: bool) -> Any:
        for group in self.autoscaling_groups.values():
            for state in group.instance_states:
                if state.instance.id != instance_id:
                    continue
                before = group.desired_capacity
                if should_decrement:
                    _check_size(group, before - 1)
                    group.desired_capacity = before - 1
                if not state.lifecycle_state.startswith("Terminating"):
                    enter_state(world, group, state, "Terminating")
                return TerminateInstanceActivity(state.instance, before)
        raise refusal(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")

    def detached(self: Any, group_name: str, instance_ids: list[str], should_decrement: bool) -> Any:
        group = named(self, group_name)
        for name in instance_ids:
            for arn in group.target_group_arns:
                moto_elbv2.deregister(world, arn, _state(group, name).instance.id)
        return detach(self, group_name, instance_ids, should_decrement)

    def attached(self: Any, group_name: str) -> None:
        group = named(self, group_name)
        for state in group.instance_states:
            if state.lifecycle_state == "InService":
                for arn in group.target_group_arns:
                    moto_elbv2.register(world, arn, state.instance.id)

    def detach_target_groups(self: Any, group_name: str, target_group_arns: list[str]) -> None:
        group = named(self, group_name)
        for arn in target_group_arns:
            for state in group.instance_states:
                moto_elbv2.deregister(world, arn, state.instance.id)
        group.target_group_arns = [arn for arn in group.target_group_arns if arn not in target_group_arns]

    backend.enter_standby_instances, backend.exit_standby_instances = enter_standby, exit_standby
    backend.set_instance_protection = protect
    backend.terminate_instance, backend.detach_instances = terminate, detached
    backend.update_attached_target_groups = attached
    backend.detach_load_balancer_target_groups = detach_target_groups
    backend.notify_terminate_instances = _notice_later


def _patch_responses(world: World, response: Any) -> None:
    from moto.core.responses import ActionResult, EmptyResult

    def delete(self: Any) -> Any:
        force = bool(self._get_bool_param("ForceDelete", False))
        self.autoscaling_backend.delete_auto_scaling_group(self._get_param("AutoScalingGroupName"), force)
        return EmptyResult()

    def activities(self: Any) -> Any:
        name = self._get_param("AutoScalingGroupName")
        groups = self.autoscaling_backend.describe_auto_scaling_groups([name] if name else [])
        return ActionResult({"Activities": [item for group in groups for item in group.ops_activities][:100]})

    def completed(self: Any) -> Any:
        state = _waiting(self)
        state.ops_hook = replace(state.ops_hook, result=self._get_param("LifecycleActionResult"))
        return EmptyResult()

    def beaten(self: Any) -> Any:
        state = _waiting(self)
        hook = self.autoscaling_backend.lifecycle_hooks[f"{state.auto_scaling_group_name}_{state.ops_hook.name}"]
        state.ops_hook = replace(state.ops_hook, deadline=world.now() + float(hook.heartbeat_timeout))
        return EmptyResult()

    methods: dict[str, Callable[[Any], Any]] = {
        "delete_auto_scaling_group": delete,
        "describe_scaling_activities": activities,
        "complete_lifecycle_action": completed,
        "record_lifecycle_action_heartbeat": beaten,
    }
    for name, method in methods.items():
        setattr(response, name, method)


def _waiting(request: Any) -> Any:
    """The member whose lifecycle action a request names. Raises as AWS does when none waits."""
    group = group_of(request)
    name, instance_id = request._get_param("LifecycleHookName"), request._get_param("InstanceId")
    for state in group.instance_states:
        hook = state.ops_hook
        if state.instance.id == instance_id and hook is not None and hook.name == name and not hook.result:
            return state
    raise refusal(f"No active Lifecycle Action found with instance ID {instance_id}")


def _notice_later(_backend: Any, _instance_ids: list[str]) -> None:
    """The group learns of it at its own health check, as on AWS, and not because EC2 told it."""


def _state(group: Any, instance_id: str) -> Any:
    for state in group.instance_states:
        if state.instance.id == instance_id:
            return state
    raise refusal(f"The instance {instance_id} is not part of Auto Scaling group {group.name}.")


def _check_size(group: Any, desired: int) -> None:
    if desired > group.max_size:
        raise refusal(
            f"New SetDesiredCapacity value {desired} is above max value {group.max_size} for the AutoScalingGroup."
        )
    if desired < group.min_size:
        raise refusal(
            f"New SetDesiredCapacity value {desired} is below min value {group.min_size} for the AutoScalingGroup."
        )


def _template_of_member(state: Any) -> dict[str, Any] | None:
    template = state.auto_scaling_group.ec2_launch_template
    if template is None:
        return None
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Version": str(state.ops_version or template.default_version_number),
    }
