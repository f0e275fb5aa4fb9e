"""``ops notify``: who is told of what, and whether it arrived."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from quartermaster.cli.group import Group
from quartermaster.cli.output import emit, table
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError, OpsError

__all__ = ["group"]

group = Group("notify", "Notices: test the channels of fleet.yaml, list what was sent, send what is due.")


@group.command("test", example="ops notify test")
def test() -> None:
    """Send a test notice to each channel, and show which of them took it."""
    from quartermaster.cli.notify_send import send
    from quartermaster.fleet.notices import Notice, channel_of

    ops = session()
    if not ops.fleet.notify:
        raise InputError("fleet.yaml names nobody to tell", remedy="notify: [{kind: webhook, url: secret:NOTIFY_URL}]")
    word = Notice("", "test", "test", f"{ops.fleet.fleet}/{ops.stack}: a test", "ops notify test reached you")
    found = []
    for number, channel in enumerate(ops.fleet.notify):
        error = ""
        try:
            send(ops, channel, word)
        except OpsError as exc:
            error = exc.message
        found.append({"channel": channel_of(channel, number), "on": list(channel.on), "error": error})
    rows = [(row["channel"], ", ".join(row["on"]), row["error"] or "told") for row in found]
    emit({"channels": found}, table(["channel", "on", "answer"], rows))
    if failed := [row["channel"] for row in found if row["error"]]:
        raise OpsError(f"not told: {', '.join(map(str, failed))}", remedy="see what each answered, above")


@group.command("list", example="ops notify list")
def list_() -> None:
    """List the notices of each channel: sent, waiting for another try, or given up."""
    from quartermaster.fleet.notices import Deliveries

    found = Deliveries(session().journal.engine).listed()
    rows = [(item.channel, item.run, item.what, item.state, item.tries, item.error) for item in found]
    text = table(["channel", "run", "what", "state", "#tries", "error"], rows) if rows else "nothing was told yet"
    emit({"deliveries": [dataclasses.asdict(item) for item in found]}, text)


@group.command("send", example="ops notify send")
def send_() -> None:
    """Send now what is due, as each command does by itself when it ends."""
    from quartermaster.cli.notify_worker import tell
    from quartermaster.fleet.notices import Deliveries

    ops = session()
    tell(ops, patience=timedelta())
    left = [item for item in Deliveries(ops.journal.engine).listed() if item.state == "waiting"]
    emit({"waiting": [dataclasses.asdict(item) for item in left]}, f"{len(left)} wait for another try")
