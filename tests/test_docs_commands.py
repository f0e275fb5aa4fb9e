"""Every command that the documentation tells people to type is run: here, or where it has what it needs."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import quartermaster.examples
from quartermaster.cli import options
from quartermaster.cli.main import run
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.schema import example
from quartermaster.fleet.workspace import Workspace
from tests.hosts.test_readme import commands as of_the_readme
from tests.runbooks.rehearsal import a_plan, finish, start
from tests.runbooks.world import FakeWorld
from tests.test_docs import PAGES, ROOT, commands
from tests.webhook import answering

SAMPLE = Path(quartermaster.examples.__path__[0]) / "metrics" / "web_requests_hourly.parquet"

ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "adopt": ("reads what runs in an account", "tests/local/test_adopt_import.py"),
    "backup": ("needs a database that runs", "tests/hosts/test_backup.py"),
    "bootstrap": ("makes bucket and keys in an account", "tests/cli/test_bootstrap.py"),
    "configure": ("needs hosts", "tests/hosts/test_configure.py"),
    "demo": ("needs hosts, and six minutes: make demo", "cli/demo.py"),
    "drill recover": ("needs a drill that was cut short", "tests/cli/test_killed.py"),
    "drill run": ("needs hosts", "tests/hosts/drill_cluster.py"),
    "drill run failover": ("needs a database that runs", "tests/hosts/drill_database.py"),
    "drill run restore": ("needs a database that runs", "tests/hosts/backup_database.py"),
    "drill run tabletop": ("asks a person", "tests/cli/test_tabletop.py"),
    "local": ("needs the local cloud", "tests/hosts/test_local_cloud.py"),
    "metrics sync": ("needs a source of metrics", "tests/cli/test_metrics.py"),
    "patch plan": ("needs hosts", "tests/cli/test_patch_plan.py"),
    "patch recover": ("needs a cycle that was cut short", "tests/cli/test_patch_control.py"),
    "patch resume": ("needs a cycle that was cut short", "tests/cli/test_patch_left.py"),
    "patch run": ("needs hosts", "tests/hosts/patch_driver.py"),
    "prices update": ("asks the price list of an account", "tests/fleet/test_price_list.py"),
    "provision": ("needs the engine", "tests/local/test_two_ups.py"),
    "pulumi": ("needs the engine", "tests/local/test_plain.py"),
    "rehearse": ("needs hosts", "tests/cli/test_pytest_plugin.py"),
    "runbook probe": ("needs hosts", "tests/cli/test_runbook_now.py"),
    "runbook render": ("names what runs", "tests/cli/test_runbook_now.py"),
    "runbook run": ("asks a person", "tests/cli/test_runbook_walk.py"),
    "scheduler run": ("runs until it is stopped", "tests/cli/test_scheduler.py"),
    "serve": ("runs until it is stopped", "tests/cli/test_serve.py"),
    "setup": ("installs packages", "tests/setup/test_run.py"),
    "status --watch": ("needs a terminal", "tests/cli/test_status.py"),
    "status --stack prod": ("reads an account", "tests/cli/test_credentials.py"),
}
"""What is not run here: what it needs, and the test that has it."""


def elsewhere(command: str) -> str:
    """The row of the list above that the command is told by; empty: it is run here."""
    rows = [row for row in ELSEWHERE if re.match(rf"ops {row}( |$)", command)]
    return max(rows, key=len, default="")


OTHERS: Mapping[str, tuple[str, str]] = {
    "balancer-server": ("tests/hosts/test_roles.py", "balancer-server drain"),
    "curl --cacert": ("tests/local/test_haproxy_serves.py", "Authority.kept_in"),
    "pulumi import": ("tests/local/test_adopt_import.py", "adopt"),
    "pulumi -C infra preview": ("tests/local/test_plain.py", '"preview"'),
    "chaos run": ("tests/runbooks/test_chaos.py", "run_experiment"),
    "ops serve --host": ("tests/cli/test_serve.py", "OPS_SERVE_TOKEN"),
}
"""What people type of other programs, or with a variable before it: the test that does the same, and by which words."""
_TYPED = re.compile(r"(?:[A-Z_]+=\S+ )*((?:curl|balancer-server|chaos|pulumi|docker|pip|ops serve) [^`\n]*[^`\s])")

DOCUMENTED = list(dict.fromkeys(line for page in PAGES for line in commands(page.read_text(encoding="utf-8"))))
NAMED = ("ops init", "ops capacity whatif")
"""Alone they are names in a sentence; the fixture writes what the first would write."""
HERE = [line for line in DOCUMENTED if line not in NAMED and not elsewhere(line)]


def test_what_is_not_run_here_is_run_where_it_is_said_to_be() -> None:
    used = {row for line in DOCUMENTED if (row := elsewhere(line))}
    assert used == set(ELSEWHERE), "a row for no command"
    assert [file for _, file in ELSEWHERE.values() if not (ROOT / file).is_file()] == []
    assert len(HERE) > len(DOCUMENTED) // 3
    assert {line for line in of_the_readme() if line not in DOCUMENTED} == set(), "run by tests/hosts/test_readme.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_typed_of_other_programs_is_tried_too(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    typed = [found for line in re.findall(r"^ {4,}(.*)$|`([^`\n]+)`", text, re.MULTILINE) for found in line if found]
    others = [found[1] for line in typed if not line.startswith("ops ") and (found := _TYPED.match(line))]
    assert [line for line in others if not line.startswith(tuple(OTHERS))] == []
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for line in typed for name in re.findall(r"\bmake ([a-z-]+)", line)} <= set(targets)


def test_the_tests_of_other_programs_are_there() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [words for words in OTHERS if words not in pages] == [], "a row for no command"
    assert [file for file, words in OTHERS.values() if words not in (ROOT / file).read_text(encoding="utf-8")] == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the reader would be: ten weeks of metrics, a drill that is over, a patch cycle that goes on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("quartermaster.cli.notify_worker.nudge", lambda _ops: None)
    history = pd.read_parquet(SAMPLE)
    weeks = (pd.Timestamp(datetime.now(UTC)) - history["timestamp"].max()) // pd.Timedelta(weeks=1)
    history["timestamp"] += pd.Timedelta(weeks=weeks)
    history.to_parquet("requests.parquet")
    hosts = history.assign(series_id="web:instances", value=20.0, unit="instances")
    busy = history.assign(series_id="web:utilisation", value=history["value"] / 3600 / 20 / 50, unit="1")
    pd.concat([hosts, busy]).to_parquet("learned.parquet")
    shutil.copytree(ROOT / "runbooks/documents", "my-runbooks")
    with answering() as hook:
        monkeypatch.setenv("NOTIFY_URL", hook.url)
        yield tmp_path


def ran(line: str) -> int:
    options.OPTIONS.__init__()  # type: ignore[misc]
    words = shlex.split(line.partition(" > ")[0])[1:]
    return run([*words, "--yes"])


@pytest.mark.slow
def test_every_other_command_of_the_documentation_does_what_it_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = example().replace("  # prod:", "  prod:") + "notify: [{kind: webhook, url: secret:NOTIFY_URL}]\n"
    (folder / "fleet.yaml").write_text(text, encoding="utf-8")
    journal = Journal.open(Workspace(folder / "fleet.yaml").database)
    world = FakeWorld()
    stands_for = {
        "drill-20261120T093000-1f2e": finish(start(a_plan(world), world, journal))[1].run,
        "2027-03-01": f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}",
        " RUN": f" {journal.start('patch', stack='dev', subject='web').id}",
    }
    failed = {}
    for line in ["ops metrics import learned.parquet", *HERE]:
        typed = line
        for word, meant in stands_for.items():
            typed = typed.replace(word, meant)
        capsys.readouterr()
        if status := ran(typed):
            failed[line] = (status, capsys.readouterr().err)
    assert not failed, "\n".join(f"{line}: {found}" for line, found in failed.items())
