"""Settings of auto-scaling groups that moto takes and forgets: kept, so that what is read is what was said.

Every function here runs under the cloud's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quartermaster.infra.local.moto_autoscaling import group_of, named, refusal

__all__ = ["install"]

_METRICS = (
    "GroupAndWarmPoolDesiredCapacity", "GroupAndWarmPoolTotalCapacity", "GroupDesiredCapacity",
    "GroupInServiceCapacity", "GroupInServiceInstances", "GroupMaxSize", "GroupMinSize", "GroupPendingCapacity",
    "GroupPendingInstances", "GroupStandbyCapacity", "GroupStandbyInstances", "GroupTerminatingCapacity",
    "GroupTerminatingInstances", "GroupTotalCapacity", "GroupTotalInstances",
)  # fmt: skip
_NUMBERS = {"DefaultCooldown": "default_cooldown", "DefaultInstanceWarmup": "default_instance_warmup"}


def install() -> None:
    """Give moto's groups and scaling policies the behaviour of this module. Call once."""
    import moto.autoscaling.models as models
    import moto.autoscaling.responses as responses

    group: Any = models.FakeAutoScalingGroup
    group.default_instance_warmup = None
    response: Any = responses.AutoScalingResponse
    for name in ("create_auto_scaling_group", "update_auto_scaling_group"):
        setattr(response, name, _remembering(getattr(response, name)))
    _patch_metrics(response)
    _patch_policies(models.AutoScalingBackend, response)


def _remembering(act: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def done(self: Any) -> Any:
        answer = act(self)
        group = group_of(self)
        for theirs, ours in _NUMBERS.items():
            if (number := self._get_int_param(theirs)) is not None:
                setattr(group, ours, number)
        if (rebalance := self._get_bool_param("CapacityRebalance", None)) is not None:
            group.capacity_rebalance = rebalance
        if policies := self._get_param("TerminationPolicies", []):
            group.termination_policies = policies
        return answer

    return done


def _patch_metrics(response: Any) -> None:
    from moto.core.responses import EmptyResult

    def enable(self: Any) -> Any:
        group, wanted = group_of(self), self._get_param("Metrics") or list(_METRICS)
        group.metrics = sorted({*group.metrics, *wanted})
        return EmptyResult()

    def disable(self: Any) -> Any:
        group, unwanted = group_of(self), self._get_param("Metrics") or list(_METRICS)
        group.metrics = [name for name in group.metrics if name not in unwanted]
        return EmptyResult()

    response.enable_metrics_collection, response.disable_metrics_collection = enable, disable


def _patch_policies(backend: Any, response: Any) -> None:
    """moto keeps policies by their name alone: two groups' policies of one name would be one."""
    from moto.core.responses import EmptyResult

    put = backend.put_scaling_policy

    def stored(self: Any, *args: Any, **kwargs: Any) -> Any:
        named(self, kwargs["as_name"])
        made = put(self, *args, **kwargs)
        self.policies.pop(made.name)
        self.policies[f"{made.auto_scaling_group_name}/{made.name}"] = made
        return made

    def policy_of(self: Any) -> tuple[str, Any]:
        name, group = self._get_param("PolicyName"), self._get_param("AutoScalingGroupName")
        for key, policy in self.autoscaling_backend.policies.items():
            if name in (policy.name, policy.arn) and group in (None, policy.auto_scaling_group_name):
                return key, policy
        raise refusal(f"No policy found with name: {name}")

    def delete(self: Any) -> Any:
        del self.autoscaling_backend.policies[policy_of(self)[0]]
        return EmptyResult()

    def execute(self: Any) -> Any:
        policy_of(self)[1].execute()
        return EmptyResult()

    backend.put_scaling_policy = stored
    response.delete_policy, response.execute_policy = delete, execute
