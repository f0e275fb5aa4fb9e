"""What users talk to: listeners and balancers."""

from __future__ import annotations

from collections.abc import Iterator

from quartermaster.infra.inputs import HIDDEN, holds, items
from quartermaster.infra.policy.scene import Breach, Broken, Scene
from quartermaster.infra.resources import Resource

__all__ = ["RULES"]

_LISTENER = "aws:lb/listener:Listener"
_MODERN = ("ELBSecurityPolicy-TLS13-1-2-", "ELBSecurityPolicy-TLS13-1-3-")
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html"""


def tls_listener(scene: Scene) -> Broken:
    """With dns declared nothing is served without TLS. Locally the plain port serves, and outputs say so."""
    for one in _plain(scene) if scene.on_aws and scene.fleet.dns is not None else ():
        yield Breach(one, f"listener {one.name} serves without TLS")


def plain_listener(scene: Scene) -> Broken:
    """Without dns there is no certificate, and it is told that everything is served in plain."""
    for one in _plain(scene) if scene.on_aws and scene.fleet.dns is None else ():
        yield Breach(one, f"listener {one.name} speaks plain HTTP")


def tls_policy(scene: Scene) -> Broken:
    """TLS listeners speak TLS 1.2 and newer only."""
    for one in scene.of(_LISTENER):
        policy = str(one.inputs.get("sslPolicy") or "")
        encrypted = one.inputs.get("protocol") in ("HTTPS", "TLS")
        if encrypted and policy not in HIDDEN and not policy.startswith(_MODERN):
            yield Breach(one, f"listener {one.name} has {policy or 'an old policy of AWS'} for its TLS")


def drop_invalid_headers(scene: Scene) -> Broken:
    """Application balancers pass on no malformed headers."""
    for one in scene.of("aws:lb/loadBalancer:LoadBalancer"):
        application = one.inputs.get("loadBalancerType") in (None, "application")
        if application and not holds(one.inputs.get("dropInvalidHeaderFields")):
            yield Breach(one, f"balancer {one.name} passes malformed headers on")


def _plain(scene: Scene) -> Iterator[Resource]:
    """Listeners that serve over HTTP rather than redirect."""
    for one in scene.of(_LISTENER):
        actions = items(one.inputs.get("defaultActions"))
        if one.inputs.get("protocol") == "HTTP" and not any(action.get("type") == "redirect" for action in actions):
            yield one


RULES = (tls_listener, plain_listener, tls_policy, drop_invalid_headers)
