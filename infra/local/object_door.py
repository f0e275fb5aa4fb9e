"""A TLS door to the object store, for the databases' backups: pgBackRest speaks S3 over TLS only.

What it keeps there is RDS's, in an account of its own: no user of the fleet's account sees the buckets, as on AWS.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from quartermaster.infra.local.authority import Authority

__all__ = ["ACCOUNT", "ObjectDoor"]

ACCOUNT = "999999999999"
"""Whose the buckets are: the service's own."""
_IDLE_SECONDS = 30


class ObjectDoor:
    """One address that S3 over TLS is spoken at, to those who know the key."""

    def __init__(self, application: Any, authority: Authority, host: str, *, key: str, folder: Path) -> None:
        from moto.moto_server.werkzeug_app import MotoRequestHandler
        from werkzeug.serving import ThreadedWSGIServer

        context = _context(authority, host, folder)

        class _Handler(MotoRequestHandler):
            protocol_version = "HTTP/1.1"  # a handshake for each object would cost more than the object

            def log_request(self, *_args: object, **_kwargs: object) -> None:
                """Not a line a request."""

        class _Server(ThreadedWSGIServer):
            def finish_request(self, request: Any, client_address: Any) -> None:
                # The handshake is the connection's own thread's: one that dallies stops nobody else.
                request.settimeout(_IDLE_SECONDS)
                with context.wrap_socket(request, server_side=True) as wrapped:
                    super().finish_request(wrapped, client_address)
                    with suppress(OSError):
                        wrapped.unwrap()  # OpenSSL 3 takes an end without a word for a truncation

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients that hang up in the middle are no news."""

        self._server = _Server(host, 0, _for(application, key), _Handler)
        self.host = host
        self.port: int = self._server.server_port
        serve = {"poll_interval": 0.5}
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs=serve, daemon=True, name=f"objects-{host}"
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _for(application: Any, key: str) -> Callable[..., Iterable[bytes]]:
    """The application for bearers of the access key, as the service's account."""

    def dispatch(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if f"Credential={key}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            said = b"<Error><Code>InvalidAccessKeyId</Code></Error>"
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(said)))])
            return [said]
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = ACCOUNT
        return application(environ, start_response)  # type: ignore[no-any-return]

    return dispatch


def _context(authority: Authority, host: str, folder: Path) -> ssl.SSLContext:
    certificate, key = authority.issue((host, socket.gethostname()))
    pair = folder / f"objects-{host}.pem"
    pair.touch(mode=0o600)
    pair.write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    pair.unlink()
    return context
