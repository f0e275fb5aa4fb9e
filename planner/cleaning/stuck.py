"""Sensors that are stuck: one value again and again in a series that else moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["stuck"]


def stuck(values: NDArray[np.float64], seasons: Seasons) -> list[tuple[int, int]]:
    """Start and length of runs of one non-zero value for a cycle or longer, where repeats are otherwise rare."""
    need = max(12, min(seasons.cycle, 288))
    if len(values) < 4 * need:
        return []
    same = np.append(np.diff(values) == 0, False)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], same.astype(np.int8), [0]))))
    starts, ends = edges[::2], edges[1::2]
    long = [(int(s), int(e - s) + 1) for s, e in zip(starts, ends, strict=True) if e - s + 1 >= need and values[s] != 0]
    inside = sum(length - 1 for _, length in long)
    rest = len(values) - sum(length for _, length in long)
    repeats = int(same.sum()) - inside
    return long if rest > 2 * need and repeats < 0.05 * rest else []
