"""The roles' argument specs as the controller reads them: a wrong variable is refused before a host is touched.

Ansible checks the same specs on every host, by the same validator; there the fault costs a converge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from quartermaster.fleet.errors import Fault

__all__ = ["faults", "missing", "specs"]

_SPEC = re.compile(r"roles/([^/]+)/meta/argument_specs\.ya?ml")
_MARK = "{{"


def specs(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Role → option → its spec, of the roles in the files of a bundle that say what they take."""
    from ruamel.yaml import YAML

    found = {}
    for name, content in files.items():
        if matched := _SPEC.fullmatch(name):
            read = YAML(typ="safe").load(content.decode()) or {}
            main = read.get("argument_specs", {}).get("main", {})
            found[matched[1]] = dict(main.get("options") or {})
    return found


def faults(known: Mapping[str, Mapping[str, Any]], variables: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the variables of a fleet: a type, a choice, a part that is missing, or a name. Pure.

    A text with a template in it is left to the hosts, which alone can tell what it becomes.
    """
    options = {name: spec for each in known.values() for name, spec in each.items()}
    found = []
    for name, value in sorted(variables.items()):
        where = f"ansible.vars.{name}"
        if name in options:
            found += [
                Fault(where, problem, _remedy(name, options[name])) for problem in _problems(name, value, options)
            ]
        elif role := _owner(name, known):
            names = ", ".join(sorted(option for option in known[role] if option.startswith(f"{role}_")))
            found.append(Fault(where, f"role {role} takes no variable {name!r}", f"one of {names}"))
    return found


def missing(known: Mapping[str, Mapping[str, Any]], cluster: str, variables: Mapping[str, Any]) -> list[Fault]:
    """What the role of a cluster cannot do without and its variables lack. Pure."""
    role = str(variables["role"])
    return [
        Fault(f"clusters.{cluster}.role", f"role {role} needs {name}", f"under ansible.vars, {_remedy(name, spec)}")
        for name, spec in known.get(role, {}).items()
        if spec.get("required") and name not in variables
    ]


def _problems(name: str, value: Any, options: Mapping[str, Any]) -> Iterator[str]:
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    if _templated(value):
        return
    for message in ArgumentSpecValidator({name: dict(options[name])}).validate({name: _plain(value)}).error_messages:
        # Ansible's message holds the value, too.
        yield "its value, which is not shown" if options[name].get("no_log") else f"{value!r}: {message}"


def _plain(value: Any) -> Any:
    """The value as JSON has it: fleet.yaml's lists are read as tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _templated(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_templated, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_templated, value))
    return isinstance(value, str) and _MARK in value


def _owner(name: str, known: Mapping[str, Mapping[str, Any]]) -> str:
    """The role with a spec that a variable's name begins with, the longest; empty when there is none."""
    return max((role for role in known if name.startswith(f"{role}_")), key=len, default="")


def _remedy(name: str, spec: Mapping[str, Any]) -> str:
    kind = f"{spec['type']} of {spec['elements']}" if "elements" in spec else str(spec.get("type", "str"))
    choices = f", one of {', '.join(map(str, spec['choices']))}" if "choices" in spec else ""
    return f"{name}: {kind}{choices}. {spec.get('description', '')}".strip()
