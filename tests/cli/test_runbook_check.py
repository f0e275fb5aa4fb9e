"""`ops runbook check` asks the commands themselves whether what a runbook says can be typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartermaster.cli.command_lines import complaint
from quartermaster.cli.main import run
from quartermaster.runbooks.render import DOCUMENTS


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ops drill recover --yes --stack dev", ""),
        ("ops local exec i-0abc -- uptime --pretty", ""),
        ("ops --json history | jq .runs", ""),
        ("ops patch --help", ""),
        ("ops drill recovr", "No such command 'recovr'"),
        ("ops drill list | ops drill lust", "No such command 'lust'"),
        ("ops runbook check --fodler x", "No such option: --fodler"),
        ("ops local fail host", "Missing parameter: name"),
        ("ops drill run 'instance_loss", "no shell would take it: No closing quotation"),
        ("aws elbv2 describe-target-health --target-group-arn X --region eu-west-1", ""),
        (
            "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id X "
            "--no-should-decrement-desired-capacity",
            "",
        ),
        ("aws s3 ls s3://shop-ops-state", ""),
        ("aws s3 list s3://shop-ops-state", "no command of aws s3: list"),
        ("aws elb3 describe-target-health", "no service 'elb3' of aws"),
        ("aws elbv2 describe-targets", "no operation describe-targets of aws elbv2"),
        ("aws rds describe-db-instances --name x", "aws rds describe-db-instances has no option --name"),
    ],
)
def test_a_command_line_is_judged_by_the_command_that_it_names(line: str, problem: str) -> None:
    found = complaint(line)
    assert found.startswith(problem) and bool(found) == bool(problem)


def test_judging_a_command_does_not_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert complaint("ops init") == ""
    assert list(tmp_path.iterdir()) == []


def test_the_runbooks_that_we_ship_name_only_commands_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbook", "check", "--json"]) == 0
    assert "instance_loss" in json.loads(capsys.readouterr().out)["checked"]


def test_faults_are_told_all_at_once_with_file_line_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for document in DOCUMENTS.glob("*.md.j2"):
        text = document.read_text(encoding="utf-8")
        if document.name == "instance_loss.md.j2":
            text = text.replace("read `/var/log/ops-converge.log`", "run `ops local logs`, [see](there.md)", 1)
        (tmp_path / document.name).write_text(text, encoding="utf-8")
    assert run(["runbook", "check", "--folder", str(tmp_path), "--json"]) == 2
    faults = json.loads(capsys.readouterr().out)["faults"]
    line = text_line(tmp_path / "instance_loss.md.j2", "ops local logs")
    assert [(fault["file"], fault["line"], fault["where"]) for fault in faults] == [
        ("instance_loss.md.j2", line, "command"),
        ("instance_loss.md.j2", line, "link"),
    ]
    assert "No such command 'logs'" in faults[0]["problem"]
    assert all(fault["remedy"] for fault in faults)


def test_a_folder_that_there_is_not_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbook", "check", "--folder", str(tmp_path / "none")]) == 2
    assert "no folder" in capsys.readouterr().err


def text_line(file: Path, words: str) -> int:
    return next(n for n, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1) if words in line)
