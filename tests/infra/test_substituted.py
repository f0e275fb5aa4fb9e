"""What this machine cannot be is named."""

from pathlib import Path

import quartermaster.examples
from quartermaster.fleet.schema import load_fleet
from quartermaster.infra.layout import layout
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


def test_the_size_of_the_instances_is_named() -> None:
    assert of("16")["clusters.web.instance"][0] == "m6i.large"  # type: ignore[index]
