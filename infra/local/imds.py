"""The instance metadata service, version 2 only, at 169.254.169.254:80 on each VPC's bridge.

Who asks is known by the address that the request comes from.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from quartermaster.infra.local.network import METADATA_ADDRESS, listening_socket

__all__ = ["Facts", "MetadataServer", "lookup"]

Facts = Callable[[str], Mapping[str, str]]
"""Private address of a host → path below /latest → text, read anew for each request."""

_TOKEN = "X-aws-ec2-metadata-token"


def lookup(facts: Mapping[str, str], path: str) -> str | None:
    """The text at ``path``: a leaf's value, or the listing of a folder, as IMDS gives them. Pure."""
    path = path.strip("/")
    if path in facts:
        return facts[path]
    head = path + "/" if path else ""
    names: dict[str, None] = {}
    for key in facts:
        if key.startswith(head):
            rest = key[len(head) :]
            names[rest.split("/", 1)[0] + ("/" if "/" in rest else "")] = None
    return "\n".join(names) if names else None


class MetadataServer:
    """Serves the hosts of one VPC."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._tokens: dict[tuple[str, str], float] = {}
        """(host's address, token) → when it ends."""
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def listen(self, netns: str) -> None:
        """Serve in the namespace until ``close``."""
        service = self

        class _Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                service._grant(self)

            def do_GET(self) -> None:
                service._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Not a line a request."""

        server = ThreadingHTTPServer((METADATA_ADDRESS, 80), _Handler, bind_and_activate=False)
        server.daemon_threads = True
        server.socket.close()
        server.socket = listening_socket(netns, METADATA_ADDRESS, 80)
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, daemon=True, name=f"imds-{netns}")
        self._thread.start()

    def close(self) -> None:
        """Stop; the namespace can go only after its sockets."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _grant(self, request: BaseHTTPRequestHandler) -> None:
        ttl = request.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if request.path != "/latest/api/token" or not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            _reply(request, 400, "Bad Request")
            return
        token, now = secrets.token_urlsafe(40), time.monotonic()
        for key, ends in list(self._tokens.items()):
            if ends < now:
                self._tokens.pop(key, None)
        self._tokens[request.client_address[0], token] = now + int(ttl)
        _reply(request, 200, token, {"X-aws-ec2-metadata-token-ttl-seconds": ttl})

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        host = request.client_address[0]
        if self._tokens.get((host, request.headers.get(_TOKEN, "")), 0.0) < time.monotonic():
            _reply(request, 401, "Unauthorized")
            return
        version, _, path = request.path.strip("/").partition("/")
        text = lookup(self._facts(host), path) if version in ("latest", "2021-07-15") else None
        if text is None:
            _reply(request, 404, "Not Found")
        else:
            _reply(request, 200, text)


def credentials(world_secret: str, instance_id: str) -> str:
    """Role credentials as IMDS gives them; moto takes any."""
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6 * 3600))
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps(
        {
            "Code": "Success",
            "LastUpdated": now,
            "Type": "AWS-HMAC",
            "AccessKeyId": "ASIALOCAL" + instance_id[-11:].upper(),
            "SecretAccessKey": world_secret,
            "Token": instance_id,
            "Expiration": expires,
        }
    )


def _reply(request: BaseHTTPRequestHandler, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
    body = text.encode()
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Type", "text/plain")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
