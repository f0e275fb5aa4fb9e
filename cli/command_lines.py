"""What is wrong with a command line that a document tells people to type: asked of the commands themselves."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator

from quartermaster.cli.options import hoisted

__all__ = ["complaint"]

_AWS_COMMON = ("--region", "--profile", "--output", "--query", "--no-cli-pager", "--cli-input-json")
_S3_OWN = ("cp", "ls", "mb", "mv", "presign", "rb", "rm", "sync", "website")
"""Commands of ``aws s3``, which are the client's own and none of the service's operations."""


def complaint(line: str) -> str:
    """What is wrong with the `ops` and `aws` commands in the line; empty when nothing is. Runs none of them."""
    try:
        commands = list(_commands(line))
    except ValueError as exc:
        return f"no shell would take it: {exc}"
    for words in commands:
        found = _ops(words[1:]) if words[0] == "ops" else _aws(words[1:])
        if found:
            return found
    return ""


def _commands(line: str) -> Iterator[list[str]]:
    """The words of each `ops` or `aws` command between the shell's operators."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("();<>|&"):
            words.append(word)
            continue
        if words[1:] and words[0] in ("ops", "aws"):
            yield words
        words = []


def _ops(words: list[str]) -> str:
    import typer

    from quartermaster.cli.commands import build

    command = build()
    context = None
    # Asking for help prints it.
    arguments = hoisted([word for word in words if word != "--help"])
    path = "ops"
    try:
        while arguments or not hasattr(command, "resolve_command"):
            # Parses and calls nothing: resilient parsing would let missing arguments pass.
            context = command.make_context(path, arguments, parent=context)
            if not hasattr(command, "resolve_command"):
                break
            path, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
    except typer.TyperException as exc:
        return str(exc)
    return ""


def _aws(words: list[str]) -> str:
    service, *rest = words
    if service == "s3":
        return "" if rest[:1] and rest[0] in _S3_OWN else f"no command of aws s3: {' '.join(rest[:1]) or 'none'}"
    operations = _operations(service)
    if operations is None:
        return f"no service {service!r} of aws"
    if not rest or rest[0] not in operations:
        return f"no operation {' '.join(rest[:1]) or '(none)'} of aws {service}"
    known = operations[rest[0]]
    options = [word.partition("=")[0] for word in rest[1:] if word.startswith("--")]
    unknown = [option for option in options if option not in (*known, *_AWS_COMMON)]
    return f"aws {service} {rest[0]} has no option {unknown[0]}" if unknown else ""


@functools.cache
def _operations(service: str) -> dict[str, tuple[str, ...]] | None:
    """Options by operation, as the client spells both; None when there is no such service."""
    from botocore import xform_name
    from botocore.session import Session

    session = Session()
    if service not in session.get_available_services():
        return None
    model = session.get_service_model(service)
    found: dict[str, tuple[str, ...]] = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        options: list[str] = []
        for member, kind in shape.members.items() if shape else ():
            options.append(f"--{xform_name(member, '-')}")
            if kind.type_name == "boolean":
                options.append(f"--no-{xform_name(member, '-')}")
        found[xform_name(name, "-")] = tuple(options)
    return found
