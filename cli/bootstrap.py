"""``ops bootstrap``: where the state of stacks on aws lives."""

from __future__ import annotations

import typer

from quartermaster.cli.output import confirm, draw, emit
from quartermaster.cli.session import session

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bootstrap", epilog="Example: ops bootstrap --stack prod")(_bootstrap)


def _bootstrap() -> None:
    """Make the bucket, key and lease table that stacks on aws keep their state in; what is there stays as it is."""
    from quartermaster.infra.bootstrap import apply, home, plan

    ops = session()
    wanted = home(ops.fleet, ops.stack)
    steps = plan(ops.cloud, wanted)
    titles = [step.title for step in steps]
    if steps:
        confirm(f"Make it in account {wanted.account}, {wanted.region}?", plan="lacking:\n  " + "\n  ".join(titles))
        draw(apply(ops.cloud, steps))
    said = ops.declared.state or "nothing"
    text = f"made {len(titles)}" if titles else "everything is there; nothing was changed"
    if ops.declared.state.partition("?")[0].rstrip("/") != wanted.state:
        text += f"\nput into fleet.yaml, under stacks.{ops.stack} (it says {said}):\n  state: {wanted.state}"
    emit({"made": titles, "state": wanted.state, "key": wanted.alias, "table": wanted.name}, text)
