"""The base tree's place and recipe; building it is tested by every test on real hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import MissingPart, OpsError
from quartermaster.infra.setup import basetree, machine


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_another_recipe_lies_in_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = basetree.path("bookworm")
    assert basetree.path("bookworm") == before
    monkeypatch.setattr(basetree, "PACKAGES", (*basetree.PACKAGES, "jq"))
    assert basetree.path("bookworm") != before
    assert before.name.startswith("bookworm-")


@pytest.mark.parametrize(("suite", "server"), [("bookworm", "postgresql-15"), ("forky", "postgresql")])
def test_the_database_server_is_the_suites(suite: str, server: str) -> None:
    assert server in basetree.packages(suite)


def test_a_tree_that_is_there_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    basetree.path().mkdir(parents=True)
    monkeypatch.setattr(basetree, "_build", lambda tree, say: pytest.fail("built"))
    assert basetree.ensure() == basetree.path()


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "is_debian", lambda: True)
    monkeypatch.setattr(machine, "is_root", lambda: False)
    with pytest.raises(MissingPart, match="root is needed"):
        basetree.ensure()


def test_a_tree_that_cannot_be_built_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "setpriv").write_text("#!/bin/sh\necho 'E: no mirror answers' >&2\nexit 25\n")
    (tmp_path / "setpriv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpsError) as told:
        basetree._mmdebstrap(tmp_path, "bookworm", "", lambda _: None)
    assert render(told.value) == (
        "error: mmdebstrap failed (25):\nE: no mirror answers\n"
        "  remedy: see that `apt-get update` works with the sources in /etc/apt, then run `ops setup` again\n"
    )


def test_a_tree_never_built_has_no_manifest() -> None:
    assert basetree.manifest(basetree.path()) == {}
