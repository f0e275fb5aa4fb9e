"""The documentation: it builds, its reference is what the code says, and its commands are ones that ops has."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from quartermaster.cli.command_lines import complaint
from quartermaster.fleet.policies import load_policies

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/guide").glob("*.md"))]
"""Not the decisions: they tell what was, in the words of their day."""


def commands(text: str) -> Iterator[str]:
    """Lines that tell people to type `ops …`: in blocks, indented or fenced, and between backticks."""
    fenced = re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in fenced for line in block.splitlines()]
    lines += re.findall(r"^ {4,}(ops .*)$", text, re.MULTILINE)
    lines += [" ".join(found.split()) for found in re.findall(r"`(ops [a-z][^`]*)`", text)]
    for line in lines:
        typed = line.strip().removeprefix("$ ").partition("   #")[0].rstrip()
        # Words in capitals stand for the reader's own, dots for more of the same, bars for one of several.
        if typed.startswith("ops ") and not re.search(r"[|…]|\.\.\.", typed):
            yield typed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_is_one_that_ops_has(page: Path) -> None:
    wrong = {line: found for line in commands(page.read_text(encoding="utf-8")) if (found := complaint(line))}
    # In a sentence a group stands for its commands, a command for all that it is run on.
    assert {line: found for line, found in wrong.items() if not found.startswith("Missing")} == {}


def test_a_command_that_is_none_is_found() -> None:
    assert complaint("ops patch run web --overide")
    assert list(commands("    ops patch run web   # one\n`ops drill\nlint` ops x\n")) == [
        "ops patch run web",
        "ops drill lint",
    ]


def test_the_reference_is_what_the_code_says() -> None:
    pages = _reference().pages()
    assert "### ops capacity whatif" in pages["reference/commands.md"]
    assert all(f"`{rule}`" in pages["reference/policy.md"] for rule in load_policies())
    assert "`survive` | [Survive](#survive)" in pages["reference/fleet.md"]
    assert "| 4 | stopped part-way and resumable | `LeaseLost`, `Stopped` |" in pages["reference/journal.md"]


@pytest.mark.slow
def test_the_site_builds_and_no_link_leads_nowhere(tmp_path: Path) -> None:
    mkdocs = Path(sys.executable).with_name("mkdocs")
    command = [mkdocs, "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ops provision preview" in (tmp_path / "site/reference/commands/index.html").read_text(encoding="utf-8")


def _reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_reference", ROOT / "docs/reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
