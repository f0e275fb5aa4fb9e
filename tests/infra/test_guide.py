"""The guide's map says of every resource type where it is declared, provided, found again and priced.

python tests/infra/test_guide.py     writes it anew
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from quartermaster.infra.cost.table import BY_USE, PRICED, is_free
from quartermaster.infra.local.provider import table
from quartermaster.infra.lookup import HARMLESS, LOOKUPS

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/guide/provision.md"
_PART = re.compile(r"(?<=<!-- map -->\n).*?(?=<!-- /map -->)", re.DOTALL)


def declared() -> Mapping[str, list[str]]:
    """Files of the program by the type that they declare."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "infra").glob("*.py")):
        for token in _made_in(file):
            found.setdefault(token, []).append(f"infra/{file.name}")
    return {token: list(dict.fromkeys(files)) for token, files in found.items()}


def _made_in(file: Path) -> Iterator[str]:
    """Types of the resources that the file makes: calls of ``aws.SERVICE.CLASS``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(attr=name, value=ast.Attribute(attr=service, value=ast.Name(id="aws")))):
                made: Any = getattr(importlib.import_module(f"pulumi_aws.{service}"), name)
                if token := getattr(made, "pulumi_type", ""):
                    yield token


def provided() -> Mapping[str, str]:
    """File of the local provider by type."""
    modules = [module for _, module in inspect.getmembers(table, inspect.ismodule) if hasattr(module, "KINDS")]
    return {kind.token: f"{module.__name__.rpartition('.')[2]}.py" for module in modules for kind in module.KINDS}


def _price(token: str) -> str:
    by_use = BY_USE.get(token, "")
    if token not in PRICED:
        return f"by use: {by_use}" if by_use else "free" if is_free(token) else "unknown"
    price = PRICED[token]
    home = price.__module__.rpartition(".")[2]
    return "flat rate" if home == "rates" else f"cost/{home}.py: {price.__name__}"


def _lookup(token: str) -> str:
    if token in HARMLESS:
        return "a setting: nothing to find"
    ask = LOOKUPS[token]
    return f"{ask.service} {ask.operation}" if hasattr(ask, "operation") else "by its tag"


def written() -> str:
    """The map as Markdown."""
    places, rows = declared(), provided()
    lines = [
        "| Type | Declared in | Provided in infra/local/provider | Priced | Found again by |",
        "|---|---|---|---|---|",
    ]
    for token in sorted(rows):
        files = ", ".join(f"`{file}`" for file in places.get(token, []))
        lines.append(f"| {token} | {files} | `{rows[token]}` | {_price(token)} | {_lookup(token)} |")
    return "\n".join(lines) + "\n"


def test_the_map_is_that_of_the_code() -> None:
    found = _PART.search(GUIDE.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0] == written(), "run: .venv/bin/python tests/infra/test_guide.py"


def test_every_type_that_is_provided_is_declared_and_the_other_way_round() -> None:
    assert declared().keys() == provided().keys()


def test_adding_a_type_takes_fewer_than_twenty_lines() -> None:
    text = GUIDE.read_text(encoding="utf-8").partition("## Add a resource type\n")[2].partition("\n## ")[0]
    assert 0 < len([line for line in text.splitlines() if line]) < 20


if __name__ == "__main__":
    GUIDE.write_text(_PART.sub(lambda _: written(), GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
