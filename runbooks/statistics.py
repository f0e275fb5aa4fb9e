"""What few drills prove of the recovery time: bounds of its quantiles that hold whatever its distribution. Pure.

Of n drills like the next one, sorted, the k-th shortest is no less than the quantile q with probability
P(Binomial(n, q) < k): so many of them lie below the quantile by chance. With k = n that is 1 - q^n.
Hahn and Meeker, Statistical Intervals (Wiley 1991), section 5.2; David and Nagaraja, Order Statistics (2003), 7.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CONFIDENCE", "Bound", "bound", "confidence", "drills_needed", "statements"]

CONFIDENCE = 0.9
_QUANTILES = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Bound:
    """An upper bound of a quantile."""

    quantile: float
    seconds: float
    confidence: float
    """That the quantile is at most ``seconds``: at least this."""
    place: int
    """Of the drill that bounds it, when the shortest is the first."""


def confidence(n: int, place: int, quantile: float) -> float:
    """The probability that the ``place``-th shortest of ``n`` is no less than the quantile."""
    return sum(math.comb(n, i) * quantile**i * (1 - quantile) ** (n - i) for i in range(place))


def bound(seconds: Sequence[float], quantile: float, wanted: float = CONFIDENCE) -> Bound | None:
    """The least drill that bounds the quantile with the wanted confidence; None where there are too few."""
    n = len(seconds)
    for place, value in enumerate(sorted(seconds), start=1):
        sure = confidence(n, place, quantile)
        if sure >= wanted:
            return Bound(quantile, value, sure, place)
    return None


def drills_needed(quantile: float, wanted: float = CONFIDENCE) -> int:
    """How many drills it takes until the slowest bounds the quantile."""
    return math.ceil(math.log(1 - wanted) / math.log(quantile))


def statements(seconds: Sequence[float]) -> tuple[str, ...]:
    """What may be claimed of recoveries like these, and what may not yet; empty without a drill."""
    n = len(seconds)
    if not n:
        return ()
    told = []
    for quantile in _QUANTILES:
        found, share = bound(seconds, quantile), _share(quantile)
        if found is not None:
            told.append(f"With n={n}, {found.confidence:.1%} confident that {share} at most {found.seconds:.1f} s.")
            continue
        weak = f"With n={n}, only {confidence(n, n, quantile):.1%} confident that {share} at most {max(seconds):.1f} s"
        more = drills_needed(quantile) - n
        told.append(f"{weak}: {more} more {'drill' if more == 1 else 'drills'} for {CONFIDENCE:.0%}.")
    return tuple(told)


def _share(quantile: float) -> str:
    return "the median recovery takes" if quantile == 0.5 else f"{quantile:.0%} of recoveries take"
