"""The rules of the drill schedule: each keeps its hours free and is named where it leaves none."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.fleet import holidays
from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.fleet.windows import Window
from quartermaster.planner.drill_needs import Past
from quartermaster.planner.drill_schedule import DrillSchedule, ScheduledDrill, schedule

NOW = datetime(2026, 3, 1, 22, 17, tzinfo=UTC)
TEXT = """
fleet: shop
timezone: {zone}
recovery_region: eu-central-1
network: {{recovery_cidr: 10.21.0.0/16}}
dns: {{zone: shop.example}}
clusters:
  web: {{uses: [orders], balancer: {{kind: application}}}}
  api: {{balancer: {{kind: application}}}}
databases: {{orders: {{engine: postgres}}}}
backups: {{rules: [{{name: daily, at: "{backup}"}}]}}
patching: {{orders: {{window: "{patch}"}}}}
freezes: [{freeze}]
recovery:
  web: {{region: {{rto: 60m}}}}
  drills: [{drills}]
  hours: "{hours}"
"""
EVERY = ", ".join(
    f"{{kind: {kind}, of: {of}, every_days: {days}}}"
    for kind, of, days in (
        ("restore", "orders", 7), ("failover", "orders", 30), ("instance_loss", "web", 7), ("instance_loss", "api", 10),
        ("zone_outage", "web", 30), ("zone_evacuation", "api", 21), ("region_failover", "web", 180),
    )
)  # fmt: skip


def fleet(
    drills: str = EVERY,
    zone: str = "Europe/Dublin",
    hours: str = "Mon-Fri 09:00-17:00",
    backup: str = "03:00",
    patch: str = "Sun 02:00-03:00",
    freeze: str = "",
) -> Fleet:
    text = TEXT.format(drills=drills, zone=zone, hours=hours, backup=backup, patch=patch, freeze=freeze)
    return read_text(text).fleet


def one(kind: str = "restore", of: str = "orders", every: int = 7, **more: object) -> str:
    extra = "".join(f", {name}: {value}" for name, value in more.items())
    return f"{{kind: {kind}, of: {of}, every_days: {every}{extra}}}"


def chosen(of: Fleet, now: datetime = NOW, days: int = 14, **more: object) -> DrillSchedule:
    return schedule(of, "dev", {}, now, days, **more)  # type: ignore[arg-type]


def rules_of(found: DrillSchedule) -> set[tuple[str, ...]]:
    assert len(found.infeasible) == 1
    return set(found.infeasible[0].rules)


def overlaps(drill: ScheduledDrill, start: datetime, end: datetime) -> bool:
    return drill.starts_at < end and drill.ends_at > start


def test_a_drill_keeps_its_cadence_from_its_last_run_on() -> None:
    past = {("restore", "orders"): Past(5, datetime(2026, 2, 25, 10, tzinfo=UTC), 600.0)}
    found = chosen(fleet(one()), days=21, past=past).drills
    assert [d.due for d in found] == ["2026-03-04", "2026-03-11", "2026-03-18"]
    assert [d.number for d in found] == [6, 7, 8]
    assert all(abs((d.starts_at.date() - date.fromisoformat(d.due)).days) <= 2 for d in found)


def test_the_tolerance_can_be_declared() -> None:
    past = {("restore", "orders"): Past(1, datetime(2026, 2, 28, 10, tzinfo=UTC), 600.0)}
    found = chosen(fleet(one(tolerance_days=0)), days=10, past=past)
    assert not found.drills
    assert rules_of(found) == {("cadence",), ("hours",)}  # due on a Saturday, and on no other day
    assert "every 7 days ± 0" in found.infeasible[0].rule


def test_a_day_beyond_the_tolerance_is_none_of_its_days() -> None:
    """Due on Friday the 6th; people are there on the Tuesday three days before."""
    past = {("restore", "orders"): Past(1, datetime(2026, 2, 27, 10, tzinfo=UTC), 600.0)}
    found = chosen(fleet(one(), hours="Tue 09:00-17:00"), days=7, past=past)
    assert not found.drills
    assert rules_of(found) == {("cadence",), ("hours",)}
    wider = chosen(fleet(one(tolerance_days=3), hours="Tue 09:00-17:00"), days=7, past=past).drills
    assert [d.starts_at.date() for d in wider] == [date(2026, 3, 3)]


def test_what_was_changed_since_the_last_run_is_drilled_as_early_as_may_be() -> None:
    last = datetime(2026, 2, 25, 10, tzinfo=UTC)
    calm, changed = (
        chosen(fleet(one()), past={("restore", "orders"): Past(1, last, 600.0, why)}).drills[0]
        for why in ("", "ops patch run orders on 2026-02-27")
    )
    assert calm.starts_at.date() == date(2026, 3, 4)
    assert changed.starts_at.date() == date(2026, 3, 2)
    assert "ops patch run orders on 2026-02-27" in changed.why


def test_what_earlier_runs_took_is_reserved() -> None:
    past = {("restore", "orders"): Past(1, NOW - timedelta(days=7), 5000.0)}
    drill = chosen(fleet(one()), past=past).drills[0]
    assert drill.ends_at - drill.starts_at == timedelta(minutes=105)  # 5,000 s and ten minutes, in quarters of an hour


def test_before_the_first_run_all_that_its_limits_allow_is_reserved() -> None:
    drill = chosen(fleet(one()), limits={"restore": 7200.0}).drills[0]
    assert drill.ends_at - drill.starts_at == timedelta(minutes=135)


def test_public_holidays_are_nobodys_working_days() -> None:
    now = datetime(2026, 3, 16, 18, tzinfo=UTC)
    found = chosen(fleet(one(tolerance_days=0), hours="Tue 09:00-17:00"), now, days=2)
    assert rules_of(found) == {("holidays",), ("hours",)}
    assert "2026-03-17 (Saint Patrick's Day)" in found.infeasible[0].rule


@pytest.mark.parametrize(
    ("changes", "sets"),
    [
        ({"hours": "Mon-Fri 09:00-09:30"}, {("hours",)}),
        ({"hours": "Mon-Fri 03:00-04:30"}, {("hours",), ("backup windows",)}),
        ({"hours": "Wed 09:00-11:00", "patch": "Wed 09:00-11:00"}, {("hours",), ("patch windows",)}),
        # One rule alone does not do it: both would have to go.
        (
            {"hours": "Wed 03:00-04:00", "patch": "Wed 03:00-04:00", "freeze": "{from: 2026-02-01, to: 2026-05-01}"},
            None,
        ),
    ],
)
def test_the_rules_in_the_way_are_exactly_those_whose_removal_gives_an_hour(
    changes: dict[str, str], sets: set[tuple[str, ...]] | None
) -> None:
    of = fleet(one(), **changes)
    found = chosen(of, days=7)
    assert not found.drills
    if sets is None:
        assert rules_of(found) == {("hours", "freezes")}
        assert " and freezes: 2026-02-01 to 2026-05-01" in found.infeasible[0].rule
    else:
        assert rules_of(found) == sets


def test_drills_that_take_each_others_day_say_so() -> None:
    drills = ", ".join(one(kind, every=1, tolerance_days=0) for kind in ("restore", "failover"))
    found = chosen(fleet(drills, hours="Mon 09:00-17:00"), now=datetime(2026, 3, 2, 8, 30, tzinfo=UTC), days=1)
    assert len(found.drills) == 1
    assert rules_of(found) == {("one drill per failure domain and day",)}


def test_drills_that_share_a_cluster_do_not_meet_and_say_so() -> None:
    drills = f"{one(every=1, tolerance_days=0)}, {one('instance_loss', 'web', 1, tolerance_days=0)}"
    monday = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
    apart = chosen(fleet(drills, hours="Mon 09:00-11:00"), monday, days=1).drills
    assert apart[0].ends_at <= apart[1].starts_at
    met = chosen(fleet(drills, hours="Mon 09:00-10:00"), monday, days=1)
    assert rules_of(met) == {("never two drills at once on what they share",), ("hours",)}


@pytest.mark.parametrize(
    ("zone", "now", "first"),
    [
        # Clocks go forward at 01:00 in Dublin: what is left of 00:30-02:30 begins at 00:30 and ends two hours later.
        ("Europe/Dublin", datetime(2026, 3, 28, 12, tzinfo=UTC), "2026-03-29T00:30:00+00:00"),
        # They go back there at 02:00, and 01:30 is twice: the first is meant.
        ("Europe/Dublin", datetime(2026, 10, 24, 12, tzinfo=UTC), "2026-10-24T23:30:00+00:00"),
        ("America/New_York", datetime(2026, 3, 7, 20, tzinfo=UTC), "2026-03-08T05:30:00+00:00"),
        ("America/New_York", datetime(2026, 10, 31, 20, tzinfo=UTC), "2026-11-01T04:30:00+00:00"),
    ],
)
def test_hours_are_people_s_hours_when_clocks_change(zone: str, now: datetime, first: str) -> None:
    of = fleet(one("tabletop", "api"), zone, hours="Sun 00:30-02:30")
    drill = chosen(of, now, days=2).drills[0]
    assert drill.starts_at.isoformat() == first
    assert (drill.ends_at - drill.starts_at) == timedelta(hours=1)
    assert of.recovery.hours.contains(drill.ends_at - timedelta(minutes=1), of.tz)


@pytest.mark.parametrize("zone", ["Europe/Dublin", "America/New_York"])
def test_a_window_in_the_lost_hour_has_room_for_none(zone: str) -> None:
    """01:30-02:30: of it half an hour is left in Dublin, and in New York all until 02:00."""
    spring = {
        "Europe/Dublin": datetime(2026, 3, 28, 12, tzinfo=UTC),
        "America/New_York": datetime(2026, 3, 7, 20, tzinfo=UTC),
    }
    found = chosen(fleet(one("tabletop", "api", tolerance_days=0), zone, hours="Sun 01:30-02:30"), spring[zone], days=2)
    assert not found.drills
    assert ("hours",) in rules_of(found)
    later = chosen(fleet(one("tabletop", "api"), zone, hours="Sun 01:30-02:30"), spring[zone] + timedelta(days=2), 7)
    assert [d.starts_at.astimezone(fleet(zone=zone).tz).strftime("%H:%M") for d in later.drills] == ["01:30"]


def test_the_hour_that_comes_twice_makes_a_window_longer() -> None:
    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC)
    past = {("tabletop", "api"): Past(1, autumn - timedelta(days=6), 6000.0)}  # two hours with what is reserved
    found = chosen(fleet(one("tabletop", "api"), hours="Sun 01:00-02:30"), autumn, 2, past=past)
    assert [(d.starts_at.isoformat(), d.ends_at - d.starts_at) for d in found.drills] == [
        ("2026-10-25T00:00:00+00:00", timedelta(hours=2))
    ]


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(["Europe/Dublin", "America/New_York", "Asia/Kolkata", "UTC"]),
    st.integers(0, 330 * 24 * 60),
    st.sampled_from(["Mon-Thu 09:00-16:00", "01:30-02:30", "Sat,Sun 22:00-03:00", "Tue 08:00-16:00", "always"]),
    st.integers(0, 20),
    st.integers(0, 60),
)
def test_all_rules_hold_and_the_answer_is_the_same_twice(
    zone: str, minute: int, hours: str, frozen: int, age: int
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    day = start.date() + timedelta(days=frozen)
    of = fleet(zone=zone, hours=hours, freeze=f"{{from: {day}, to: {day + timedelta(days=3)}}}")
    past = {("restore", "orders"): Past(2, start - timedelta(days=age), 900.0)}
    found = chosen(of, start, past=past)
    assert chosen(of, start, past=past) == found
    for drill in found.drills:
        _sound(of, drill, start)
    for place, drill in enumerate(found.drills):
        for other in found.drills[place + 1 :]:
            _apart(of, drill, other)
    assert all(item.rules and item.rule for item in found.infeasible)


def _sound(of: Fleet, drill: ScheduledDrill, now: datetime) -> None:
    first, last = (at.astimezone(of.tz).date() for at in (drill.starts_at, drill.ends_at - timedelta(minutes=1)))
    assert drill.starts_at >= now
    assert of.recovery.hours.contains(drill.starts_at, of.tz)
    assert of.recovery.hours.contains(drill.ends_at - timedelta(minutes=1), of.tz)
    for freeze in of.freezes:
        assert last < freeze.from_ or first > freeze.to
    if of.holiday_code:
        assert not {first, last} & set(holidays.named(of.holiday_code, first.year))
    if drill.of in ("orders", "web"):  # what the database's work stands in the way of
        for text in ("03:00-04:00", "Sun 02:00-03:00"):
            for start, end in Window.parse(text).occurrences(drill.starts_at, drill.ends_at, of.tz):
                assert not overlaps(drill, start, end)
    declared = next(d for d in of.recovery.drills if (d.kind, d.of) == (drill.kind, drill.of))
    assert abs((first - date.fromisoformat(drill.due)).days) <= declared.every_days


def _apart(of: Fleet, one: ScheduledDrill, other: ScheduledDrill) -> None:
    """At most one of a failure domain a day: the subject, the zones, and with the region all of them."""
    wide, zonal = ("region_failover",), ("zone_outage", "zone_evacuation")
    same_day = one.starts_at.astimezone(of.tz).date() == other.starts_at.astimezone(of.tz).date()
    if one.of == other.of or {one.kind, other.kind} <= set(zonal) or one.kind in wide or other.kind in wide:
        assert not same_day
    takes_all = {"zone_outage", "region_failover"}
    linked = {one.of, other.of} <= {"web", "orders"}
    if linked or {one.kind, other.kind} & takes_all:
        assert not overlaps(one, other.starts_at, other.ends_at)


def test_midnight_is_that_of_the_fleet() -> None:
    of = fleet(one(), zone="America/New_York", hours="22:00-23:30", freeze="{from: 2026-03-03, to: 2026-03-20}")
    drill = chosen(of, datetime(2026, 3, 2, 12, tzinfo=UTC)).drills[0]
    assert drill.starts_at.astimezone(of.tz).time() == time(22)
    assert drill.starts_at.date() == date(2026, 3, 3)  # in UTC: the freeze there begins five hours later
