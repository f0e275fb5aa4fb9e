"""What users read of a host's own trouble, as it comes from its agent through the connection: message and remedy."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from quartermaster.playbooks import agent, agent_packages
from quartermaster.playbooks.remote import SshMachine
from tests.reads import reads

PINS = {"page": "2.0"}
FETCH = "E: Failed to fetch http://deb.example/page_2.0_all.deb  404  Not Found\n"
FATAL = 'fatal: [localhost]: FAILED! => {"msg": "no package shop"}\n'


class Near(SshMachine):
    """A host whose agent runs in this process: what is asked and answered is what goes over the connection."""

    def __init__(self) -> None:
        super().__init__("i-1", [])

    def _exchange(self, line: bytes, within: float) -> bytes:
        said = io.StringIO()
        with (
            mock.patch.object(sys, "stdin", io.StringIO(line.decode())),
            mock.patch.object(os, "setpriority"),
            redirect_stdout(said),
        ):
            agent.main()
        return said.getvalue().encode()


class Host:
    """What a run left on the host, and what its programs answer."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._run, bundle, self._monkeypatch = folder / "patch" / "patch-1", folder / "bundle", monkeypatch
        self._run.mkdir(parents=True)
        bundle.mkdir()
        (bundle / "site.yml").touch()
        monkeypatch.setattr(agent, "STATE", str(self._run.parent))
        monkeypatch.setattr(agent, "BUNDLE", str(bundle))
        monkeypatch.setattr(agent, "versions", lambda _: {"page": "1.0"})
        monkeypatch.setattr(agent, "syslog", SimpleNamespace(openlog=lambda _: None, syslog=lambda _: None))

    def left(self, name: str, text: str) -> None:
        (self._run / name).write_text(text)

    def answers(self, status: int, said: str) -> None:
        """Each program on the host ends so."""
        done = subprocess.CompletedProcess([], status, said, "")
        for module in (agent, agent_packages):
            self._monkeypatch.setattr(module, "execute", lambda *_, **__: done)

    def upgraded(self, status: str, log: str = "") -> None:
        self.left("upgrade.rc", status)
        self.left("upgrade.log", log)
        Near().upgrade("patch-1", PINS)

    def rolled_back(self, *missing: str) -> None:
        if missing:
            self.left("saved.json", json.dumps({"changes": [], "missing": missing}))
        Near().rollback("patch-1")

    def converged(self, status: int, said: str) -> None:
        self.answers(status, said)
        self._monkeypatch.setattr(agent, "_load", lambda _: {"cluster": "web", "role": "web"})
        Near().converge("patch-1")

    def surveyed(self, said: str) -> None:
        self.answers(100, said)
        Near().survey()

    def saved(self, said: str) -> None:
        self.answers(0, said)
        Near().save("patch-1", PINS)


LOG = "  remedy: read /var/log/ops-converge.log, then `ops configure`\n"
PAGES = """The following packages will be upgraded:
   page (1.0 => 2.0)
   shop (1.0 => 2.0)
2 upgraded, 0 newly installed
"""
CASES: dict[str, tuple[Callable[[Host], None], str]] = {
    "lists that cannot be read": (
        lambda host: host.surveyed(FETCH),
        "error: host i-1, survey: apt-get update: E: Failed to fetch http://deb.example/page_2.0_all.deb  404  Not "
        "Found\n  remedy: see that the host reaches its package repository\n",
    ),
    "an upgrade that takes more than was planned": (
        lambda host: host.saved(PAGES),
        "error: host i-1, save: the upgrade would also upgrade shop, which the plan does not hold\n"
        "  remedy: plan again: packages of the host changed since the plan\n",
    ),
    "an upgrade that fails": (
        lambda host: host.upgraded("100", "Setting up page (2.0) ...\ndpkg: error processing package page\n"),
        "error: host i-1, upgrade: upgrade failed (100): dpkg: error processing package page\n"
        "  remedy: read the newest log under /var/lib/ops/patch on the host\n",
    ),
    "an upgrade that never ends": (
        lambda host: host.upgraded("124"),
        "error: host i-1, upgrade: upgrade was not done after 1800 s\n"
        "  remedy: read the newest log under /var/lib/ops/patch on the host\n",
    ),
    "an upgrade that came to another version": (
        lambda host: host.upgraded("0"),
        "error: host i-1, upgrade: not at the pinned version afterwards: page is 1.0 and not 2.0\n"
        "  remedy: plan again: packages of the host changed since the plan\n",
    ),
    "a rollback without what was saved": (
        lambda host: host.rolled_back(),
        "error: host i-1, rollback: nothing was saved before the upgrade\n"
        "  remedy: put its packages back by hand, or terminate the host: its group launches another\n",
    ),
    "a rollback to what is not to be had": (
        lambda host: host.rolled_back("page", "tls"),
        "error: host i-1, rollback: the old package of page, tls could not be had any more\n"
        "  remedy: put its packages back by hand, or terminate the host: its group launches another\n",
    ),
    "a converge that fails": (
        lambda host: host.converged(2, f"TASK [web : install]\n{FATAL}PLAY RECAP\n"),
        f"error: host i-1, converge: converge failed: {FATAL}{LOG}",
    ),
    "a converge that never ends": (
        lambda host: host.converged(124, ""),
        f"error: host i-1, converge: converge was not done after 1800 s\n{LOG}",
    ),
    "a host that never had a bundle": (
        lambda _: Near().converge("patch-1"),
        f"error: host i-1, converge: the host holds no bundle: it never converged\n{LOG}",
    ),
    "a host that lets nobody in": (
        lambda _: SshMachine("i-1", ["sh", "-c", "echo 'admin@10.0.0.1: Permission denied.' >&2; exit 255"]).survey(),
        "error: host i-1, survey: admin@10.0.0.1: Permission denied.\n"
        "  remedy: put the fleet's public key back into ~admin/.ssh/authorized_keys, or replace the host\n",
    ),
    "a host that is not in the inventory": (
        lambda _: SshMachine("i-1", [], obstacle="it boots").survey(),
        "error: host i-1, cannot be worked on: it boots\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cause, text = CASES[case]
    reads(lambda: cause(Host(tmp_path, monkeypatch)), text)
