"""What holds of waves for any group, need and policy."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.hosts import Group
from quartermaster.playbooks.patch_plan import PatchPlan
from quartermaster.playbooks.patch_waves import Need, Shape, shape
from tests.playbooks import fakes
from tests.playbooks.test_patch_plan import NOW, asked, plan


def group(count: int, spare: int, zones: int) -> Group:
    names = fakes.ZONES[:zones]
    hosts = tuple(replace(host, zone=names[at % zones]) for at, host in enumerate(fakes.group(count).hosts))
    return replace(fakes.group(count), zones=names, max=count + spare, hosts=hosts)


groups = st.builds(group, st.integers(1, 24), st.integers(0, 12), st.integers(2, 3))
needs = st.builds(Need, st.integers(0, 26), st.integers(0, 20), st.just("test"), st.integers(0, 8))
sizes = st.integers(1, 24)
canaries = st.integers(0, 4)
losses = st.integers(0, 1)


def shaped(there: Group, need: Need, canary: int, size: int, lost: int) -> Shape | None:
    """The shape; None where it is refused."""
    try:
        return shape(there, there.hosts, need, canary=canary, size=size, lost=lost)
    except GuardRefused:
        return None


def grown(there: Group, added: int) -> Counter[str]:
    """Hosts by zone, by an oracle of its own: whole rounds over the emptiest zones first."""
    counts = Counter(dict.fromkeys(there.zones, 0))
    counts.update(host.zone for host in there.hosts)
    for _ in range(added):
        counts[sorted(counts.items(), key=lambda item: (item[1], item[0]))[0][0]] += 1
    return counts


@given(groups, needs, canaries, sizes, losses)
def test_every_host_is_in_one_wave_and_each_wave_in_one_zone(
    there: Group, need: Need, canary: int, size: int, lost: int
) -> None:
    found = shaped(there, need, canary, size, lost)
    if found is None:
        return
    zone_of = {host.id: host.zone for host in there.hosts}
    assert sorted(host for wave in found.waves for host in wave.hosts) == sorted(zone_of)
    assert all({zone_of[host] for host in wave.hosts} == {wave.zone} for wave in found.waves)
    assert all(len(wave.hosts) <= max(size, canary) for wave in found.waves)
    assert [wave.number for wave in found.waves] == list(range(1, len(found.waves) + 1))
    assert [wave.canary for wave in found.waves].count(True) == (canary > 0)


@given(groups, needs, canaries, sizes, losses)
def test_no_wave_takes_more_than_capacity_allows_with_the_declared_zones_lost(
    there: Group, need: Need, canary: int, size: int, lost: int
) -> None:
    found = shaped(there, need, canary, size, lost)
    if found is None:
        return
    assert 0 <= found.prescale <= there.max - there.desired
    for wave in found.waves:
        serving = grown(there, found.prescale)
        serving[wave.zone] -= len(wave.hosts)
        assert sum(serving.values()) >= max(1, need.hosts or 0)
        assert min(serving.values()) >= need.per_zone
        worst = min(
            sum(serving.values()) - sum(serving[zone] for zone in gone)
            for gone in ([()] if not lost else [(zone,) for zone in serving])
        )
        assert worst >= (need.after_zone_loss or 0)
        assert (wave.left, wave.left_after_loss) == (sum(serving.values()), worst if lost else None)


@given(groups, needs, needs, canaries, sizes, losses)
def test_more_demand_never_means_larger_waves_or_fewer_hosts_added_for_them(
    there: Group, one: Need, other: Need, canary: int, size: int, lost: int
) -> None:
    more = Need(
        max(one.hosts or 0, other.hosts or 0),
        max(one.after_zone_loss or 0, other.after_zone_loss or 0),
        "test",
        max(one.per_zone, other.per_zone),
    )
    little, much = (shaped(there, need, canary, size, lost) for need in (one, more))
    if much is None:
        return
    assert little is not None
    largest = [max(len(wave.hosts) for wave in found.waves) for found in (little, much)]
    assert largest[1] <= largest[0]
    if largest[1] == largest[0]:
        assert much.prescale >= little.prescale


@given(groups, needs, canaries, sizes, losses)
def test_what_is_refused_has_no_wave_of_one_even_with_all_that_max_allows(
    there: Group, need: Need, canary: int, size: int, lost: int
) -> None:
    if shaped(there, need, canary, size, lost) is not None:
        return
    shortest = []
    for zone in {host.zone for host in there.hosts}:
        serving = grown(there, there.max - there.desired)
        serving[zone] -= 1
        left = sum(serving.values())
        after = left - (max(serving.values()) if lost else 0)
        shortest.append(
            left < max(1, need.hosts or 0)
            or after < (need.after_zone_loss or 0)
            or min(serving.values()) < need.per_zone
        )
    assert any(shortest)


@given(groups, needs, canaries, sizes)
def test_a_plan_is_the_same_twice_and_after_json(there: Group, need: Need, canary: int, size: int) -> None:
    fleet = fakes.fleet(canary=canary, wave=size)

    def made() -> PatchPlan:
        return plan(there, fleet, fakes.surveys(there), NOW, drain_seconds=5, outlook=asked(need))

    try:
        found = made()
    except GuardRefused:
        return
    assert found == made()
    assert PatchPlan.from_json(json.loads(json.dumps(found.to_json()))) == found
