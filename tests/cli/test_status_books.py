"""What ``ops status`` says of the stack as a whole when its books, its disk or its clock are not well."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from quartermaster.cli import status_books, status_facts
from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.cli.status_facts import gather
from quartermaster.fleet import status
from quartermaster.fleet.events import Noted, StepStarted
from quartermaster.fleet.notices import Deliveries, notices
from quartermaster.fleet.status import Remark

FLEET = "fleet: shop\nclusters: {web: {}}\nnotify: [{kind: webhook, url: secret:NOTIFY_URL}]\n"
LONG_AGO = timedelta(hours=1)


@pytest.fixture
def ops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr("quartermaster.cli.notify_worker.nudge", lambda _ops: None)
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    found = Session(Options(fleet=tmp_path / "fleet.yaml"))
    yield found
    found.journal.engine.dispose()


def _said(ops: Session, ahead: timedelta = timedelta()) -> list[Remark]:
    return status_books.of_books(ops, ops.leases.held(), datetime.now(UTC) + ahead)


def test_a_stack_of_which_the_books_are_well_needs_no_remark(ops: Session) -> None:
    ops.journal.start("patch", stack="dev", subject="web").finish("done")
    assert _said(ops) == []


def test_work_that_was_cut_short_says_since_when_and_what_goes_on_with_it(ops: Session) -> None:
    run = ops.journal.start("patch", stack="dev", subject="web")
    for _ in run.record([StepStarted(step="drain")]):
        pass
    _change(ops, "update runs set pid_started = 'long ago'")
    (remark,) = _said(ops, timedelta(minutes=5))
    assert (remark.text, remark.run) == ("patch of web was cut short 5 min ago", run.id)
    assert remark.remedy == "ops patch resume web, or ops patch recover web"
    assert _said(ops, timedelta(days=3))[0].text == "patch of web was cut short 3 days ago"


def test_work_of_a_machine_that_is_gone_shows_by_its_lease(ops: Session) -> None:
    with ops.run("patch", subject="web", scopes=["dev/cluster/web"]) as (run, _):
        _change(ops, "update runs set host = 'laptop'")
        assert _said(ops, LONG_AGO) == [], "it holds its lease"
        _change(ops, "update leases set expires_at = '2020-01-01T00:00:00.000000+00:00'")
        (remark,) = _said(ops, LONG_AGO)
        assert "runs on laptop by the journal, and holds no lease" in remark.text
        assert _said(ops) == [], "a run that begins may hold none yet"
        run.finish("done")
    assert _said(ops, LONG_AGO) == []


def test_a_line_that_was_edited_is_red(ops: Session) -> None:
    run = ops.journal.start("drill", stack="dev", subject="restore orders")
    for _ in run.record([Noted(step="rto", message="30.0 s")]):
        pass
    run.finish("done")
    _change(ops, "update events set record = replace(record, '30.0', '3.0')")
    (remark,) = _said(ops)
    assert (remark.level, remark.remedy) == ("failing", "ops history verify")
    assert remark.text.startswith("the journal was edited at line 2")


def test_a_clock_that_was_set_back_is_red(ops: Session) -> None:
    ops.journal.start("drill", stack="dev", subject="restore orders").finish("done")
    (remark,) = _said(ops, -timedelta(hours=5))
    assert "5 h behind the journal's last line" in remark.text


@pytest.mark.parametrize(("mib", "level"), [(2000, ""), (900, "attention"), (10, "failing")])
def test_a_disk_that_fills_is_told_before_it_is_full(
    ops: Session, mib: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    assert ops.journal.runs() == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(mib * 2**20))
    found = _said(ops)
    assert [remark.level for remark in found] == [level] * bool(level)
    assert all(f"{mib} MiB are left on the disk of {ops.workspace.root}" in remark.text for remark in found)


def test_a_channel_that_takes_nothing_is_told_on_the_screen(ops: Session) -> None:
    run = ops.journal.start("patch", stack="dev", subject="web")
    run.finish("failed", {"error": "gate shut"})
    (notice,) = notices(ops.journal.run(run.id), "shop")
    deliveries, now = Deliveries(ops.journal.engine), datetime.now(UTC)
    assert deliveries.claim("0:webhook", notice, now)
    assert _said(ops) == [], "it is being told"
    deliveries.failed("0:webhook", notice, "webhook was not told: 503", now)
    (remark,) = _said(ops)
    assert remark.text == "1 notices did not reach 0:webhook: webhook was not told: 503"
    deliveries.sent("0:webhook", notice)
    assert _said(ops) == []


def test_a_scheduler_that_ended_is_missed_until_one_leads_again(ops: Session) -> None:
    ops.journal.start("calendar", stack="dev").finish("done")
    (remark,) = _said(ops)
    assert "no scheduler runs" in remark.text
    assert _said(ops, timedelta(days=8)) == [], "it was given up"
    with ops.leases.hold(["scheduler of dev"], run="scheduler-dev"):
        assert _said(ops) == []


def test_a_local_cloud_that_is_gone_is_red_and_what_stood_in_it_is_not_called_unmade(ops: Session) -> None:
    ops.journal.start("provision_up", stack="dev").finish("done")
    found = gather(ops)
    assert [(name, remark.text) for name, remark in found.said if remark.level == "failing"] == [
        ("stack", "the local cloud is gone, and all that ran in it")
    ]
    assert dict(found.counts)["failing"] == 1, "the head of the page counts the stack, too"
    assert "not provisioned" not in {remark.text for _, remark in found.said}
    ops.journal.start("provision_destroy", stack="dev").finish("done")
    assert ("stack", "the local cloud is not running") in [(name, remark.text) for name, remark in gather(ops).said]


def test_the_guide_for_the_night_has_the_words_of_the_screen() -> None:
    page = (Path(__file__).parents[2] / "docs/guide/day.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    said = {word.strip() for row in rows if row not in ("It says", "---") for word in re.split(r"…|, |\*", row)} - {""}
    code = "".join(
        Path(module.__file__ or "").read_text(encoding="utf-8") for module in (status, status_books, status_facts)
    )
    assert len(said) > 9 and {word for word in said if word not in code} == set()


def _change(ops: Session, statement: str) -> None:
    with ops.journal.engine.begin() as db:
        db.execute(sa.text(statement))
