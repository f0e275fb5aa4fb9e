"""An AWS API that fails as told: between whoever asks and the cloud of the tests."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["PATH", "Faults", "Faulty"]

PATH = "/_ops/faults"
"""POST here what is to fail, as JSON."""


@dataclass(frozen=True)
class Faults:
    """Which calls fail, and how."""

    percent: int = 0
    code: str = "Throttling"
    status: int = 503
    after: int = 0
    """So many calls are let through first."""


class Faulty:
    """A WSGI application before another; every call that is struck fails before it acts."""

    def __init__(self, behind: Callable[..., Iterable[bytes]], seed: int = 7) -> None:
        self._behind = behind
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._faults = Faults()
        self._seen = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH:
            self._faults = Faults(**json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
            self._seen = 0
            start_response("200 OK", [])
            return [b""]
        with self._lock:
            self._seen += 1
            struck = self._seen > self._faults.after and self._random.randrange(100) < self._faults.percent
        if not struck:
            return self._behind(environ, start_response)
        code = self._faults.code
        start_response(f"{self._faults.status} {code}", [("Content-Type", "text/xml"), ("x-amzn-errortype", code)])
        if "json" in environ.get("CONTENT_TYPE", ""):
            return [json.dumps({"__type": code, "message": "injected"}).encode()]
        error = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
        wrapped = f"<Errors>{error}</Errors>" if "/ec2/aws4_request" in environ.get("HTTP_AUTHORIZATION", "") else error
        return [f"<ErrorResponse>{wrapped}<RequestId>1</RequestId></ErrorResponse>".encode()]
