"""``ops policy``: the rules that every stack is held to."""

from __future__ import annotations

from quartermaster.cli.group import Group
from quartermaster.cli.output import emit, table

__all__ = ["group"]

group = Group("policy", "Rules that every preview is checked against, and that block `up`.")


@group.command("list", example="ops policy list")
def list_() -> None:
    """Show every rule with its severity, why it is one, and what to do about it."""
    from quartermaster.fleet.policies import load_policies

    policies = load_policies().values()
    rows = [(one.id, one.severity, one.reason, one.remedy) for one in policies]
    text = table(["rule", "severity", "why", "remedy"], rows)
    text += "protected: mandatory on stacks with protect: true, advisory on others\n"
    emit({"rules": [one.to_json() for one in policies]}, text)
