"""What users read of an error, whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import OpsError


def reads(cause: Callable[[], object], text: str) -> None:
    """What the cause raises reads so: message, faults with their places, remedy."""
    with pytest.raises(OpsError) as told:
        cause()
    assert render(told.value) == text
