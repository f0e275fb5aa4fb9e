"""The daemon's HTTP door: moto's AWS API, the package repository, and the control API.

The same application listens on loopback and on every VPC's bridge; the control API answers on loopback only and
asks for the cloud's secret, as any user of the machine can reach loopback.
"""

from __future__ import annotations

import hmac
import io
import json
import mimetypes
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from quartermaster.infra.local.world import World, log

__all__ = ["CONTROL", "PACKAGES", "TOKEN_HEADER", "Application", "Listener", "moto_application"]

CONTROL = "/_ops/"
PACKAGES = "/_packages/"
TOKEN_HEADER = "X-Ops-Token"

Route = Callable[[Mapping[str, Any]], Any]
"""Takes the JSON body, returns what goes out as JSON; KeyError becomes 404, ValueError 400."""
_Start = Callable[..., Any]


def moto_application() -> Any:
    """Moto's WSGI application, its settings set first. Imports moto."""
    os.environ.setdefault("MOTO_AMIS_PATH", str(Path(__file__).with_name("images.json")))
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "true")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from quartermaster.infra.local import moto_data

    moto_data.install()
    return DomainDispatcherApplication(create_backend_app)


class Application:
    """Dispatches a request to moto, to the control routes or to the package folder."""

    def __init__(self, world: World, moto: Any, routes: Mapping[str, Route], packages: Path, token: str) -> None:
        self._world = world
        self._moto = moto
        self._routes = routes
        self._packages = packages
        self._token = token

    def __call__(self, environ: dict[str, Any], start_response: _Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(CONTROL):
            return self._control(path, environ, start_response)
        if path.startswith(PACKAGES):
            return self._package(path, start_response)
        # The body is read before the lock: a slow sender must not stop the whole cloud.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length:
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with self._world.lock:
            return [b"".join(self._moto(environ, start_response))]

    def _control(self, path: str, environ: dict[str, Any], start_response: _Start) -> Iterable[bytes]:
        given = environ.get("HTTP_" + TOKEN_HEADER.upper().replace("-", "_"), "")
        if environ.get("SERVER_NAME") != "127.0.0.1" or not hmac.compare_digest(given, self._token):
            return _answer(start_response, "403 Forbidden", {"error": "the control API is for this machine's ops"})
        route = self._routes.get(path.removeprefix(CONTROL).strip("/"))
        if route is None:
            return _answer(start_response, "404 Not Found", {"error": f"no route {path}"})
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = json.loads(environ["wsgi.input"].read(length) or b"{}") if length else {}
        try:
            return _answer(start_response, "200 OK", route(body))
        except KeyError as exc:
            return _answer(start_response, "404 Not Found", {"error": str(exc.args[0]) if exc.args else "not found"})
        except ValueError as exc:
            return _answer(start_response, "400 Bad Request", {"error": str(exc)})
        except Exception as exc:  # noqa: BLE001 - whatever it is, ops must hear of it as an answer
            log.exception("control route %s failed", path)
            return _answer(start_response, "500 Internal Server Error", {"error": str(exc)})

    def _package(self, path: str, start_response: _Start) -> Iterable[bytes]:
        wanted = (self._packages / path.removeprefix(PACKAGES)).resolve()
        if not wanted.is_relative_to(self._packages.resolve()) or not wanted.is_file():
            return _answer(start_response, "404 Not Found", {"error": "no such package file"})
        body = wanted.read_bytes()
        kind = mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
        start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]


class Listener:
    """One address that the application listens on, served by a thread."""

    def __init__(self, application: Application, host: str, port: int) -> None:
        from moto.moto_server.werkzeug_app import MotoRequestHandler
        from werkzeug.serving import make_server

        class _Quiet(MotoRequestHandler):
            def log_request(self, *_args: object, **_kwargs: object) -> None:
                """Not a line a request: hosts poll."""

        self._server = make_server(host, port, application, threaded=True, request_handler=_Quiet)
        self.host = host
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True, name=f"http-{host}"
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _answer(start_response: _Start, status: str, value: Any) -> Iterable[bytes]:
    body = json.dumps(value, default=str).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
