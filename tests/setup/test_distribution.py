"""The wheel holds every package of the tree."""

from __future__ import annotations

import tomllib
from pathlib import Path

from quartermaster.infra.setup import venv

HOME = venv.project()
SETUPTOOLS = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["setuptools"]


def packages() -> set[str]:
    """Folders with an ``__init__.py``, as import names."""
    found = (path.parent for name in venv.FOLDERS for path in (HOME / name).rglob("__init__.py"))
    return {".".join(("quartermaster", *folder.relative_to(HOME).parts)) for folder in found}


def test_every_package_is_listed() -> None:
    assert packages() - set(SETUPTOOLS["packages"]) == set()


def test_every_folder_has_its_place() -> None:
    assert {f"quartermaster.{name}": name for name in venv.FOLDERS}.items() <= SETUPTOOLS["package-dir"].items()


def test_the_engines_module_lock_is_shipped() -> None:
    folder = Path(HOME / "infra/setup")
    shipped = {
        path.name for glob in SETUPTOOLS["package-data"]["quartermaster.infra.setup"] for path in folder.glob(glob)
    }
    assert shipped == {"go.mod", "go.sum"}
