"""``ops drill report``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from quartermaster.cli.main import run
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.workspace import Workspace
from tests.runbooks.test_report import ran

FLEET = """
fleet: shop
clusters: {web: {size: {min: 3, max: 9}, balancer: {}}}
recovery:
  web: {zone: {rto: 2m}}
"""


def test_it_writes_the_page_and_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    journal = Journal.open(Workspace(tmp_path / "fleet.yaml").database)
    done = ran(journal)
    assert run(["drill", "report", "--json", "--fleet", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["run"] for one in told["drills"]] == [done]
    assert told["objectives"][0]["state"] == "rehearsed"
    assert told["journal"]["intact"] is True
    assert done in Path(told["file"]).read_text()
    out = tmp_path / "drills.html"
    with journal.engine.begin() as db:
        db.execute(sa.text("update events set at = at || ' ' where seq = 3"))
    assert run(["drill", "report", "--out", str(out), "--fleet", str(tmp_path)]) == 0
    assert "THE JOURNAL WAS EDITED" in capsys.readouterr().out
    assert "Line 3: " in out.read_text()
    journal.engine.dispose()
