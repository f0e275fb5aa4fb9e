"""What settings allow at best: how long a loss takes to be noticed. Pure.

One place for the formulas, so that what the lint predicts, what policy warns of and what a drill is held to are one
number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.fleet.schema.servers import Balancer

__all__ = ["check_timeout", "detection_seconds", "earliest_detection_seconds"]

_LEAST_TIMEOUT, _TIMEOUT = 2, 5


def check_timeout(balancer: Balancer) -> int:
    """Seconds that a host's answer to a health check may take: 5, where the next check is not due before."""
    return max(_LEAST_TIMEOUT, min(_TIMEOUT, balancer.check_seconds - 2))


def detection_seconds(balancer: Balancer) -> int:
    """Until a silent host gets no more requests, at the latest.

    It falls silent right after it answered: ``unhealthy_after`` checks begin an interval apart, the first an interval
    later, and the last must time out.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    """
    return balancer.check_seconds * balancer.unhealthy_after + check_timeout(balancer)


def earliest_detection_seconds(balancer: Balancer) -> int:
    """The same at the earliest: it falls silent right before it is asked."""
    return detection_seconds(balancer) - balancer.check_seconds
