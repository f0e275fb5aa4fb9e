"""Clusters that tests share: each has its cloud started, and its first hosts make themselves, once a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.drill_cluster import DrillCluster, drill_cluster
from tests.hosts.local_cluster import LocalCluster, local_cluster
from tests.hosts.patch_cluster import PatchCluster, patch_cluster


@pytest.fixture(scope="session")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PatchCluster]:
    """The cluster of three hosts; a module brings it to the size that it needs."""
    with patch_cluster(tmp_path_factory.mktemp("patched")) as made:
        yield made


@pytest.fixture(scope="session")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillCluster]:
    """The cluster of three hosts for drills that put all of it back."""
    with drill_cluster(tmp_path_factory.mktemp("drilled")) as made:
        yield made


@pytest.fixture(scope="session")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """The cluster of three hosts that Ansible does not make; a module leaves it serving."""
    with local_cluster(tmp_path_factory.mktemp("marked")) as made:
        yield made
