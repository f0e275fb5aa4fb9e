"""A real web server that takes notices."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

__all__ = ["SECRET", "Hook", "answering"]

SECRET = "planted-secret-path"


@dataclass
class Hook:
    """A webhook that answers as it is told to."""

    url: str
    answer: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def answering() -> Iterator[Hook]:
    """A webhook on this machine while the block runs; whoever knows its address may write to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if mine.answer == 200:
                mine.got.append(json.loads(body))
            self.send_response(mine.answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        mine = Hook(f"http://127.0.0.1:{server.server_port}/{SECRET}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield mine
        server.shutdown()
        thread.join()
