"""What the schema gives to people and editors: a commented example, and the JSON Schema."""

from __future__ import annotations

import ast
import inspect
from importlib.resources import files
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.schema.base import FleetName, Model
from quartermaster.fleet.schema.model import Fleet

__all__ = ["example", "json_schema"]

_NAME = "shop"


def example(name: str = _NAME) -> str:
    """A commented fleet.yaml that validates and runs on the local cloud. Raises InputError for a bad name."""
    try:
        TypeAdapter(FleetName).validate_python(name)
    except ValidationError:
        remedy = "lower-case letters, digits and single hyphens, a letter first; at most 24"
        raise InputError(f"{name!r} is no name for a fleet", [Fault("fleet", f"{name!r} is no name", remedy)]) from None
    text = files("quartermaster.fleet.schema").joinpath("example.yaml").read_text(encoding="utf-8")
    return text.replace(f"fleet: {_NAME}\n", f"fleet: {name}\n", 1)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of fleet.yaml. It checks form; rules over several fields are `ops validate`'s."""
    schema = Fleet.model_json_schema(by_alias=True)
    parts = schema["$defs"]
    for model in (model for model in Model.__subclasses__() if model.__module__.startswith(__package__)):
        part = schema if model is Fleet else parts[model.__name__]
        for name, text in _field_docs(model).items():
            part["properties"][model.model_fields[name].alias or name]["description"] = text
    # In the file objectives stand beside the reserved words, not under one of their own.
    parts["Recovery"]["properties"].pop("objectives")
    parts["Recovery"]["additionalProperties"] = {"$ref": "#/$defs/Objectives"}
    for part in (schema, *parts.values()):
        for field in part.get("properties", {}).values():
            if "patternProperties" in field:
                field["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "fleet.yaml", **schema}


def _field_docs(model: type[Model]) -> dict[str, str]:
    """What stands under the model's fields. Read here, since pydantic would read it at each start of ops (0.1 s)."""
    (declared,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(declared, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(declared.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }
