"""Which acts bring the hosts of this machine to what EC2 says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quartermaster.infra.local.host import HostSpec
from quartermaster.infra.local.reconcile import Act, PresentHost, decide_cables, decide_hosts

SPEC = HostSpec("i-1", "a", "vpc-1", "10.9.0.0/16", "10.9.0.4", "", "", "eu-west-1")
HOST = PresentHost("i-1", "a", "on")


@pytest.mark.parametrize(
    ("spec", "found", "act"),
    [
        (SPEC, None, "make"),
        (SPEC, HOST, ""),
        (None, HOST, "remove"),
        (None, replace(HOST, state="killed"), "remove"),
        (replace(SPEC, wanted_on=False), None, ""),
        (replace(SPEC, wanted_on=False), HOST, "power_off"),
        (replace(SPEC, wanted_on=False), replace(HOST, state="killed"), "power_off"),
        (SPEC, replace(HOST, state="off"), "power_on"),
        (SPEC, replace(HOST, state="killed"), ""),
        (SPEC, replace(HOST, state="ended", powered_off=True), "report_off"),
        (SPEC, replace(HOST, state="ended"), "report_dead"),
        (replace(SPEC, reboot=1), HOST, "reboot"),
        (replace(SPEC, reboot=1), replace(HOST, reboots=1), ""),
        (replace(SPEC, reboot=1), replace(HOST, state="rebooting"), ""),
    ],
)
def test_a_host_is_brought_to_what_is_wanted(spec: HostSpec | None, found: PresentHost | None, act: str) -> None:
    wanted = {"i-1": spec} if spec else {}
    present = {"i-1": found} if found else {}
    assert decide_hosts(wanted, present) == ([Act(act, "i-1")] if act else [])


@pytest.mark.parametrize(
    ("found", "failed", "act"),
    [
        (HOST, set(), ""),
        (HOST, {"a"}, "unplug"),
        (replace(HOST, cable=False), {"a"}, ""),
        (replace(HOST, cable=False), set(), "plug"),
        (replace(HOST, state="rebooting"), set(), "unplug"),
        (replace(HOST, state="killed", cable=False), set(), ""),
    ],
)
def test_only_hosts_that_are_up_in_whole_zones_are_connected(found: PresentHost, failed: set[str], act: str) -> None:
    assert decide_cables({"i-1": found}, failed) == ([Act(act, "i-1")] if act else [])
