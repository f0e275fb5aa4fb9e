"""Where demand is not known, guards are told so; they are not refused."""

from pathlib import Path

import pytest

import quartermaster.examples
from quartermaster.cli.forecasts import outlook, plans
from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.planner.store import import_file

EXAMPLES = Path(quartermaster.examples.__path__[0])


@pytest.fixture
def learning(tmp_path: Path) -> Session:
    """A fleet that is to learn its unit capacity, with no history to learn it from."""
    text = (EXAMPLES / "demo" / "fleet.yaml").read_text(encoding="utf-8")
    assert "unit: 25" in text
    (tmp_path / "fleet.yaml").write_text(text.replace("unit: 25", "unit: learn"), encoding="utf-8")
    return Session(Options(fleet=tmp_path / "fleet.yaml"))


def test_no_history_is_no_plan(learning: Session) -> None:
    assert plans(learning) == {}
    assert outlook(learning, "web") is None


def test_a_unit_capacity_that_cannot_be_learned_is_a_warning(
    learning: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = EXAMPLES / "metrics" / "web_requests_hourly.parquet"
    import_file(sample, learning.workspace.folder("metrics"), rename="web")
    assert outlook(learning, "web") is None
    assert "demand is taken as unknown" in capsys.readouterr().err
