"""Lifecycle hooks of auto-scaling groups that were there before them."""

from __future__ import annotations

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State, again
from quartermaster.infra.local.provider.spelling import camel, pascal

__all__ = ["KINDS", "hook_settings"]

_SETTINGS = ("lifecycleTransition", "defaultResult", "heartbeatTimeout")


def hook_settings(given: Given) -> dict[str, object]:
    """What the API is given of a hook, but for its group."""
    said = {name: given[name] for name in _SETTINGS if name in given}
    return {"LifecycleHookName": given["name"], **pascal(said)}


def _put(api: Api, given: Given) -> str:
    group = given["autoscalingGroupName"]
    api.client("autoscaling").put_lifecycle_hook(AutoScalingGroupName=group, **hook_settings(given))
    return str(given["name"])


def _read(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("autoscaling").describe_lifecycle_hooks(
        AutoScalingGroupName=given["autoscalingGroupName"], LifecycleHookNames=[id_]
    )["LifecycleHooks"]
    if not found:
        return None
    state = camel(found[0])
    settings = {name: state[name] for name in _SETTINGS if name in state}
    return {"name": id_, "autoscalingGroupName": state["autoScalingGroupName"], **settings}


def _delete(api: Api, id_: str, state: Given) -> None:
    group = state["autoscalingGroupName"]
    api.client("autoscaling").delete_lifecycle_hook(AutoScalingGroupName=group, LifecycleHookName=id_)


KINDS = (
    Kind(
        "aws:autoscaling/lifecycleHook:LifecycleHook",
        create=_put,
        read=_read,
        update=again(_put),
        delete=_delete,
        fixed="name autoscalingGroupName",
        live="lifecycleTransition defaultResult heartbeatTimeout",
        needs="name autoscalingGroupName lifecycleTransition",
        limits={"name": Limit(r"[A-Za-z0-9\-_/]{1,255}", "up to 255 letters, digits, hyphens, underscores, slashes")},
    ),
)
