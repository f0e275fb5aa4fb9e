"""Who is patched in which wave, and what refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.hosts import Group
from quartermaster.playbooks.machine import Survey, Update
from quartermaster.playbooks.outlook import Hour, Outlook
from quartermaster.playbooks.patch import SUSPENDED, Need, plan
from quartermaster.playbooks.patch_plan import PatchPlan
from tests.playbooks import fakes

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)  # a Sunday


def asked(need: Need) -> Outlook:
    """Every hour needs that, and no chance is known to exceed it."""
    return Outlook((Hour(NOW, 1.0, need, (0.0,), (0.0,)),), timedelta(hours=1), "test")


def made(found: Group | None = None, need: Need | None = None, **patching: Any) -> PatchPlan:
    found = found or fakes.group()
    outlook = asked(need) if need else None
    return plan(found, fakes.fleet(**patching), fakes.surveys(found), NOW, drain_seconds=5, outlook=outlook)


def test_canary_goes_first_and_alone() -> None:
    first = made(canary=1, wave=2).waves[0]
    assert (first.canary, len(first.hosts)) == (True, 1)


@pytest.mark.parametrize("count", [2, 3, 6, 7, 12])
@pytest.mark.parametrize("wave", [1, 3, "25%", "100%"])
def test_every_host_is_in_one_wave_and_no_wave_takes_two_zones(count: int, wave: object) -> None:
    found = fakes.group(count)
    result = made(found, wave=wave)
    zone_of = {host.id: host.zone for host in found.hosts}
    assert sorted(host for part in result.waves for host in part.hosts) == sorted(zone_of)
    assert all({zone_of[host] for host in part.hosts} == {part.zone} for part in result.waves)
    assert all(part.left >= 1 for part in result.waves)


def test_hosts_are_added_first_when_headroom_is_short() -> None:
    result = made(fakes.group(9), Need(hosts=8), wave=3)
    assert (result.prescale, {len(wave.hosts) for wave in result.waves}) == (2, {1, 2, 3})
    assert "with 3 host(s) in standby 6 would serve and 8 are needed" in result.prescale_why
    assert min(wave.left for wave in result.waves) == 8


def test_no_hosts_are_added_where_what_there_is_suffices() -> None:
    result = made(fakes.group(9), Need(hosts=6), wave=3)
    assert (result.prescale, result.prescale_why) == (0, "")


def test_waves_shrink_where_max_allows_no_more_hosts() -> None:
    result = made(replace(fakes.group(9), max=9), Need(hosts=8), wave=3)
    assert (result.prescale, {len(wave.hosts) for wave in result.waves}) == (0, {1})


def test_too_little_headroom_that_max_does_not_let_grow_is_refused() -> None:
    with pytest.raises(GuardRefused, match="5 would serve and 6 are needed, and max 6 allows no more"):
        made(replace(fakes.group(6), max=6), Need(hosts=6))


def test_the_declared_zones_must_still_be_losable() -> None:
    with pytest.raises(GuardRefused, match="zone lost"):
        made(replace(fakes.group(6), max=6), Need(hosts=3, after_zone_loss=4))
    result = made(fakes.group(6), Need(hosts=3, after_zone_loss=4))
    assert result.prescale == 2
    assert all(wave.left_after_loss == wave.needed_after_loss == 4 for wave in result.waves)


def test_without_cross_zone_balancing_every_zone_keeps_its_share() -> None:
    result = made(fakes.group(6), Need(hosts=3, per_zone=2), wave=1)
    assert result.prescale == 3


def test_the_only_host_is_not_taken_without_another() -> None:
    assert made(fakes.group(1)).prescale == 1
    with pytest.raises(GuardRefused, match="0 would serve"):
        made(replace(fakes.group(1), max=1))


def test_the_floor_is_lowered_only_when_standby_does_not_fit() -> None:
    assert made(fakes.group(6, floor=3)).floor is None
    assert made(fakes.group(3, floor=3)).floor == 2


def test_processes_suspended_before_stay_as_they_are() -> None:
    result = made(replace(fakes.group(), suspended=("AZRebalance",)))
    assert set(result.suspend) == set(SUSPENDED) - {"AZRebalance"}


def test_an_unhealthy_host_refuses_and_no_override_helps() -> None:
    found = fakes.group()
    sick = replace(found, hosts=(replace(found.hosts[0], health="unhealthy"), *found.hosts[1:]))
    with pytest.raises(GuardRefused, match="unhealthy"):
        plan(sick, fakes.fleet(), fakes.surveys(sick), NOW, drain_seconds=5, override="now")


def test_uneven_spread_refuses() -> None:
    found = fakes.group()
    lopsided = replace(found, hosts=tuple(replace(host, zone=fakes.ZONES[0]) for host in found.hosts))
    with pytest.raises(GuardRefused, match="not spread evenly"):
        made(lopsided)


def test_outside_the_window_refuses_and_says_when_it_opens() -> None:
    with pytest.raises(GuardRefused, match="next opens Mon 23 Nov 09:00"):
        made(window="Mon 09:00-12:00")


def test_an_override_is_written_into_the_plan() -> None:
    found = fakes.group()
    fleet = fakes.fleet(window="Mon 09:00-12:00")
    result = plan(found, fleet, fakes.surveys(found), NOW, drain_seconds=5, override="CVE-2026-1")
    assert any("CVE-2026-1" in warning for warning in result.warnings)


def test_the_window_s_end_ends_the_work() -> None:
    assert made(window="Sun 01:00-05:00").ends_at == datetime(2026, 11, 22, 5, tzinfo=UTC)
    assert made().ends_at is None


def test_a_freeze_refuses() -> None:
    found = fakes.group()
    fleet = fakes.fleet(freezes=({"from": "2026-11-20", "to": "2026-11-22", "why": "peak"},))
    with pytest.raises(GuardRefused, match="peak"):
        plan(found, fleet, fakes.surveys(found), NOW, drain_seconds=5)


def test_hosts_without_updates_are_left_out_with_the_reason() -> None:
    found = fakes.group()
    seen = {**fakes.surveys(found), "i-0": Survey(), "i-1": Survey(error="no route to host")}
    result = plan(found, fakes.fleet(), seen, NOW, drain_seconds=5)
    assert result.host("i-0").skipped == "nothing is pending"
    assert "no route" in result.host("i-1").skipped


def test_nothing_pending_is_a_plan_without_waves() -> None:
    found = fakes.group()
    result = plan(found, fakes.fleet(), {host.id: Survey() for host in found.hosts}, NOW, drain_seconds=5)
    assert (result.waves, result.suspend, result.floor) == ((), (), None)


def test_hosts_that_are_offered_different_versions_refuse() -> None:
    found = fakes.group()
    seen = {**fakes.surveys(found), "i-3": Survey((Update("shop-page", "1.0", "2.1"),))}
    with pytest.raises(GuardRefused, match=r"2\.0, 2\.1"):
        plan(found, fakes.fleet(), seen, NOW, drain_seconds=5)


def test_where_nobody_can_be_asked_there_is_no_plan_that_says_nothing_to_do() -> None:
    found = fakes.group()
    silent = {host.id: Survey(error="timed out") for host in found.hosts}
    with pytest.raises(GuardRefused, match="no host can be asked what is pending: timed out"):
        plan(found, fakes.fleet(), silent, NOW, drain_seconds=0)


def test_without_a_forecast_the_need_is_unknown_and_said() -> None:
    assert any("unknown" in warning for warning in made().warnings)
    assert not made(need=Need(hosts=3)).warnings


def test_what_is_not_approved_is_listed_with_reason_and_date() -> None:
    found = fakes.group()
    kernel = Update("linux-image", "6.1", "6.2", first_seen=NOW.isoformat())
    rules = {"after_days": 7, "allow": ("shop-page",)}
    result = plan(found, fakes.fleet(approve=rules), fakes.surveys(found, fakes.PAGE, kernel), NOW, drain_seconds=5)
    assert result.pins == {"shop-page": "2.0"}
    assert result.host("i-0").updates == (fakes.PAGE,)
    (withheld,) = result.host("i-0").withheld
    assert (withheld.update.name, withheld.until) == ("linux-image", (NOW + timedelta(days=7)).isoformat())


def test_a_host_with_nothing_approved_is_in_no_wave() -> None:
    result = made(approve={"only": "allowed", "allow": ("other",)})
    assert (result.waves, result.host("i-0").skipped) == ((), "nothing that is pending is approved")


def test_each_host_says_how_it_could_be_taken_back() -> None:
    found = fakes.group()
    seen = fakes.surveys(found)
    seen["i-1"] = replace(seen["i-1"], unsaved=("shop-page",))
    result = plan(found, fakes.fleet(), seen, NOW, drain_seconds=5)
    assert (result.host("i-0").rollback, result.host("i-1").rollback) == ("packages", "replacement")


def test_an_override_of_the_window_does_not_lift_a_freeze_to_come() -> None:
    found = fakes.group()
    fleet = fakes.fleet(window="Mon 09:00-12:00", freezes=({"from": "2026-11-23", "to": "2026-11-24"},))
    result = plan(found, fleet, fakes.surveys(found), NOW, drain_seconds=5, override="CVE-2026-1")
    assert result.ends_at == datetime(2026, 11, 23, tzinfo=UTC)


def test_no_override_breaks_capacity() -> None:
    found = replace(fakes.group(6), max=6)
    with pytest.raises(GuardRefused, match="are needed"):
        plan(
            found, fakes.fleet(), fakes.surveys(found), NOW,
            drain_seconds=5, outlook=asked(Need(hosts=6)), override="CVE-2026-1",
        )  # fmt: skip


def test_a_cycle_longer_than_what_is_left_of_the_window_says_so() -> None:
    result = made(window="Sun 01:00-02:05")
    assert any("resume` goes on in the next" in warning for warning in result.warnings)


def test_a_plan_survives_json() -> None:
    result = made(window="Sun 01:00-05:00", approve={"deny": ("shop-*",)})
    assert PatchPlan.from_json(json.loads(json.dumps(result.to_json()))) == result
    result = made(window="Sun 01:00-05:00")
    assert PatchPlan.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_a_group_that_is_to_hold_no_host_has_nothing_to_patch() -> None:
    """Such as workers scaled to none over a weekend: the cycle is done, rather than failed every Sunday."""
    empty = replace(fakes.group(), hosts=(), desired=0, min=0)
    assert (made(empty).waves, made(empty).hosts) == ((), ())
    with pytest.raises(GuardRefused, match="has no hosts"):
        made(replace(empty, desired=3))
