"""The catalogue of policy rules: what each is called, how strict it is, why it is a rule and what to do about it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

__all__ = ["Policy", "Strictness", "load_policies"]

Strictness = Literal["mandatory", "protected", "advisory"]
"""mandatory blocks `up`; protected does so on protected stacks and is advisory on others; advisory is only shown."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule."""

    id: str
    severity: Strictness
    reason: str
    remedy: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@cache
def load_policies() -> Mapping[str, Policy]:
    """The rules by id, in the order of the file. Raises ValueError for a severity that is none."""
    text = files("quartermaster.fleet").joinpath("policies.toml").read_text(encoding="utf-8")
    found = {name: Policy(id=name, **fields) for name, fields in tomllib.loads(text).items()}
    for policy in found.values():
        if policy.severity not in get_args(Strictness):
            raise ValueError(f"{policy.id}: {policy.severity} is no severity")
    return found
