"""What is pending, for how long and why not yet, from readings, cycles and fleet.yaml alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quartermaster.fleet.schema import Fleet
from quartermaster.playbooks.compliance import Compliance, compliance
from quartermaster.playbooks.compliance_history import Cycle, HostEnd
from quartermaster.playbooks.compliance_store import HostReading, Reading
from quartermaster.playbooks.machine import Survey, Update
from tests.playbooks import fakes

NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)  # a Thursday
SEEN = "2026-11-09T12:00:00+00:00"
PAGE = Update("shop-page", "1.0", "2.0", first_seen=SEEN)
TLS = Update("openssl", "3.0.1", "3.0.2", security=True, first_seen="2026-11-18T12:00:00+00:00")


def read(*surveys: Survey, at: datetime = NOW - timedelta(hours=2)) -> Reading:
    return Reading(at, tuple(HostReading(f"i-{n}", f"zone-{n}", survey) for n, survey in enumerate(surveys)))


def ended(state: str, host_state: str, *, new: str = "", why: str = "", host_why: str = "", ago: float = 24) -> Cycle:
    host = HostEnd("i-0", "zone-0", host_state, "shop-page=1.0", new, 0 if host_state == "pending" else 9.5, host_why)
    at = NOW - timedelta(hours=ago)
    return Cycle("patch-1", state, at, at + timedelta(minutes=5), (host,), {"sent": 10, "failed": 0}, why)


def found(reading: Reading | None, *cycles: Cycle, fleet: Fleet | None = None) -> Compliance:
    return compliance(fleet or fakes.fleet(), "web", reading, cycles, NOW)


def why(reading: Reading, *cycles: Cycle, **fleet: Any) -> list[tuple[str, str]]:
    host = found(reading, *cycles, fleet=fakes.fleet(**fleet)).hosts[0]
    return [(reason.kind, reason.text) for reason in host.reasons]


def test_a_cluster_is_counted_with_security_apart() -> None:
    told = found(read(Survey((PAGE, TLS)), Survey((PAGE,), reboot_required=True), Survey(), Survey(error="timed out")))
    assert (told.pending, told.security, told.reboots, told.unreachable) == (3, 1, 1, 1)
    assert [len(host.updates) for host in told.hosts] == [2, 1, 0, 0]
    assert [host.security for host in told.hosts] == [1, 0, 0, 0]


def test_ages_count_from_the_first_sight_to_now() -> None:
    told = found(read(Survey((PAGE, TLS)), Survey((TLS,)), Survey()))
    assert told.oldest_days == 10.0
    assert [host.oldest_days for host in told.hosts] == [10.0, 1.0, None]


def test_what_would_come_anew_is_not_pending() -> None:
    assert found(read(Survey((Update("libnew", "", "1.0"),)))).pending == 0


def test_a_cluster_that_was_never_read_says_so() -> None:
    told = found(None, ended("done", "patched"))
    assert (told.read_at, told.age_seconds, told.hosts, told.oldest_days) == (None, None, (), None)
    assert told.last is not None and told.to_json()["last_cycle"]["state"] == "done"


def test_what_a_later_cycle_installed_is_pending_no_more() -> None:
    later = ended("done", "patched", new="shop-page=2.0", ago=1)
    told = found(read(Survey((PAGE, TLS), reboot_required=True)), later)
    assert [update.name for update in told.hosts[0].updates] == ["openssl"]
    assert (told.pending, told.reboots) == (1, 0)
    assert (told.hosts[0].last_run, told.hosts[0].last_state) == ("patch-1", "patched")


def test_a_cycle_before_the_reading_changes_nothing_of_it() -> None:
    assert found(read(Survey((PAGE,))), ended("done", "patched", new="shop-page=2.0")).pending == 1


def test_a_host_that_may_not_reboot_still_asks_for_it_after_its_cycle() -> None:
    later = ended("done", "patched", new="shop-page=2.0", ago=1)
    told = found(read(Survey((PAGE,), reboot_required=True)), later, fleet=fakes.fleet(reboot="never"))
    assert (told.pending, told.reboots) == (0, 1)


def test_nothing_pending_needs_no_reason() -> None:
    assert why(read(Survey())) == []


def test_what_may_go_now_is_said_with_its_command() -> None:
    assert why(read(Survey((PAGE,)))) == [("ready", "nothing stands against it: ops patch run web")]


def test_outside_the_window_the_next_opening_is_named() -> None:
    text = "outside the window 'Sun 01:00-05:00', which opens Sun 22 Nov 01:00"
    assert why(read(Survey((PAGE,))), window="Sun 01:00-05:00") == [("window", text)]


def test_a_freeze_is_named_with_the_opening_after_it() -> None:
    freeze = {"from": "2026-11-18", "to": "2026-11-24", "why": "peak"}
    text = "the freeze from 2026-11-18 to 2026-11-24 holds (peak); from Sun 29 Nov 01:00 it may"
    assert why(read(Survey((PAGE,))), window="Sun 01:00-05:00", freezes=(freeze,)) == [("freeze", text)]


def test_a_freeze_cuts_the_window_it_falls_into() -> None:
    freeze = {"from": "2026-11-22", "to": "2026-11-22"}
    opens = found(None, fleet=fakes.fleet(window="Sat 22:00-02:00", freezes=(freeze,))).opening
    assert opens is not None
    assert [opens.start, opens.end] == [datetime(2026, 11, 21, 22, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)]


def test_no_window_in_sight_is_said() -> None:
    freeze = {"from": "2026-11-01", "to": "2027-03-01", "why": "peak"}
    (reason,) = why(read(Survey((PAGE,))), window="Sun 01:00-05:00", freezes=(freeze,))
    assert reason == ("window", "the window 'Sun 01:00-05:00' does not open before 17 Feb 2027")


def test_what_is_not_approved_yet_is_dated_and_no_window_asked() -> None:
    text = "not approved until Mon 23 Nov 12:00: updates wait 14 days"
    rules = {"after_days": 14}
    assert why(read(Survey((PAGE,))), approve=rules, window="Sun 01:00-05:00") == [("approval", text)]


def test_what_is_approved_beside_what_is_not_still_waits_for_the_window() -> None:
    kinds = why(read(Survey((PAGE, TLS))), approve={"only": "security"}, window="Sun 01:00-05:00")
    assert kinds[0] == ("approval", "1 of 2 not approved: shop-page is not a security update")
    assert [kind for kind, _ in kinds] == ["approval", "window"]


def test_a_host_that_did_not_answer_is_named_with_its_error() -> None:
    assert why(read(Survey(error="host i-0: timed out")))[0] == (
        "unreachable",
        "it did not answer: host i-0: timed out",
    )


def test_a_host_that_failed_last_time_says_how() -> None:
    last = ended("failed", "rolled_back", host_why="is not healthy on itself", ago=48)
    assert why(read(Survey((PAGE,))), last)[0] == ("failed", "rolled back in patch-1: is not healthy on itself")


@pytest.mark.parametrize(
    ("state", "said", "text"),
    [
        ("failed", "the gate after wave 1 stayed shut: 3 of 9 failed",
         "patch-1 ended before it: the gate after wave 1 stayed shut: 3 of 9 failed"),
        ("interrupted", "", "patch-1 was cut short; ops patch resume web goes on"),
        ("stopped", "the window ended at 05:00 UTC",
         "patch-1 stopped: the window ended at 05:00 UTC; ops patch resume web goes on"),
    ],
)  # fmt: skip
def test_a_host_that_the_last_cycle_did_not_come_to_says_why(state: str, said: str, text: str) -> None:
    assert why(read(Survey((PAGE,))), ended(state, "pending", why=said))[0] == ("cycle", text)


def test_only_the_last_cycle_is_a_reason() -> None:
    assert [kind for kind, _ in why(read(Survey((PAGE,))), ended("done", "patched"), ended("failed", "failed"))] == [
        "ready"
    ]


OLD = Survey(bundle="ab" * 32)


def test_an_old_role_bundle_is_the_next_cycles_where_hosts_are_replaced() -> None:
    told = why(read(OLD), method="replace", window="Sun 01:00-05:00")
    assert told[0] == (
        "bundle", "it is of role bundle abababababab, and new hosts get another: ops patch run web replaces it"
    )  # fmt: skip
    assert told[1][0] == "window"
    assert found(read(OLD, Survey())).hosts[0].to_json()["old_bundle"] == "ab" * 32


def test_an_old_role_bundle_waits_for_no_window_where_hosts_are_patched_in_place() -> None:
    assert why(read(OLD), window="Sun 01:00-05:00") == [
        ("bundle", "it is of role bundle abababababab, and new hosts get another: ops configure web brings it")
    ]


def test_a_host_that_was_replaced_since_is_not_pending() -> None:
    assert [host.id for host in found(read(OLD, Survey()), ended("done", "replaced", ago=1)).hosts] == ["i-1"]
    assert [host.id for host in found(read(OLD), ended("done", "replaced", ago=30)).hosts] == ["i-0"]
