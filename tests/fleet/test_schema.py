"""Loading, defaults, the example, the JSON Schema, stacks, secrets."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from quartermaster.fleet.errors import InputError, MissingPart
from quartermaster.fleet.prices import load_prices
from quartermaster.fleet.schema import Fleet, example, find_fleet, json_schema, load_fleet, read_text
from quartermaster.fleet.schema.tree import read_tree
from quartermaster.fleet.secret import Secret

FULL = Path(__file__).parent / "full.yaml"
"""The fleet.yaml of the design, word for word."""


def fleet_of(text: str) -> Fleet:
    return read_text(text).fleet


def plain(value: Any) -> Any:
    """As an editor's JSON sees it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def test_name_alone_is_a_fleet() -> None:
    fleet = fleet_of("fleet: shop\n")
    assert fleet.zone_names() == ("eu-west-1a", "eu-west-1b", "eu-west-1c")
    assert fleet.stacks["dev"].target == "local"
    assert fleet.backups.rules[0].keep_days == 35


def test_design_file_loads_with_its_types() -> None:
    fleet = load_fleet(FULL)
    assert str(fleet.network.cidr) == "10.20.0.0/16"
    assert fleet.recovery.objectives["orders"].zone is not None
    assert fleet.recovery.objectives["orders"].zone.rto == timedelta(minutes=5)
    assert fleet.backups.rules[1].on == 1
    assert fleet.freezes[0].from_ == date(2026, 11, 23)
    assert fleet.patching["web"].wave.of(12) == 3
    assert read_text(FULL.read_text()).warnings == ()


def test_role_defaults_to_the_clusters_name() -> None:
    assert fleet_of("fleet: shop\nclusters:\n  web-api:\n").clusters["web-api"].role == "web_api"


def test_network_balancer_has_its_own_default_algorithm() -> None:
    fleet = fleet_of("fleet: shop\nclusters: {web: {balancer: {kind: network}}}\n")
    assert fleet.clusters["web"].balancer is not None
    assert fleet.clusters["web"].balancer.algorithm == "flow_hash"


def test_schedule_instants_become_utc() -> None:
    entry = "{at: 2026-11-23T09:00:00+01:00, min: 4}"
    fleet = fleet_of(f"fleet: shop\nclusters: {{web: {{schedule: [{entry}]}}}}\n")
    assert fleet.clusters["web"].schedule[0].at == datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_fleet_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        fleet_of("fleet: shop\n").zones = 2


def test_yaml_is_1_2_and_takes_aliases() -> None:
    fleet = fleet_of("fleet: shop\nbackups: {rules: [&d {name: a, on: 010}, {<<: *d, name: b}]}\n")
    assert [(rule.name, rule.on) for rule in fleet.backups.rules] == [("a", 10), ("b", 10)]


def test_odd_but_possible_things_are_warnings() -> None:
    loaded = read_text("fleet: shop\nclusters:\n  web:\n    instance: x9.large\n    size: {min: 1, max: 2}\n")
    assert [(fault.where, fault.line) for fault in loaded.warnings] == [
        ("clusters.web.size.min", 5),
        ("clusters.web.instance", 4),
    ]


def test_a_region_without_prices_is_said_before_costs_are() -> None:
    (warning,) = read_text("fleet: shop\nregion: ap-southeast-2\n").warnings
    assert (warning.where, warning.line) == ("region", 2)
    assert "ops prices update" in warning.remedy


def test_hosts_for_every_zone_need_a_max_that_holds_them() -> None:
    (warning,) = read_text("fleet: shop\nclusters: {web: {size: {min: 1, max: 1}}}\n").warnings
    assert warning.remedy == "min: 3 and max: 3 or more, or fewer zones"
    two = "fleet: shop\nzones: 2\nclusters: {web: {size: {min: 1, max: 4}}}\n"
    assert read_text(two).warnings[0].remedy == "min: 2"  # a fleet has no fewer zones than two


def test_a_reason_that_is_short_is_not_called_empty() -> None:
    waiver = "{rule: single-nat, reason: dev, until: 2027-01-01}"
    with pytest.raises(InputError) as refused:
        read_text(f"fleet: shop\nwaivers: [{waiver}]\n")
    assert [fault.problem for fault in refused.value.faults] == ["'dev' is too short"]


ENDED = "waivers: [{rule: encrypted-logs, resource: orders, until: 2026-11-01, reason: a test of ours}]\n"
WARNED = """\
fleet: shop
recovery_region: eu-central-1
clusters:
  web: {size: {min: 3, max: 300}}
databases:
  orders: {}
backups:
  rules: []
capacity:
  web: {target_utilisation: 0.9}
recovery:
  web: {zone: {rto: 5m, rpo: 5m}, region: {rto: 1h}}
  orders: {zone: {rto: 5m}}
"""


def test_every_warning_has_its_line() -> None:
    assert {(fault.where, fault.line) for fault in read_text(WARNED).warnings} == {
        ("network.recovery_cidr", 1),
        ("backups.rules", 8),
        ("capacity.web.survive.at_utilisation", 10),
        ("recovery.web.zone.rpo", 12),
        ("recovery.orders.zone", 13),
    }


def test_a_warning_says_what_is_odd_and_what_to_do() -> None:
    odd = WARNED.replace("{min: 3, max: 300}", "{min: 1, max: 300}, instance: x9.large")
    found = read_text(f"{odd}{ENDED}", today=date(2026, 11, 22)).warnings
    assert {fault.where: f"{fault.problem} -> {fault.remedy}" for fault in found} == {
        "clusters.web.size.min": "min 1 for 3 zones leaves a zone empty -> min: 3, or fewer zones",
        "clusters.web.instance": (
            f"x9.large has no price in the table of {load_prices().dated} -> check its name; costs will call it unknown"
        ),
        "network.recovery_cidr": (
            "an objective is to survive the region, and nothing waits in eu-central-1 but copies -> "
            "recovery_cidr: 10.21.0.0/16, or another range apart from cidr"
        ),
        "capacity.web.survive.at_utilisation": (
            "0.85 after a loss is less than 0.9 without one -> usually the larger of the two"
        ),
        "backups.rules": "no rule backs up orders -> add a rule",
        "recovery.web.zone.rpo": "web is a cluster and holds no data: rpo will not be measured -> leave it out",
        "recovery.orders.zone": "an objective for data without rpo -> add rpo: 5m, or yours",
        "waivers[0].until": (
            "the waiver of encrypted-logs for orders ended on 2026-11-01 -> mend what it set aside, give it a new "
            "day, or remove it"
        ),
    }


def test_example_validates_without_a_warning() -> None:
    loaded = read_text(example("demo"))
    assert loaded.fleet.fleet == "demo"
    assert loaded.warnings == ()


def test_example_refuses_a_bad_name() -> None:
    with pytest.raises(InputError, match="Bad Name"):
        example("Bad Name")


@pytest.mark.parametrize("text", [example(), FULL.read_text()], ids=["example", "design"])
def test_json_schema_accepts(text: str) -> None:
    assert list(Draft202012Validator(json_schema()).iter_errors(plain(read_tree(text).value))) == []


@pytest.mark.parametrize(
    "path", [(), ("clusters", "web"), ("clusters", "web", "balancer"), ("recovery", "orders"), ("stacks", "dev")]
)
def test_json_schema_refuses_unknown_keys(path: tuple[str, ...]) -> None:
    document = plain(read_tree(example()).value)
    part = document
    for step in path:
        part = part[step]
    part["colour"] = "blue"
    assert not Draft202012Validator(json_schema()).is_valid(document)


def test_json_schema_describes_fields() -> None:
    assert "zones of the region" in json_schema()["properties"]["zones"]["description"]


def test_fleet_is_found_above(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_fleet(tmp_path / "a" / "b") == (tmp_path / "fleet.yaml").resolve()


def test_no_fleet_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        find_fleet(tmp_path)
    assert "ops init" in refused.value.remedy


def test_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.yaml"):
        load_fleet(tmp_path / "nothing.yaml")


def test_file_that_is_not_text_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        load_fleet(tmp_path / "fleet.yaml")


STACKS = 'fleet: shop\nregion: eu-west-1\nstacks: {%s: {}, %s: {target: aws, account: "123456789012"}}\n'


def test_stack_is_the_one_named_the_only_one_or_dev() -> None:
    assert fleet_of("fleet: shop\n").resolve_stack() == "dev"
    assert fleet_of("fleet: shop\nstacks: {live: {}}\n").resolve_stack() == "live"
    assert fleet_of(STACKS % ("dev", "prod")).resolve_stack() == "dev"
    assert fleet_of(STACKS % ("dev", "prod")).resolve_stack("prod") == "prod"


def test_unclear_or_unknown_stack_names_those_there_are() -> None:
    fleet = fleet_of(STACKS % ("test", "prod"))
    for name in (None, "dev"):
        with pytest.raises(InputError) as refused:
            fleet.resolve_stack(name)
        assert "test, prod" in refused.value.remedy


def test_protected_stack_permits_gentle_drills_only() -> None:
    fleet = fleet_of("fleet: shop\nstacks: {dev: {}, live: {protect: true}}\n")
    assert fleet.allowed_drills("dev") is None
    assert fleet.allowed_drills("live") == ("restore", "tabletop")


def test_secret_prints_as_stars_and_is_read_when_used() -> None:
    secret = fleet_of("fleet: shop\nnotify: [{url: secret:HOOK}]\n").notify[0].url
    assert secret is not None
    assert f"{secret} {secret!r}" == "******** Secret(HOOK)"
    assert secret.reveal({"HOOK": "https://x"}) == "https://x"
    with pytest.raises(MissingPart, match="HOOK"):
        secret.reveal({})


def test_literal_secret_does_not_show() -> None:
    secret = Secret.parse("https://token@host")
    assert "token" not in f"{secret} {secret!r}"
    assert secret.reveal() == "https://token@host"
    assert "token" not in fleet_of("fleet: shop\nnotify: [{url: 'https://token@host'}]\n").model_dump_json()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("timezone: Europe/Dublin\n", "IE"),
        ("timezone: America/New_York\n", "US"),
        ("", ""),
        ("timezone: Etc/GMT+5\n", ""),
        ("timezone: Europe/Dublin\nholidays: none\n", ""),
        ("timezone: Europe/Dublin\nholidays: US-CA\n", "US-CA"),
        ("holidays: NO\n", "NO"),
    ],
)
def test_holidays_are_those_of_the_time_zones_country_unless_said(text: str, code: str) -> None:
    assert fleet_of("fleet: shop\n" + text).holiday_code == code


def test_events_have_days_and_may_have_a_factor() -> None:
    (sale, match) = fleet_of(
        "fleet: shop\nclusters: {web: {}}\nevents:\n"
        "  - {name: black friday, from: 2026-11-27, to: 2026-11-30, of: web, factor: 2.5}\n"
        "  - {name: match, from: 2026-12-04}\n"
    ).events
    assert (sale.from_, sale.to, sale.of, sale.factor) == (date(2026, 11, 27), date(2026, 11, 30), "web", 2.5)
    assert (match.to, match.of, match.factor) == (None, "", None)
