"""What this machine cannot be is named."""

from pathlib import Path

import pytest

import quartermaster.examples
from quartermaster.fleet.schema import load_fleet
from quartermaster.infra.layout import layout
from quartermaster.infra.setup import machine
from quartermaster.infra.substituted import substituted

FLEET = load_fleet(Path(quartermaster.examples.__path__[0]) / "demo" / "fleet.yaml")
LAYOUT = layout(FLEET, "dev")


def of(version: str) -> dict[str, object]:
    rows = substituted(FLEET, LAYOUT, [{"name": LAYOUT.name("orders"), "version": version}])
    return {row["what"]: (row["asked"], row["used"]) for row in rows}


def test_another_major_of_postgresql_is_named() -> None:
    assert of("15")["databases.orders.version"] == ("16", "15")


def test_the_major_that_was_asked_for_is_not() -> None:
    assert "databases.orders.version" not in of("16")


def test_a_setting_that_this_postgresql_does_not_have_is_named(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(
        'fleet: shop\ndatabases: {orders: {parameters: {work_mem: "65536", rds.log_retention_period: "9"}}}\n'
    )
    fleet = load_fleet(path)
    shape = layout(fleet, "dev")
    running = [{"name": shape.name("orders"), "version": "16", "settings": ["work_mem"]}]
    named = [row["what"] for row in substituted(fleet, shape, running)]
    assert "databases.orders.parameters.rds.log_retention_period" in named
    assert "databases.orders.parameters.work_mem" not in named


def test_the_size_of_the_instances_is_named() -> None:
    assert of("16")["clusters.web.instance"][0] == "m6i.large"  # type: ignore[index]


def of_cluster(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setattr(machine, "codename", lambda: "bookworm")
    path = folder / "fleet.yaml"
    path.write_text(f"fleet: shop\nclusters: {{web: {text}}}\n")
    fleet = load_fleet(path)
    rows = substituted(fleet, layout(fleet, "dev"), [])
    of_web = [row for row in rows[1:] if str(row["what"]).startswith("clusters.web.")]
    return {str(row["what"]).removeprefix("clusters.web."): row["asked"] for row in of_web}


def test_scaling_that_has_no_source_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaling = "{scaling: {predictive: forecast_only, warm_hosts: 2}}"
    assert of_cluster(scaling, tmp_path, monkeypatch) == {
        "scaling.track": "cpu", "scaling.predictive": "forecast_only", "scaling.warm_hosts": 2,
    }  # fmt: skip


def test_what_is_as_asked_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracked = "{balancer: {access_logs: false}, scaling: {track: requests, target: 900}}"
    assert of_cluster(tracked, tmp_path, monkeypatch) == {}


def test_what_a_balancer_does_here_otherwise_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    balancer = "{kind: network, algorithm: flow_hash, cross_zone: false}"
    text = f"{{balancer: {balancer}, scaling: {{track: none}}}}}}\ndns: {{zone: shop.example"
    assert of_cluster(text, tmp_path, monkeypatch).keys() == {
        "balancer.access_logs", "balancer.cross_zone", "balancer.certificate", "balancer.name",
    }  # fmt: skip


def test_an_image_that_this_machine_is_not_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "{image: {family: ubuntu-24.04}, scaling: {track: none}}"
    assert of_cluster(other, tmp_path, monkeypatch) == {"image": "ubuntu-24.04"}


def test_alarms_and_logs_that_go_nowhere_here_are_named() -> None:
    assert {"alarms", "logs"} <= of("16").keys()
