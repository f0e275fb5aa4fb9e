"""Runbooks render with live names, are read back as the drill's steps, and are checked before anyone relies on them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.runbooks import drill
from quartermaster.runbooks.check import check
from quartermaster.runbooks.document import PHASES, parse
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.page import render_html
from quartermaster.runbooks.render import DOCUMENTS, kinds, render
from quartermaster.runbooks.scene import Scene
from tests.runbooks.world import MONDAY, a_fleet, a_group

PLAN = drill.plan("instance_loss", "web", scene=Scene({"web": a_group()}), fleet=a_fleet(), stack="dev", now=MONDAY)


def test_the_runbooks_that_we_ship_are_sound() -> None:
    assert check() == ()
    assert kinds() == tuple(sorted(KINDS))


def test_the_plan_carries_the_document_with_the_live_names() -> None:
    for name in (PLAN.host, PLAN.zone, "shop-dev-web", "least_outstanding_requests", "/healthz", "arn:tg"):
        assert name in PLAN.document
    assert "{{" not in PLAN.document


def test_every_step_is_read_back_with_all_that_a_person_reads() -> None:
    steps = parse(PLAN.document).steps
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert tuple(step.phase for step in steps if step.phase) == PHASES
    lose = steps[1]
    assert (str(lose.command), str(lose.expected)) == (f"kill_host({PLAN.host})", f"noticed({PLAN.host})")
    assert (lose.limit_seconds, str(lose.rollback)) == (120, f"replace_host({PLAN.host})")
    assert lose.owner == "the balancer's health checks"


def test_a_changed_text_is_a_changed_act() -> None:
    text = PLAN.document.replace("- **Time limit:** 120 seconds", "- **Time limit:** 7 seconds")
    assert parse(text).step("lose").limit_seconds == 7
    assert parse(text).sha256 != parse(PLAN.document).sha256


def test_a_name_that_there_is_not_is_refused_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "instance_loss.md.j2").write_text("{{ nobody }}", encoding="utf-8")
    with pytest.raises(InputError, match="'nobody' is undefined") as caught:
        render(KINDS["instance_loss"], {}, folder=tmp_path)
    assert "kill_by_hand" in caught.value.faults[0].remedy


SOUND = (DOCUMENTS / "instance_loss.md.j2").read_text(encoding="utf-8")

BROKEN = {
    "undefined name": ("{{ zone }}", "{{ zome }}", "undefined name 'zome'"),
    "undefined name in a branch not taken": (
        "{%- if target",
        "{%- if false %}{{ nobody }}{% endif %}{%- if target",
        "'nobody'",
    ),
    "undefined attribute": ("{{ limits.lose }}", "{{ limits.loose }}", "undefined name limits.loose"),
    "syntax": ("{{ zone }}", "{{ zone }", "unexpected '}'"),
    "unknown command": ("`kill_host({{ host }})`", "`burn_host({{ host }})`", "unknown command 'burn_host'"),
    "unknown probe": ("`noticed({{ host }})`", "`felt({{ host }})`", "unknown probe 'felt'"),
    "unknown rollback": (
        "- **Rollback:** `replace_host({{ host }})`",
        "- **Rollback:** `pray()`",
        "unknown rollback 'pray'",
    ),
    "too few arguments": ("`noticed({{ host }})`", "`noticed()`", "0 arguments"),
    "no probe": ("- **Expected:** `noticed({{ host }})`", "- Expected: `noticed({{ host }})`", "has no probe"),
    "no owner": ("- **Owner:** the group\n", "", "has no owner"),
    "no time limit": ("- **Time limit:** {{ limits.launch }} seconds\n", "", "has no time limit"),
    "a limit of nothing": ("{{ limits.launch }} seconds", "soon", "time limit 'soon' is none"),
    "unknown phase": ("**Phase:** decide", "**Phase:** dither", "unknown phase 'dither'"),
    "phases out of order": ("**Phase:** decide", "**Phase:** act", "phase act comes after act"),
    "a hole in the recovery time": ("**Phase:** act", "**Phase:** none", "splits the recovery time"),
    "two of a name": ("`give_up`", "`lose`", "two steps are called 'lose'"),
    "misnumbered": ("## 3. ", "## 4. ", "step 4 stands at place 3"),
    "unknown label": ("- **By hand:** read", "- **By foot:** read", "unknown label 'By foot'"),
    "another kind": ("kind: instance_loss", "kind: zone_outage", "says kind 'zone_outage'"),
    "no kind": ("kind: instance_loss\n", "", "does not say its kind"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_runbook_is_refused_with_its_line(name: str, tmp_path: Path) -> None:
    old, new, problem = BROKEN[name]
    assert old in SOUND
    (tmp_path / "instance_loss.md.j2").write_text(SOUND.replace(old, new, 1), encoding="utf-8")
    faults = [fault for fault in check(tmp_path) if fault.file == "instance_loss.md.j2"]
    assert any(problem in fault.problem for fault in faults), faults
    assert all(fault.remedy and fault.file for fault in faults)
    assert all(fault.line for fault in faults)


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_html_is_one_page_with_every_step_and_no_script() -> None:
    html = render_html(PLAN.document)
    outline = _Outline()
    outline.feed(html)
    assert outline.tags.count("h1") == 1
    assert outline.tags.count("h2") == len(parse(PLAN.document).steps)
    assert {"table", "ul", "code"} <= set(outline.tags)
    assert not {"script", "img", "link", "iframe"} & set(outline.tags)
    assert not re.search(r"https?://", html)


def test_html_escapes_what_a_fleet_may_hold() -> None:
    evil = {"of": "<script>alert(1)</script>", "balancer": "<img src=x>"}
    html = render_html(render(KINDS["instance_loss"], evil))
    assert "<script" not in html
    assert "<img" not in html
