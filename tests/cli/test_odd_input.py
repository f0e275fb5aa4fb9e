"""Whatever a command is given, it ends with 1 or 2 and a sentence: with no traceback, and not as a fault of ours."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quartermaster.cli import rehearsal
from quartermaster.cli.main import run
from quartermaster.fleet.errors import MissingPart
from quartermaster.infra.local import client

CONTENTS = {
    "empty": b"",
    "nul": b"\0" * 64,
    "latin": "série,é\n".encode("latin-1"),
    "utf16": "fleet: shop\n".encode("utf-16"),
    "half": b'{"version": 1, "plan": [',
    "list": b"[1, 2, 3]\n",
    "number": b"42\n",
    "text": b"hello: world: again\n",
    "null": b"null\n",
    "deep": b"[" * 1100,
}
READING = {
    "csv": [
        "metrics import {}",
        "capacity plan --unit-capacity 5 --metrics {}",
        "forecast run --metrics {}",
        "forecast backtest --metrics {}",
    ],
    "parquet": ["metrics import {} --as web", "forecast run --metrics {}"],
    "json": ["provision up --plan {}", "patch run web --plan {}", "patch plan web --compare {}"],
    "jsonl": ["history verify {}"],
    "yaml": ["validate --fleet {}", "status --fleet {}", "drill run tabletop web --answers {}"],
    "ics": ["schedule show --month 2026-12 --ics {}"],
    "deb": ["local packages add {}"],
}
"""Commands that read a file, by what it should be."""
WRITING = [
    "adopt --region eu-west-1 --out {}",
    "capacity report --out {}",
    "drill report --out {}",
    "drill schedule --ics {}",
    "forecast run --out {}",
    "history export --out {}",
    "init {}/x",
    "patch plan web --out {}",
    "provision graph --out {}",
    "provision preview --save {}",
    "rehearse provision --junit {}",
    "report --out {}",
    "runbook render instance_loss web --out {}",
    "schedule show --ics {}",
]
NOWHERE = ["fleet.yaml/x", "loop", "x" * 300]
"""Where no file can be: below a file, through a link to itself, of a name too long."""
NAMING = [
    "backup heartbeat {}",
    "backup list {}",
    "backup remove {}",
    "backup restore orders --to {}",
    "backup run {}",
    "configure {}",
    "drill export {} --out o",
    "drill run instance_loss {}",
    "drill run {} web",
    "forecast run --dask {}",
    "forecast run --levels {}",
    "forecast run --models {}",
    "forecast run --timezone {}",
    "history --since {}",
    "history --until {}",
    "history show {}",
    "history {}",
    "iam policy --for {}",
    "init new --name {}",
    "local exec {} -- ls",
    "local fail zone {}",
    "local fail {} x",
    "metrics show {}",
    "metrics sync --since {}",
    "patch abort {}",
    "patch plan {}",
    "patch recover {}",
    "patch resume {}",
    "patch run {}",
    "rehearse drill {} web",
    "rehearse patch {}",
    "runbook render {} web",
    "schedule show --month {}",
    "serve --host {}",
    "status --stack {}",
]
NAMES = ["-1", "99999999999999999999", "../..", "a\nb", "٣"]
COUNTING = [
    "capacity plan --unit-capacity {}",
    "capacity whatif --days {}",
    "capacity whatif --growth {}",
    "capacity whatif --instance {}",
    "capacity whatif --launch {}",
    "capacity whatif --quantile {}",
    "capacity whatif --survive {}",
    "capacity whatif --utilisation {}",
    "capacity whatif --zones {}",
    "drill schedule --days {}",
    "forecast backtest --horizon {}",
    "forecast run --horizon {}",
    "forecast run --workers {}",
    "serve --port {}",
    "status --watch {}",
]
COUNTS = ["-5", "nan", "-inf", "1e400", "99999999999999999999", "many", "''"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet beside files of everything."""
    folder = shutil.copytree(Path(__file__).with_name("refused"), tmp_path_factory.mktemp("odd"), dirs_exist_ok=True)
    for ending in READING:
        for name, content in CONTENTS.items():
            (folder / f"{name}.{ending}").write_bytes(content)
        (folder / f"folder.{ending}").mkdir()
        (folder / f"unreadable.{ending}").symlink_to("/proc/self/mem")
    (folder / "loop").symlink_to("loop")
    pq.write_table(pa.table({"a": [1]}), folder / "other.parquet")
    return folder


@pytest.fixture
def told(odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Where to type a command; nothing real is begun by it."""

    def begun(*_: object) -> None:
        raise MissingPart("the local cloud would be begun")

    monkeypatch.chdir(odd)
    monkeypatch.setattr(client, "ensure_running", begun)
    monkeypatch.setattr(rehearsal, "called", begun)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return []


def faults(typed: list[str], capsys: pytest.CaptureFixture[str], *, may: tuple[int, ...] = (1, 2)) -> list[str]:
    """What of this ended otherwise than it may."""
    found = []
    for one in typed:
        status = run([*shlex.split(one), "--yes"])
        said = capsys.readouterr().err
        if status not in may or "fault in ops" in said or "Traceback" in said or not (said or status == 0):
            found.append(f"ops {one[:80]} → {status}: {said[-300:]}")
    return found


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    "ending", [pytest.param(ending, marks=[pytest.mark.slow] if ending == "ics" else []) for ending in READING]
)
def test_any_file_is_read_or_refused(ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = [*CONTENTS, "folder", "unreadable", "nowhere"]
    if ending == "yaml":
        names.remove("deep")  # takes its time: tests/fleet/broken/nested_too_deep.yaml
    typed = [line.format(f"{name}.{ending}") for line in READING[ending] for name in names]
    # An empty calendar, and one that is not there yet, are begun.
    assert faults(typed, capsys, may=(0, 2) if ending == "ics" else (1, 2)) == []


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("place", NOWHERE, ids=["below a file", "loop", "long"])
def test_where_no_file_can_be_none_is_written(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults([line.format(place) for line in WRITING], capsys) == []


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("line", NAMING)
def test_any_name_is_found_or_refused(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults([line.format(shlex.quote(name)) for name in NAMES], capsys, may=(0, 1, 2)) == []


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("line", COUNTING)
def test_no_number_is_too_odd(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults([line.format(count) for count in COUNTS], capsys) == []


BOOKS = {
    ".ops": "status",
    ".ops/ops.db": "history",
    ".ops/metrics": "metrics list",
    ".ops/metrics/web": "metrics list",
    ".ops/local": "local status",
    ".ops/local/daemon.json": "local status",
    ".ops/reports": "drill report",
}
"""What of the books is a file of nonsense, and who meets it first."""


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("spoilt", BOOKS)
def test_spoilt_books_are_told(
    spoilt: str, tmp_path: Path, odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(odd / "fleet.yaml", tmp_path)
    (tmp_path / spoilt).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / spoilt).write_text("no book at all " * 99, encoding="utf-8")
    assert faults([BOOKS[spoilt], "status"], capsys, may=(0, 1, 2)) == []


@pytest.mark.slow
def test_a_reader_that_goes_a_full_disk_and_an_old_terminal_are_borne(odd: Path) -> None:
    ops = f"{shlex.quote(sys.executable)} -m quartermaster.cli"
    script = f"""
    {ops} schema | true; echo "gone ${{PIPESTATUS[0]}}"
    {ops} schema > /dev/full; echo "full $?"
    PYTHONIOENCODING=latin-1 {ops} validate; echo "old $?"
    """
    done = subprocess.run(["bash", "-c", script], cwd=odd, capture_output=True, text=True, errors="replace", check=True)
    assert "Traceback" not in done.stderr and "fault in ops" not in done.stderr
    assert [line for line in done.stdout.splitlines() if line.split()[0] in ("full", "old")] == ["full 1", "old 0"]
    assert "gone 0" in done.stdout or "gone 1" in done.stdout
