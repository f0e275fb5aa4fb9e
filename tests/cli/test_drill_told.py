"""What a person is told of a drill."""

from __future__ import annotations

from typing import Any

from quartermaster.cli.drill import _told

RESULT: dict[str, Any] = {
    "kind": "zone_outage",
    "of": "web",
    "target": "local",
    "rto_seconds": 25.34,
    "rto_phases": {"detect": 15.2, "verify": 10.14},
    "rpo_seconds": 0.0,
    "requests": {"sent": 2000, "failed": 120},
    "failing_seconds": (0.1, 18.2),
    "detail": {
        "subjects": {
            "web": {"rto_seconds": 25.34, "objective_met": True},
            "orders": {"rto_seconds": None, "objective_met": None},
        }
    },
    "objective_met": True,
    "restored": True,
}


def test_each_that_was_hit_is_told_and_when_requests_failed_and_what_data_was_lost() -> None:
    assert _told(RESULT).splitlines() == [
        "zone_outage of web on local: recovered in 25.3 s (detect 15.2 s + verify 10.1 s)",
        "requests: 120 of 2000 failed at the balancer, from 0.1 to 18.2 s after the fault",
        "web: recovered in 25.3 s; objective met: yes",
        "orders: recovery not measured; objective met: none declared",
        "data lost: 0.0 s of confirmed writes",
        "objective met: yes; everything as before: yes (rehearsed: local evidence)",
    ]


def test_what_a_drill_does_not_measure_is_not_told() -> None:
    plain = {**RESULT, "failing_seconds": None, "detail": {}, "rpo_seconds": None, "requests": {"sent": 9, "failed": 0}}
    assert _told(plain).splitlines()[1:] == [
        "requests: 0 of 9 failed at the balancer",
        "objective met: yes; everything as before: yes (rehearsed: local evidence)",
    ]
