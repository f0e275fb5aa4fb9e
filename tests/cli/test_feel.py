"""Quick to start: what the first key press costs, asserted on imports, never on the clock."""

import os
import subprocess
import sys

import pytest

HEAVY = {
    "pulumi",
    "pulumi_aws",
    "boto3",
    "pandas",
    "numpy",
    "statsmodels",
    "sqlalchemy",
    "ansible",
    "ansible_runner",
    "moto",
    "scipy",
    "plotly",
}
PROBE = """
import sys
from quartermaster.cli.main import run
try:
    code = run({arguments!r})
except SystemExit as end:
    code = end.code
sys.stderr.write("MODULES " + " ".join(sorted({{name.split(".")[0] for name in sys.modules}})))
sys.exit(code)
"""


def loaded(arguments: list[str], **environment: str) -> tuple[set[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert "MODULES " in done.stderr, done.stderr
    return set(done.stderr.rpartition("MODULES ")[2].split()), done.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["provision", "--help"]])
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    modules, shown = loaded(arguments)
    assert shown.strip()
    assert modules & HEAVY == set()


def test_completion_imports_nothing_heavy_and_completes() -> None:
    modules, shown = loaded([], _OPS_COMPLETE="complete_bash", COMP_WORDS="ops prov", COMP_CWORD="1")
    assert "provision" in shown
    assert modules & (HEAVY | {"pydantic", "rich"}) == set()


def test_the_probe_sees_a_heavy_import() -> None:
    modules, _ = loaded(["history-of-nothing"])
    assert "typer" in modules  # the probe does report what is loaded
