"""ansible-lint's production profile over what hosts converge from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def lint(home: Path, what: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("ansible-lint")
    command = [str(tool), "--nocolor", what]
    # The proxies lead nowhere: what it lacks it must not fetch.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    path = f"{tool.parent}{os.pathsep}/usr/bin:/bin"
    environment = {**nowhere, "HOME": str(home), "PATH": path, "LC_ALL": "C.UTF-8", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def playbooks(tmp_path: Path) -> Path:
    """A copy beside the configuration: ansible-lint writes beside what it reads."""
    shutil.copy(TREE / ".ansible-lint.yml", tmp_path)
    return shutil.copytree(TREE / "playbooks", tmp_path / "playbooks", ignore=shutil.ignore_patterns("__pycache__"))


def test_playbooks_and_roles_pass_the_production_profile(playbooks: Path, tmp_path: Path) -> None:
    done = lint(tmp_path, "playbooks")
    assert done.returncode == 0, done.stdout + done.stderr
    looked_at = re.search(r"in (\d+) files processed.*Profile 'production' was required, and it passed", done.stderr)
    assert looked_at
    assert int(looked_at[1]) > 50


def test_a_task_with_a_short_module_name_does_not_pass(playbooks: Path, tmp_path: Path) -> None:
    tasks = playbooks / "roles/web/tasks/configure.yml"
    tasks.write_text(tasks.read_text().replace("ansible.builtin.service:", "service:"))
    done = lint(tmp_path, str(tasks.relative_to(tmp_path)))
    assert done.returncode == 2
    assert "fqcn" in done.stdout
