"""One cluster for all tests of patching: its cloud is started, and its first hosts make themselves, once a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.patch_cluster import PatchCluster, patch_cluster


@pytest.fixture(scope="session")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PatchCluster]:
    """The cluster of three hosts; a module brings it to the size that it needs."""
    with patch_cluster(tmp_path_factory.mktemp("patched")) as made:
        yield made
