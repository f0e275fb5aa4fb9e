"""The plan of a replacement: who is pending and why, in which stages, under which guards."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.hosts import Group
from quartermaster.playbooks import replace as replacing
from quartermaster.playbooks.machine import Survey
from quartermaster.playbooks.patch import Need
from quartermaster.playbooks.replace import _percent_kept
from quartermaster.playbooks.replace_plan import ReplacePlan
from quartermaster.playbooks.replace_world import Launched, Refresh
from tests.playbooks.fakes import fleet, group

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SAYS = {
    "1": {"image": "ami-1", "instance type": "m6i.large", "user data": "aa"},
    "2": {"image": "ami-2", "instance type": "m6i.large", "user data": "aa"},
    "3": {"image": "ami-2", "instance type": "m6i.large", "user data": "bb"},
}


def launched(found: Group, *versions: str, own: str = "2", latest: str = "2") -> Launched:
    hosts = {host.id: versions[n % len(versions)] for n, host in enumerate(found.hosts)}
    return Launched("lt-1", own, latest, hosts, {version: SAYS[version] for version in SAYS if version <= latest})


def planned(found: Group | None = None, *versions: str, **more: Any) -> ReplacePlan:
    found = found or group()
    policy = {name: more.pop(name) for name in ("canary", "wave", "window", "soak_minutes") if name in more}
    known = more.pop("launched", None) or launched(found, *(versions or ("1",)))
    return replacing.plan(found, fleet(method="replace", **policy), known, NOW, **more)


def test_hosts_of_an_older_version_are_pending_and_say_what_differs() -> None:
    found = planned(None, "1", "2")
    assert [bool(host.why) for host in found.hosts] == [True, False] * 3
    assert found.hosts[0].why == "it is of version 1, 2 is the newest: image ami-1 → ami-2"
    assert (found.before, found.target, found.changes) == ("1", "2", ("image ami-1 → ami-2",))


def test_nothing_is_pending_where_all_hosts_are_of_the_newest() -> None:
    found = planned(None, "2")
    assert (found.pending, found.stages) == ((), ())


OLD = Survey(bundle="ab" * 32)


def test_hosts_of_an_old_role_bundle_go_and_the_others_stay_protected_as_aws_knows_versions_alone() -> None:
    hosts = [host.id for host in group().hosts]
    found = planned(None, "2", surveys={hosts[0]: OLD, hosts[1]: Survey()})
    assert (
        found.hosts[0].why == "it is of version 2, the newest, but of role bundle abababababab: new hosts get another"
    )
    assert [host.id for host in found.pending] == hosts[:1]
    said = found.preferences.to_aws()
    assert (said["SkipMatching"], said["ScaleInProtectedInstances"], said["AutoRollback"]) == (False, "Ignore", False)
    assert ReplacePlan.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_where_bundles_tell_hosts_apart_aws_waits_whether_or_not_it_counts_those_that_stay() -> None:
    hosts = [host.id for host in group().hosts]
    found = planned(None, "2", surveys=dict.fromkeys(hosts[:3], OLD), canary=1, wave=2)
    assert [(stage.hosts, stage.percent) for stage in found.stages] == [(1, 66), (3, 100)]
    assert found.preferences.checkpoints == (16, 50, 66, 100)


def test_hosts_of_an_old_bundle_that_somebody_protected_cannot_be_told_from_those_that_stay() -> None:
    found, hosts = group(), [host.id for host in group().hosts]
    kept = replace(launched(found, "2"), protected=frozenset(hosts[:2]))
    with pytest.raises(GuardRefused, match=f"protected from scale-in, .*: {hosts[1]}$"):
        planned(found, launched=kept, surveys={hosts[1]: OLD})
    assert planned(found, launched=kept, surveys={hosts[2]: OLD}).pending


def test_an_old_bundle_of_hosts_that_their_version_replaces_lets_the_others_stay() -> None:
    hosts = [host.id for host in group().hosts]
    found = planned(None, "1", "2", surveys={hosts[0]: Survey(bundle="ab" * 32)})
    assert (len(found.pending), found.preferences.skip_matching) == (3, True)


def test_a_host_that_cannot_be_asked_for_its_bundle_is_named() -> None:
    host = group().hosts[0].id
    assert planned(None, "2", surveys={host: Survey(error="timed out")}).warnings == (
        f"the role bundle of {host} is unknown: timed out",
    )


def test_stages_are_the_canary_and_then_waves_as_parts_of_the_whole_group() -> None:
    found = planned(canary=1, wave=2)
    assert [(stage.hosts, stage.at_once) for stage in found.stages] == [(1, 1), (3, 2), (5, 2), (6, 1)]
    assert found.preferences.checkpoints == (16, 50, 83, 100)
    assert (found.preferences.min_healthy, found.preferences.max_healthy) == (66, 100)


def test_hosts_that_are_new_already_count_towards_the_checkpoints() -> None:
    assert [stage.percent for stage in planned(None, "1", "2", canary=1, wave=2).stages] == [66, 100]


def test_the_soak_is_the_checkpoints_delay_with_time_to_judge() -> None:
    assert planned(soak_minutes=5).preferences.delay_seconds == 310


@pytest.mark.parametrize("size", [*range(1, 30), 99, 100, 101, 250])
def test_the_percentage_kept_never_lets_more_hosts_go_than_a_wave(size: int) -> None:
    for at_once in range(1, size + 1):
        kept = math.ceil(size * _percent_kept(size, at_once) / 100)
        assert kept == size - at_once or (kept > size - at_once and size > 100)


def test_a_wave_shrinks_until_the_rest_and_the_loss_of_a_zone_carry_the_hour() -> None:
    found = planned(wave=3, canary=0, need=Need(3, 3, "test"))  # 6 hosts, 2 a zone
    assert found.stages[0].at_once == 1
    assert (found.stages[0].left, found.stages[0].after_zone_loss) == (5, 3)


def test_where_the_need_is_unknown_one_host_is_left_when_a_zone_is_lost() -> None:
    found = planned(group(3), wave=2, canary=0)
    assert (found.stages[0].at_once, found.stages[0].after_zone_loss) == (1, 1)
    assert planned(group(1), wave=2, canary=0).stages[0].at_once == 1


def test_with_no_host_to_spare_others_are_launched_first() -> None:
    found = planned(wave=2, canary=0, need=Need(6, 4, "test"))
    assert (found.preferences.min_healthy, found.preferences.max_healthy) == (100, 134)
    assert (found.stages[0].left, found.stages[0].after_zone_loss) == (6, 4)


def test_with_no_host_to_spare_and_no_room_above_nobody_is_touched() -> None:
    with pytest.raises(GuardRefused, match="max of 6 leaves no room"):
        planned(replace(group(), max=6), need=Need(6, 4, "test"))
    with pytest.raises(GuardRefused, match="7 are needed"):
        planned(need=Need(7, None, "test"))


def test_window_and_refresh_stand_against_it_and_only_the_window_gives_way() -> None:
    with pytest.raises(GuardRefused, match="outside the window"):
        planned(window="Sun 01:00-05:00")
    found = planned(window="Sun 01:00-05:00", override="a hole")
    assert found.ends_at is None
    assert "override: a hole" in found.warnings[1]
    busy = Refresh("r-1", "Cancelling", "2")
    with pytest.raises(GuardRefused, match="an instance refresh is running"):
        planned(history=[busy], override="a hole")


def test_what_went_back_before_is_told() -> None:
    failed = Refresh("r-1", "RollbackSuccessful", "2", rollback="alarm errors")
    assert planned(history=[failed]).warnings[-1] == "an earlier replacement by version 2 went back: alarm errors"


def test_without_a_numbered_version_to_go_back_to_no_rollback_is_asked_of_aws() -> None:
    found = group()
    plan = planned(found, launched=launched(found, "", own="$Latest"))
    assert not plan.preferences.auto_rollback
    assert not plan.preferences.to_aws()["AutoRollback"]
    assert "not rolled back" in plan.warnings[-1]


def test_a_plan_survives_the_journal() -> None:
    found = planned(alarms=("errors",), canary=1)
    assert ReplacePlan.from_json(json.loads(json.dumps(found.to_json()))) == found
