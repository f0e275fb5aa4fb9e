"""``ops serve``: status, report and history as a small site on this machine. Read-only."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from typing import Annotated

import typer

from quartermaster.cli.output import say
from quartermaster.cli.session import session
from quartermaster.fleet.errors import InputError, OpsError

__all__ = ["register"]

_TOKEN = "OPS_SERVE_TOKEN"
_SHORTEST = 16


def register(app: typer.Typer) -> None:
    app.command("serve", epilog="Example: ops serve --port 8420")(serve)


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; on any but loopback a token is asked for.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")] = 8420,
    name: Annotated[
        list[str] | None, typer.Option(help="Another name that the site is reached by, besides its address.")
    ] = None,
) -> None:
    """Serve status, report and history as pages, read-only, until Ctrl-C.

    Beyond loopback the token comes from OPS_SERVE_TOKEN, or is made up and printed.
    """
    from waitress.server import create_server

    from quartermaster.cli.site.app import make

    ops = session()
    ops.fleet  # noqa: B018 - a fault in fleet.yaml is told here, not on a page
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError as exc:
        raise InputError(f"{host!r} is no address", remedy="--host 127.0.0.1, or the machine's own") from exc
    token = "" if loopback else os.environ.get(_TOKEN) or secrets.token_urlsafe(24)
    if token and len(token) < _SHORTEST:
        raise InputError(
            f"{_TOKEN} has {len(token)} characters", remedy=f"{_SHORTEST} or more, or none to have one made"
        )
    names = [host, "localhost", "127.0.0.1", "::1", *(name or ())] if loopback else [host, *(name or ())]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as exc:
        remedy = "another --port, or an address of this machine for --host"
        raise OpsError(f"cannot listen on {host}:{port}: {os.strerror(exc.errno or 0)}", remedy=remedy) from exc
    server = create_server(make(ops, names=names, token=token), sockets=[listening], threads=4, ident=None)
    shown = f"[{host}]" if ":" in host else host
    said = f"?token={token}" if token and not os.environ.get(_TOKEN) else ""
    say(f"http://{shown}:{listening.getsockname()[1]}/{said}  (Ctrl-C ends it)")
    server.run()
