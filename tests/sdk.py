"""What pulumi_aws says of its resource types: the names that each takes and gives, as the engine spells them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

import pulumi
from pulumi import _types

__all__ = ["inputs", "outputs", "resource", "strange"]


@cache
def resource(token: str) -> type[pulumi.CustomResource]:
    """The class of a type such as ``aws:ec2/vpc:Vpc``. Raises LookupError for one that the SDK has not."""
    package, path, name = token.split(":")
    try:
        module = importlib.import_module(f"pulumi_{package}.{path.partition('/')[0]}")
        found: type[pulumi.CustomResource] = getattr(module, name)
    except (ImportError, AttributeError) as exc:
        raise LookupError(f"pulumi_{package} has no {token}") from exc
    if getattr(found, "pulumi_type", token) != token:
        raise LookupError(f"pulumi_{package} spells {token} {found.pulumi_type}")
    return found


@cache
def inputs(token: str) -> frozenset[str]:
    """Names of the type's inputs, from its Args class: the first that its module exports."""
    home = importlib.import_module(resource(token).__module__)
    return frozenset(_types.input_type_py_to_pulumi_names(getattr(home, home.__all__[0])).values())


@cache
def outputs(token: str) -> Mapping[str, Any]:
    """Names of the type's outputs with their types, from its properties."""
    return _types.resource_types(resource(token))


def strange(token: str, values: Mapping[str, Any]) -> list[str]:
    """Paths of the values that the SDK does not know as outputs of the type, at any depth."""
    known = {**outputs(token), "id": str}
    return [path for name, value in values.items() for path in _strange(name, value, known.get(name), name in known)]


def _strange(path: str, value: Any, kind: Any, known: bool) -> Iterator[str]:
    if not known:
        yield path
        return
    shapes = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and _types.is_output_type(one)]
    if isinstance(value, list):
        for item in value:
            yield from _strange(f"{path}[]", item, kind, True)
    elif isinstance(value, Mapping) and shapes:
        fields = _types.output_type_types(shapes[0])
        for name, item in value.items():
            yield from _strange(f"{path}.{name}", item, fields.get(name), name in fields)
