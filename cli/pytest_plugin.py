"""A pytest plugin: a repository tests its own fleet.yaml on a small local copy of the fleet.

    def test_a_patch_loses_nothing(ops_rehearsal):
        web = ops_rehearsal("web")
        assert web.patch().requests["failed"] == 0

The file is ``fleet.yaml`` beside pytest's configuration, or the ini option ``ops_fleet``. Copies are made at first use,
kept for the session, and removed at its end, also when it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from quartermaster.cli.rehearsal import Rehearsal
    from quartermaster.fleet.schema import Fleet

__all__ = ["ops_fleet", "ops_rehearsal", "pytest_addoption"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option that names the fleet file. Called by pytest."""
    parser.addini("ops_fleet", "fleet.yaml of the tests that take ops_fleet or ops_rehearsal", default="fleet.yaml")


def _file(config: pytest.Config) -> Path:
    return config.rootpath / str(config.getini("ops_fleet"))


@pytest.fixture(scope="session")
def ops_fleet(pytestconfig: pytest.Config) -> Fleet:
    """The repository's fleet, valid. Fails with every fault of the file."""
    from quartermaster.cli.errors import render
    from quartermaster.fleet.errors import InputError
    from quartermaster.fleet.schema import load_fleet

    try:
        return load_fleet(_file(pytestconfig))
    except InputError as error:
        pytest.fail(render(error), pytrace=False)


@pytest.fixture(scope="session")
def ops_rehearsal(
    ops_fleet: Fleet,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Rehearsal]]:
    """Gives the copy for a cluster or database (empty: the whole fleet), provisioned once. Needs root on Linux."""
    from quartermaster.cli.rehearsal import Rehearsal

    made: dict[str, Rehearsal] = {}
    with ExitStack() as stack:

        def rehearsal(of: str = "") -> Rehearsal:
            if of not in made:
                folder = tmp_path_factory.mktemp("rehearsal") / "copy"
                copy = stack.enter_context(Rehearsal(_file(pytestconfig), of, folder))
                step = copy.provision()
                if not step.passed:
                    pytest.fail(f"the copy of {ops_fleet.fleet} cannot be made: {step.outcome}", pytrace=False)
                made[of] = copy
            return made[of]

        yield rehearsal
