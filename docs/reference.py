"""The reference pages, generated from the code whenever the documentation is built: a hook of mkdocs.

Nothing is written into docs/: what is generated cannot be edited, or grow old.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from quartermaster.cli.commands import build
from quartermaster.fleet import errors
from quartermaster.fleet.events import Noted, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.policies import load_policies
from quartermaster.fleet.schema import json_schema

__all__ = ["on_files", "pages"]

_EXITS = {
    0: "done",
    1: "the work failed",
    2: "bad usage or input; nothing was touched",
    3: "changes or drift found, with --exit-code",
    4: "stopped part-way and resumable",
    130: "stopped by hand",
}


_POLICY = """\
Checked on every preview; mandatory ones block `ops provision up` unless `waivers` in fleet.yaml sets them aside with a
reason and an end. protected: mandatory on stacks with `protect: true`, advisory on others.
"""
_EVENTS = """
## Events

What a run writes into its journal, before the act and after it; `ops history RUN` shows them, `ops history export`
writes them to a file.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages. Called by mkdocs."""
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> dict[str, str]:
    """Markdown by path below docs."""
    return {
        "reference/commands.md": "\n".join(_commands()),
        "reference/fleet.md": "\n".join(_fleet()),
        "reference/policy.md": "\n".join(_policy()),
        "reference/journal.md": "\n".join(_journal()),
    }


def _commands() -> Iterator[str]:
    yield "# Commands\n"
    yield "Common options stand before or after the subcommand: `--fleet`, `--stack`, `--json`, `--yes`, `--debug`.\n"
    root: Any = build()
    for name, command in root.commands.items():
        if not hasattr(command, "commands"):
            yield from _command(command, f"ops {name}", "##")
            continue
        yield f"## ops {name}\n\n{_text(command.help)}\n"
        for below, one in command.commands.items():
            if not one.hidden:
                yield from _command(one, f"ops {name} {below}", "###")


def _command(command: Any, path: str, level: str) -> Iterator[str]:
    context = typer.Context(command, info_name=path)
    yield f"{level} {path}\n\n{_text(command.help)}\n"
    yield f"    {path} {' '.join(command.collect_usage_pieces(context))}\n"
    rows = [row for param in command.get_params(context) if (row := param.get_help_record(context))]
    if rows := [row for row in rows if row[0] != "--help"]:
        yield "| Option | |\n|---|---|"
        yield from (f"| `{_code(name)}` | {_cell(says)} |" for name, says in rows)
        yield ""
    if command.epilog:
        yield f"Example: `{command.epilog.partition(chr(10))[0].removeprefix('Example: ')}`\n"


def _fleet() -> Iterator[str]:
    schema = json_schema()
    yield "# fleet.yaml\n"
    yield "One file describes the fleet. `ops init` writes a commented one, `ops schema` prints this as JSON Schema.\n"
    yield from _fields("Top level", schema)
    for name, part in sorted(schema["$defs"].items()):
        if "properties" in part:
            yield from _fields(name, part)


def _fields(name: str, part: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    if name != "Top level" and part.get("description"):
        yield f"{_text(part['description'])}\n"
    required = part.get("required", ())
    yield "| Key | Takes | Default | |\n|---|---|---|---|"
    for key, field in part.get("properties", {}).items():
        default = "required" if key in required else _default(field)
        yield f"| `{key}` | {_cell(_takes(field))} | {default} | {_cell(field.get('description', ''))} |"
    yield ""


def _default(field: Mapping[str, Any]) -> str:
    """Parts of their own state their defaults where they stand."""
    if field.get("default") in (None, "", [], {}) or "$ref" in field:
        return ""
    return f"`{_code(json.dumps(field['default']))}`"


def _takes(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(_takes(one) for one in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        items = field.get("items") or (field.get("prefixItems") or [{}])[0]
        return f"list of {_takes(items)}"
    named = next(iter(field.get("patternProperties", {}).values()), field.get("additionalProperties"))
    if field.get("type") == "object" and isinstance(named, Mapping):
        return f"names, each with {_takes(named)}"
    low, high = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum", field.get("exclusiveMaximum"))
    span = "" if low is None and high is None else f" {'' if low is None else low}..{'' if high is None else high}"
    return f"{field.get('type', 'any')}{span}"


def _policy() -> Iterator[str]:
    yield "# Policy rules\n"
    yield _POLICY
    yield "| Rule | Severity | Why | What to do |\n|---|---|---|---|"
    for one in load_policies().values():
        yield f"| `{one.id}` | {one.severity} | {_cell(one.reason)} | {_cell(one.remedy)} |"


def _journal() -> Iterator[str]:
    yield "# Events and exit codes\n\n## Exit codes\n"
    yield "| Status | Means | Errors |\n|---|---|---|"
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.OpsError)]
    for status, means in _EXITS.items():
        names = ", ".join(f"`{kind.__name__}`" for kind in kinds if kind.exit_code == status)
        yield f"| {status} | {means} | {names} |"
    yield _EVENTS
    for kind in (StepStarted, StepFinished, StepFailed, Noted):
        yield f"### {kind.kind}\n\n{_text(kind.__doc__)}\n"
        yield "| Field | Type | Default |\n|---|---|---|"
        for field in fields(kind):
            default = "required" if field.default is MISSING and field.default_factory is MISSING else "optional"
            yield f"| `{field.name}` | `{_cell(field.type)}` | {default} |"
        yield ""


def _text(text: str | None) -> str:
    return " ".join((text or "").replace("<", "&lt;").split())


def _cell(text: object) -> str:
    return _text(str(text)).replace("|", "\\|")


def _code(text: object) -> str:
    """For between backticks, where nothing but the table's own bar is special."""
    return " ".join(str(text).split()).replace("|", "\\|")
