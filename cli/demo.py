"""``ops demo``: the whole loop on the local cloud, told step by step."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from quartermaster.cli.output import emit, say, table
from quartermaster.fleet.errors import OpsError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command("demo", epilog="Example: ops demo --keep")(demo)


def demo(
    keep: Annotated[bool, typer.Option("--keep", envvar="KEEP", help="Leave everything running at the end.")] = False,
    folder: Annotated[Path, typer.Option(help="Where demo.json, the report and the fleet are written.")] = Path(".ops"),
) -> None:
    """Provision, configure, patch under load, forecast, plan, apply, drill, report: on this machine, with real parts.

    Takes a few minutes and root on Linux; what it starts it removes.
    """
    from quartermaster.cli.demo_steps import LAST, STEPS, Demo

    run = Demo(folder.resolve() / "demo")
    steps = STEPS if keep else (*STEPS, LAST)
    told: list[dict[str, object]] = []
    failure: OpsError | None = None
    try:
        for number, step in enumerate(steps, start=1):
            say(f"\n[{number}/{len(steps)}] {step.title}")
            started = time.monotonic()
            try:
                outcome = step.work(run)
            except OpsError as error:
                failure = error
                outcome = f"failed: {error.message}"
            told.append({"name": step.name, "seconds": round(time.monotonic() - started, 1), "outcome": outcome})
            told[-1].update(run.extras.pop(step.name, {}))
            if failure:
                break
    finally:
        if not keep:
            run.clean()
    document = {"steps": told, **run.summary, "passed": failure is None}
    file = folder / "demo.json"
    file.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")
    rows = [(item["name"], f"{item['seconds']} s", item["outcome"]) for item in told]
    text = "\n" + table(["step", "#took", "what happened"], rows)
    text += f"\nreport: {run.summary.get('report', 'not written')}\nas data: {file}\n"
    if keep:
        text += f"still running; look: ops --fleet {run.fleet_file} status\n"
        text += f"remove it:           ops --fleet {run.fleet_file} local down\n"
    emit(document, text)
    if failure:
        raise failure
