"""Groups and hosts as the cloud shows them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from quartermaster.fleet.errors import NotProvisioned
from quartermaster.fleet.hosts import Hosts


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield SimpleNamespace(
            fleet="shop", stack="dev", client=lambda name: boto3.client(name, region_name="eu-west-1")
        )


def test_a_cluster_that_was_never_made_is_told_with_what_makes_it(cloud: Any) -> None:
    with pytest.raises(NotProvisioned) as caught:
        Hosts(cloud).group("web")
    assert (caught.value.message, caught.value.remedy) == (
        "there is no auto-scaling group shop-dev-web",
        "ops provision up",
    )
    assert isinstance(caught.value, KeyError)  # as those who can do without it expect
