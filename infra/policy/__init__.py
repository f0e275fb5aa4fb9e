"""Policy: rules that every stack is held to, run on the previewed resources before anything is made. Pure.

A value that is known only after creation (UNKNOWN) breaks no rule: what cannot be read is not accused. What a rule is
called, why it is one and how strict stands in ``fleet/policies.toml``; how it is checked, in the file of its theme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from quartermaster.fleet.events import Json
from quartermaster.fleet.policies import Policy, load_policies
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.schema.safety import Waiver
from quartermaster.infra.policy import access, availability, backups, data, edge, encryption, network, storage, watching
from quartermaster.infra.policy.scene import Broken, Scene
from quartermaster.infra.resources import Resource, is_called

__all__ = ["RULES", "Finding", "Rule", "check"]

_THEMES = (encryption, access, network, storage, data, backups, availability, edge, watching)


@dataclass(frozen=True, slots=True)
class Rule:
    """What the catalogue says of a rule, and its check."""

    policy: Policy
    check: Callable[[Scene], Broken]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a resource breaks."""

    rule: str
    severity: Literal["mandatory", "advisory"]
    """mandatory findings block ``up`` unless they are waived; advisory ones are shown."""
    resource: str
    """URN."""
    reason: str
    remedy: str
    waiver: Waiver | None = None
    """Why it blocks nothing, and until when."""

    def to_json(self) -> dict[str, Json]:
        """One item of ``policy``."""
        waived = {"reason": self.waiver.reason, "until": self.waiver.until.isoformat()} if self.waiver else None
        return {
            "rule": self.rule,
            "severity": self.severity,
            "resource": self.resource,
            "reason": self.reason,
            "remedy": self.remedy,
            "waived": waived,
        }


RULES: Mapping[str, Rule] = {
    id_: Rule(load_policies()[id_], rule)
    for theme in _THEMES
    for rule in theme.RULES
    if (id_ := rule.__name__.replace("_", "-"))
}
"""Every rule by its id. Raises KeyError at import for a check that the catalogue does not know."""


def check(resources: Iterable[Resource], fleet: Fleet, stack: str, today: date) -> list[Finding]:
    """What the resources break: mandatory findings first, then advisory ones, then those that are waived."""
    scene = Scene(tuple(resources), fleet, stack)
    found = [finding for id_, rule in RULES.items() for finding in _findings(id_, rule, scene)]
    return sorted(
        (_waived(finding, fleet.waivers, today) for finding in found),
        key=lambda finding: (finding.waiver is not None, finding.severity == "advisory"),
    )


def _findings(id_: str, rule: Rule, scene: Scene) -> Iterable[Finding]:
    strict = rule.policy.severity == "mandatory" or (rule.policy.severity == "protected" and scene.protected)
    for breach in rule.check(scene):
        yield Finding(
            rule=id_,
            severity="mandatory" if strict else "advisory",
            resource=breach.resource.urn,
            reason=breach.reason,
            remedy=breach.remedy or rule.policy.remedy,
        )


def _waived(finding: Finding, waivers: Sequence[Waiver], today: date) -> Finding:
    fitting = [one for one in waivers if one.rule == finding.rule and is_called(one.resource, finding.resource)]
    lasting = max(fitting, key=lambda waiver: waiver.until, default=None)
    if lasting is None:
        return finding
    if lasting.until < today:
        return replace(finding, reason=f"{finding.reason} (its waiver ended on {lasting.until})")
    return replace(finding, waiver=lasting)
