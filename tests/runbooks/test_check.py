"""A runbook is refused for what nobody could type and links that lead nowhere, every fault at once, at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.fleet.errors import Fault
from quartermaster.runbooks.check import check
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.prose import slug, wrong_commands, wrong_links
from quartermaster.runbooks.render import DOCUMENTS

SOUND = (DOCUMENTS / "instance_loss.md.j2").read_text(encoding="utf-8")


def written(folder: Path, *changes: tuple[str, str]) -> str:
    text = SOUND
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "instance_loss.md.j2").write_text(text, encoding="utf-8")
    return text


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if words in line)


def of_document(faults: tuple[Fault, ...]) -> list[Fault]:
    return [fault for fault in faults if fault.file == "instance_loss.md.j2"]


def test_every_fault_comes_at_once_in_order_each_at_its_line_of_the_template(tmp_path: Path) -> None:
    text = written(
        tmp_path,
        ("in stack **{{ stack }}**", "in stack **{{ stock }}** ([all](nowhere.md))"),
        ("`noticed({{ host }})`", "`felt({{ host }})`"),
        ("- **Owner:** the group's health checks\n", ""),
        ("{{ limits.launch }}", "{{ limits.lunch }}"),
        ("`replacement_in_service()`", "replacement_in_service()"),
        ("`/var/log/ops-converge.log`", "`ops patch nothing`"),
    )
    faults = of_document(check(tmp_path, judge=lambda line: "no such thing" if "nothing" in line else ""))
    assert [(fault.line, fault.problem.partition(":")[0]) for fault in faults] == [
        (line_of(text, "{{ stock }}"), "undefined name 'stock'"),
        (line_of(text, "nowhere.md"), "nowhere.md leads nowhere"),
        (line_of(text, "`felt("), "unknown probe 'felt'"),
        (line_of(text, "## 3. "), "'The group gives it up' has no owner"),
        (line_of(text, "limits.lunch"), "undefined name limits.lunch"),
        (line_of(text, "** replacement_in_service()"), "Expected"),
        (line_of(text, "ops patch nothing"), "nobody can type `ops patch nothing`"),
    ]
    assert all(fault.remedy for fault in faults)


def test_a_step_of_the_head_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    written(tmp_path, ("kind: instance_loss\n", "kind: instance_loss\nwhole: landed\n"))
    assert of_document(check(tmp_path)) == [
        Fault(
            "whole", "no step 'landed' says that all is as before",
            "one of: steady_before, lose, give_up, launch, converge, whole, stays", 1, "instance_loss.md.j2",
        )
    ]  # fmt: skip


def test_a_drill_without_a_runbook_is_found(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "instance_loss.md.j2").rename(tmp_path / "meteor.md.j2")
    found = {fault.file: fault.problem for fault in check(tmp_path)}
    assert found["instance_loss.md.j2"] == "the drill instance_loss has no runbook"
    assert found["meteor.md.j2"] == "there is no drill 'meteor'"
    assert len(found) == len(KINDS) + 1


def test_what_only_one_target_reads_is_checked_too(tmp_path: Path) -> None:
    written(tmp_path, ("The fault is an experiment", "See [there](aws-only.md). The fault is an experiment"))
    assert [fault.problem for fault in of_document(check(tmp_path))] == [
        "aws-only.md leads nowhere: there is no aws-only.md beside it"
    ]


def test_commands_are_judged_wherever_they_stand_in_code() -> None:
    text = "---\nkind: x\n---\nSay `ops a` and\nthen `aws b`, not ops c.\n\n```sh\nls\nops d\n```\n\n    ops e\n"
    judged: list[str] = []

    def judge(line: str) -> str:
        judged.append(line)
        return "wrong"

    assert [(line, command) for line, command, _ in wrong_commands(text, judge)] == [
        (4, "ops a"), (5, "aws b"), (9, "ops d"), (12, "ops e"),
    ]  # fmt: skip
    assert judged == ["ops a", "aws b", "ops d", "ops e"]


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("[a](#what-it-is)", ""),
        ("[a](#what-it-was)", "no heading is called #what-it-was"),
        ("[a](other.md)", ""),
        ("[a](other.md#first-steps)", ""),
        ("[a](other.md#last-steps)", "no heading is called #last-steps"),
        ("[a](gone.md)", "there is no gone.md beside it"),
        ("![a](plan.png)", "there is no plan.png beside it"),
        ("[a](https://docs.aws.amazon.com/fis/latest/userguide/)", ""),
        ("[a](https://docs)", "it names no host"),
        ("[a](https:docs.aws.amazon.com)", "it names no host"),
        ("<mailto:on-call@shop.example>", ""),
        ("[a](ftp://shop.example/x)", "no web address starts with ftp:"),
        ("[a][b]", "no line [b]: … defines it"),
    ],
)
def test_a_link_leads_somewhere(link: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "other.md.j2").write_text("# Other\n\n## First steps\n", encoding="utf-8")
    found = [complaint for _, _, complaint in wrong_links(f"# X\n\n## What it is\n\n{link}\n", tmp_path)]
    assert found == [problem] * bool(problem)


def test_anchors_are_made_as_readers_of_markdown_make_them() -> None:
    assert slug("2. The host's power: gone") == "2-the-hosts-power-gone"
