"""What the first key press costs: medians of whole processes, beside a bare interpreter on the same machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

RUNS = 15
OPS = str(Path(sys.executable).parent / "ops")
COMPLETION = {"_OPS_COMPLETE": "complete_bash", "COMP_WORDS": "ops prov", "COMP_CWORD": "1"}
CASES: dict[str, tuple[list[str], dict[str, str], float | None]] = {
    "python -c pass": ([sys.executable, "-c", "pass"], {}, None),
    "ops --version": ([OPS, "--version"], {}, 0.2),
    "ops (completion)": ([OPS], COMPLETION, 0.2),
    "ops --help": ([OPS, "--help"], {}, 0.5),
}


def median_seconds(command: list[str], environment: dict[str, str]) -> float:
    """Median wall time of RUNS runs after one that warms the caches."""
    times = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    print(f"feel: medians of {RUNS} runs; Python {sys.version.split()[0]}, typer {version('typer')}")
    for name, (command, environment, bar) in CASES.items():
        seconds = median_seconds(command, environment)
        print(f"  {name:<18} {seconds:6.3f} s" + (f"   (bar {bar} s)" if bar else ""))


if __name__ == "__main__":
    main()
