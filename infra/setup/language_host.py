"""A Python language host: the Pulumi engine starts it with its own address, and has it run a program's file.

Set-up copies this file beside the engine (``infra.setup.language``), so it uses nothing of Quartermaster.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

_MESSAGE_LIMIT = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]


class _Host(LanguageServer):
    """The SDK's server of inline programs, given a file."""

    def __init__(self, engine: str) -> None:
        super().__init__(lambda: None)
        self._engine = engine

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
        folder = Path(request.info.program_directory or request.pwd)
        entry = folder / (request.info.entry_point or ".")
        os.chdir(folder)
        sys.argv = [str(entry), *request.args]

        def program() -> None:
            runpy.run_path(str(entry), run_name="__main__")

        self.program = program
        # Where the SDK's server looks for the engine's address.
        request.args[:] = [self._engine]
        return super().Run(request, context)  # type: ignore[no-untyped-call]


def main(engine: str) -> None:
    """Serve until the engine ends it. The port on stdout is how the engine learns of it."""
    server = grpc.server(futures.ThreadPoolExecutor(4), options=_MESSAGE_LIMIT)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(_Host(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    server.wait_for_termination()


def _end_with(parent: int) -> None:
    """An engine that was killed itself ends nobody: be gone when it is."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[-1])
