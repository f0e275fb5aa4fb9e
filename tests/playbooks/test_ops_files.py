"""Files that a role wants are told by a check, and none is put in its place unless all of them are good."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from quartermaster.playbooks.host_drift import HostDrift, drift_of

MODULE = Path(__file__).parents[2] / "playbooks/roles/base/library/ops_files.py"


def have(tmp: Path, *files: dict[str, str], folders: tuple[Path, ...] = (), check: bool = False) -> dict[str, Any]:
    """The module's answer, as Ansible runs it on a host."""
    arguments = {"folders": [{"path": str(path)} for path in folders], "files": list(files)}
    own = {"_ansible_check_mode": check, "_ansible_remote_tmp": str(tmp), "_ansible_diff": check}
    # A module is run without its caller's folder on the path.
    command = [sys.executable, "-I", str(MODULE)]
    words = json.dumps({"ANSIBLE_MODULE_ARGS": arguments | own})
    done = subprocess.run(command, input=words, capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_check_tells_each_path_that_differs_and_writes_none(tmp_path: Path) -> None:
    stale, new = tmp_path / "stale", tmp_path / "new"
    stale.write_text("a\nby hand\n")
    stale.chmod(0o644)
    wanted = [{"path": str(stale), "content": "a\n"}, {"path": str(new / "file"), "content": "b\n"}]
    answer = have(tmp_path, *wanted, folders=(tmp_path / "new",), check=True)
    assert (answer["changed"], answer["wrote"]) == (True, [str(new), str(stale)])
    told = drift_of("t", "ops_files", answer)
    diff = "--- found\n+++ expected\n@@ -1,2 +1 @@\n a\n-by hand"
    assert told[0] == HostDrift("file", str(new), "state absent", "state directory", task="t")
    assert told[1].diff == diff
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["stale"]
    assert stale.read_text() == "a\nby hand\n"


def test_none_is_written_when_one_is_refused_by_its_own_program(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    wanted = [{"path": str(good), "content": "a\n"}, {"path": str(bad), "content": "b\n", "validate": "grep -q a %s"}]
    answer = have(tmp_path, *wanted)
    assert answer["failed"]
    assert answer["msg"].startswith(f"{bad} would not be good")
    assert not good.exists()
