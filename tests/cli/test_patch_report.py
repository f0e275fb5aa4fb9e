"""``ops patch status|report``: from what was kept, at once and without a cloud."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.cli.main import run
from quartermaster.cli.session import Session
from quartermaster.fleet.hosts import Group
from quartermaster.fleet.journal import Journal
from quartermaster.playbooks import patch_run
from quartermaster.playbooks.compliance_store import Readings
from quartermaster.playbooks.machine import Machine, Survey, Update
from quartermaster.playbooks.patch_result import outcome
from tests.playbooks import fakes
from tests.playbooks.test_compliance_store import planned

FLEET = "fleet: shop\nclusters: {web: {balancer: {}}, api: {}}\npatching: {web: {window: 'Sun 01:00-05:00'}}\n"
SEEN = datetime.now(UTC) - timedelta(days=9)
TLS = Update("openssl", "3.0.1", "3.0.2", security=True, first_seen=SEEN.isoformat())
HOSTS = fakes.group(3).hosts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    (tmp_path / ".ops").mkdir()
    return tmp_path


@pytest.fixture
def journal(folder: Path) -> Journal:
    return Journal.open(folder / ".ops" / "ops.db")


class Kept(fakes.FakeMachines):
    def keep(self, host_id: str, machine: Machine) -> None:
        assert self[host_id] is machine

    def close(self) -> None:
        pass


def read(journal: Journal, ago: timedelta, *of: Survey) -> None:
    told = {host.id: survey for host, survey in zip(HOSTS, of, strict=True)}
    Readings(journal.engine).keep("dev", "web", HOSTS, told, datetime.now(UTC) - ago)


def patched(journal: Journal) -> str:
    world = fakes.FakeWorld(fakes.group(3, floor=1))
    tools = patch_run.Tools(world, fakes.FakeMachines.of(world.now), fakes.FakeCounter())
    record = journal.start("patch", stack="dev", subject="web")
    list(record.record(patch_run.run(planned(world.now), record.id, tools)))
    told = outcome([recorded.event for recorded in journal.events(record.id)], run=record.id).to_json()
    record.finish(told["state"], told)
    return record.id


def asked(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["patch", *words, "--json", "--fleet", str(folder)]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def told(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> str:
    capsys.readouterr()
    assert run(["patch", *words, "--fleet", str(folder)]) == 0
    return capsys.readouterr().out


def test_a_cluster_that_was_never_patched_keeps_the_contract(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = asked(capsys, folder, "status", "web")
    assert {name: document[name] for name in ("hosts", "state", "requests", "run")} == {
        "hosts": [], "state": "never", "requests": None, "run": None,
    }  # fmt: skip
    assert document["compliance"]["read_at"] is None
    assert "never read; ops patch status web --refresh" in told(capsys, folder, "status", "web")


def test_status_tells_the_last_run_beside_what_is_pending(
    folder: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = patched(journal)
    read(journal, timedelta(0), Survey((TLS,)), Survey((TLS,), reboot_required=True), Survey(error="timed out"))
    document = asked(capsys, folder, "status", "web")
    assert (document["run"], document["state"]) == (run_id, "done")
    assert {host["state"] for host in document["hosts"]} == {"patched"}
    assert set(document["hosts"][0]) >= {"id", "zone", "state", "from", "to", "seconds"}
    found = document["compliance"]
    assert [found[name] for name in ("pending", "security", "oldest_days", "reboots", "unreachable")] == [2, 2, 9, 1, 1]
    assert found["hosts"][2]["why_not"][0]["kind"] == "unreachable"


def test_status_says_in_words_what_waits_and_why(
    folder: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    read(journal, timedelta(hours=3), Survey((TLS,)), Survey(), Survey(error="host i-2: timed out"))
    text = told(capsys, folder, "status", "web")
    assert "web: 1 update pending on 1 of 3 hosts, 1 of them security, the oldest for 9 days" in text
    assert "1 did not answer (read 3 h ago)" in text
    assert "openssl: " in text and "nothing is pending" in text and "it did not answer: host i-2: timed out" in text
    assert "last cycle: none yet" in text


def test_status_says_first_that_a_cycle_was_cut_short_and_what_goes_on_with_it(
    folder: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    record = journal.start("patch", stack="dev", subject="web")
    world = fakes.FakeWorld(fakes.group(3, floor=1))
    tools = patch_run.Tools(world, fakes.FakeMachines.of(world.now), fakes.FakeCounter())
    fakes.until(record.record(patch_run.run(planned(world.now), record.id, tools)), 6)
    record.finish("stopped")
    last, remedy, summary = told(capsys, folder, "status", "web").splitlines()[:3]
    assert last.startswith(f"last cycle: {record.id}, stopped at ")
    assert remedy == "remedy: ops patch resume web, or ops patch recover web"
    assert summary.startswith("web: ")


def test_status_without_a_cluster_tells_of_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(asked(capsys, folder, "status")["clusters"]) == ["web", "api"]


def test_an_unknown_cluster_is_refused_with_those_there_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("status", "report"):
        assert run(["patch", command, "wep", "--fleet", str(folder)]) == 2
        assert "web, api" in capsys.readouterr().err


def test_refresh_asks_the_hosts_and_keeps_what_they_say(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hosts:
        def group(self, cluster: str) -> Group:
            return fakes.group(3)

    monkeypatch.setattr(Session, "hosts", Hosts())
    monkeypatch.setattr(Session, "cloud", SimpleNamespace(client=lambda _: None))
    monkeypatch.setattr("quartermaster.cli.ssh.inventory", lambda *_: None)
    monkeypatch.setattr("quartermaster.cli.ssh.stack_bucket", lambda _: ("bucket", "123456789012"))
    monkeypatch.setattr("quartermaster.playbooks.publish.current", lambda *_: "of-today")
    machines = Kept.of(fakes.group(3))
    monkeypatch.setattr("quartermaster.playbooks.remote.SshMachines", lambda *_: machines)
    assert asked(capsys, folder, "status", "web", "--refresh")["compliance"]["pending"] == 3
    again = asked(capsys, folder, "status", "web")["compliance"]
    assert again["pending"] == 3
    assert all(update["first_seen"] for host in again["hosts"] for update in host["updates"])


def test_the_report_tells_who_was_patched_when_and_how_the_readings_went(
    folder: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    read(journal, timedelta(days=2), Survey((TLS,)), Survey((TLS,)), Survey())
    run_id = patched(journal)
    read(journal, timedelta(0), Survey(), Survey(), Survey())
    found = asked(capsys, folder, "report", "web")["clusters"]["web"]
    assert [(one["run"], one["state"], one["hosts"]) for one in found["cycles"]] == [(run_id, "done", {"patched": 3})]
    assert {(one["host"], one["from"], one["to"]) for one in found["patched"]} == {
        (host.id, "shop-page=1.0", "shop-page=2.0") for host in HOSTS
    }
    assert [(one["pending"], one["oldest_days"] and round(one["oldest_days"])) for one in found["trend"]] == [
        (2, 7), (0, None),
    ]  # fmt: skip
    text = told(capsys, folder, "report")
    assert "shop-page=2.0" in text and "3 patched" in text
    assert "api: neither read nor patched yet" in text
