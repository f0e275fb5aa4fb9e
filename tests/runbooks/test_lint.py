"""What the lint takes from earlier drills, and how it tells a sum."""

from __future__ import annotations

from typing import Any

from quartermaster.fleet.objectives import Measured
from quartermaster.fleet.reach import verdicts
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks.lint import document, measured, sentence


def a_result(kind: str, of: str, rto: float | None, evidence: str = "proven", **phases: float) -> dict[str, Any]:
    return {"kind": kind, "of": of, "rto_seconds": rto, "evidence": evidence, "rto_phases": phases}


def test_the_slowest_of_the_last_five_counts() -> None:
    seconds = [10, 20, 30, 40, 50, 600]
    results = [a_result("failover", "orders", value) for value in seconds]
    assert measured(results).failover == {"orders": 50}


def test_what_the_local_cloud_shortens_is_no_measurement() -> None:
    rehearsed = [a_result(kind, "orders", 20.0, "rehearsed") for kind in ("failover", "restore")]
    assert measured(rehearsed) == Measured()


def test_a_host_is_ready_after_launch_and_converge_wherever_it_was() -> None:
    found = measured([a_result("instance_loss", "web", 100.0, "rehearsed", detect=10, decide=5, act=20, converge=50)])
    assert found == Measured(lead={"web": 70})


def test_hosts_that_replace_those_of_a_lost_zone_are_measured_as_well() -> None:
    """Those of the slower drill count."""
    one = a_result("instance_loss", "web", 100.0, "rehearsed", detect=10, decide=5, act=20, converge=50)
    many = a_result("zone_outage", "web", 200.0, "rehearsed", detect=10, decide=5, act=40, converge=80)
    assert measured([one, many]).lead == measured([many, one]).lead == {"web": 120}


def test_an_outage_of_a_zone_measures_the_failover_of_the_database_in_it() -> None:
    subjects = {"orders": {"rto_seconds": 75.0}, "carts": {"rto_seconds": None}}
    outage = {**a_result("zone_outage", "web", 400.0), "detail": {"subjects": subjects}}
    assert measured([a_result("failover", "orders", 65.0), outage]).failover == {"orders": 75.0}


def test_a_drill_that_was_cut_short_measured_nothing() -> None:
    assert measured([a_result("failover", "orders", None)]) == Measured()


FLEET = Fleet.model_validate(
    {
        "fleet": "shop",
        "clusters": {"web": {"balancer": {}}},
        "databases": {"orders": {}},
        "recovery": {"web": {"zone": {"rto": "3m"}}, "orders": {"data_loss": {"rto": "2h", "rpo": "1m"}}},
    },
    strict=False,
)
KNOWN = Measured(lead={"web": 70})


def test_the_document_counts_what_is_out_of_reach_and_predicts_detection() -> None:
    found = document(FLEET, verdicts(FLEET, KNOWN), KNOWN)
    assert [(one["name"], one["metric"], one["reachable"]) for one in found["objectives"]] == [
        ("web", "rto", True), ("orders", "rto", True), ("orders", "rpo", False),
    ]  # fmt: skip
    assert (found["unreachable"], found["unproven"]) == (1, 0)
    assert found["detection_seconds"] == {"web": {"earliest": 8, "latest": 13}}
    web = found["objectives"][0]
    counted = [term["seconds"] for term in web["terms"] if term["counts"]]
    assert sum(counted) == web["best_seconds"] == 13 + 30 + 30 + 70


def test_a_sum_reads_as_one() -> None:
    assert sentence(verdicts(FLEET, KNOWN)[0]) == (
        "10s 2 health checks 5 s apart fail + 3s the last of them times out + 30s the group looks at health (assumed)"
        " + 30s what is replaced is drained + 70s new hosts are launched and converge (measured)"
    )
