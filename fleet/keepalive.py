"""One HTTP/1.1 keep-alive connection on asyncio: the client under ``load.py``, small because it must cost little.

GET only, no TLS, no redirects: it measures a balancer, it does not browse.
"""

from __future__ import annotations

import asyncio

__all__ = ["Connection", "Dropped", "Target"]

_HEAD_LIMIT = 64 * 1024


class Dropped(ConnectionError):
    """The server ended the connection before its answer was whole. ``answered``: some byte of it had arrived."""

    def __init__(self, answered: bool) -> None:
        super().__init__("connection ended before the answer was whole")
        self.answered = answered


class Target:
    """Where the requests go, the request spelled out once."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self.host = host
        self.port = port
        name = f"[{host}]" if ":" in host else host
        self.request = (
            f"GET {path} HTTP/1.1\r\nHost: {name}:{port}\r\nUser-Agent: quartermaster-load\r\nAccept: */*\r\n\r\n"
        ).encode()

    async def connect(self) -> Connection:
        """A fresh connection. Raises OSError where nothing listens."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self.host, self.port)
        return connection


class Connection(asyncio.Protocol):
    """Sends one request at a time and reads its answer to the end, so that the next may follow."""

    def __init__(self) -> None:
        self.usable = False
        """Open, and the last answer allows another request."""
        self.used = False
        """At least one request was answered on it: it is reused from now on."""
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[int] | None = None
        self._buffer = bytearray()
        self._answered = False
        self._status = 0
        self._left: int | None = None
        """Bytes of the body still to come; None before the head, -1 until close, -2 chunked."""
        self._skip = 0
        """Bytes of the chunk under way, its line end included, still to come."""
        self._keep = True

    async def get(self, target: Target) -> int:
        """The status of one GET. Raises Dropped when the connection ends first."""
        assert self._transport is not None
        if not self.usable:
            raise Dropped(answered=False)
        self._buffer.clear()
        self._answered, self._left, self._skip = False, None, 0
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(target.request)
        try:
            status = await self._waiter
        finally:
            self._waiter = None
        self.used = True
        return status

    def close(self) -> None:
        """Drop the connection at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.usable = True

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():  # nothing was asked: a server that speaks first is odd
            self.close()
            return
        self._answered = True
        self._buffer += data
        if self._left is None and not self._read_head():
            if len(self._buffer) > _HEAD_LIMIT:
                self.close()
            return
        self._read_body()

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._waiter is None or self._waiter.done():
            return
        if self._left == -1 and exc is None:  # the end of the connection is the end of this body
            self._waiter.set_result(self._status)
        else:
            self._waiter.set_exception(Dropped(self._answered))

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        version, _, rest = lines[0].partition(" ")
        status = rest[:3]
        if not version.startswith("HTTP/1.") or not status.isdigit():
            self.close()
            return False
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        self._status = int(status)
        wish = headers.get("connection", "").lower()
        self._keep = wish != "close" and (version != "HTTP/1.0" or wish == "keep-alive")
        if self._status in (204, 304):
            self._left = 0
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            self._left = -2
        else:
            length = headers.get("content-length", "")
            self._left = int(length) if length.isdigit() else -1
        return True

    def _read_body(self) -> None:
        assert self._left is not None and self._waiter is not None
        if self._left == -1:
            self._buffer.clear()
            return
        if self._left == -2:
            whole = self._chunks_over()
        else:
            self._left -= len(self._buffer)
            self._buffer.clear()
            whole = self._left <= 0
        if whole:
            if not self._keep:
                self.close()
            self._waiter.set_result(self._status)

    def _chunks_over(self) -> bool:
        """Eat whole chunks; whether the last one has come (RFC 9112, 7.1)."""
        while True:
            eaten = min(self._skip, len(self._buffer))
            del self._buffer[:eaten]
            self._skip -= eaten
            line, found, _ = self._buffer.partition(b"\r\n")
            if self._skip or not found:
                return False
            size = int(line.split(b";")[0], 16)
            if size == 0:
                return b"\r\n\r\n" in self._buffer
            del self._buffer[: len(line) + 2]
            self._skip = size + 2
