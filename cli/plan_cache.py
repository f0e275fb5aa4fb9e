"""Capacity plans of the store, kept for the hour they hold: several commands ask for the same one.

Lives in ``.ops/cache``, which may be thrown away. The key is all that a plan depends on.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from quartermaster.fleet.files import replacing

if TYPE_CHECKING:
    from quartermaster.planner.plan import CapacityPlan

__all__ = ["cached"]


def cached(
    folder: Path, store: Path, wanted: Mapping[str, object], now: datetime, decide: Callable[[], CapacityPlan]
) -> CapacityPlan:
    """The plan of that store, those settings and this hour; decided anew where it is not kept. Writes the cache."""
    from importlib.metadata import version

    digest = hashlib.sha256(
        repr((version("quartermaster"), sorted(wanted.items(), key=repr), f"{now:%Y-%m-%dT%H}")).encode()
    )
    for file in sorted(store.rglob("*.parquet")):
        digest.update(file.read_bytes())
    path = folder / f"plan-{digest.hexdigest()[:32]}.pickle"
    try:
        kept: CapacityPlan = pickle.loads(path.read_bytes())
        return kept
    except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError):
        pass  # not kept, cut short, or of another version: decided anew
    plan = decide()
    for old in folder.glob("plan-*.pickle"):
        old.unlink(missing_ok=True)
    with replacing(path) as draft:
        draft.write_bytes(pickle.dumps(plan))
    return plan
