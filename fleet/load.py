"""A bounded HTTP load: what users would see while a host is patched or lost.

``Load`` starts this file as a child process, so the load goes on at its pace whatever the parent does, and dies
with it. Pacing is open-loop: a request is due at its instant whether or not earlier ones were answered, and its
latency counts from that instant (so a stall shows; "coordinated omission", Gil Tene).

Failed: status 500 and above, connection refused or ended before the answer was whole, no answer in time. A server
may close an idle keep-alive connection; a request that meets this on a *reused* connection, before any byte of its
answer, is asked again once on a fresh one, as browsers do (RFC 9110, 9.2.2), and counted under ``retried``.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ipaddress
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from quartermaster.fleet.errors import Fault, InputError, OpsError
from quartermaster.fleet.hosts import Requests
from quartermaster.fleet.keepalive import Dropped, Target

__all__ = ["LIMITS", "Load", "Sample", "refusal"]

LIMITS = {"rate_per_second": 2000.0, "connections": 256, "seconds_max": 3600.0}
"""The most that one load may be asked for."""
_TIMEOUT_SECONDS = 5.0

_PRIVATE = tuple(ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@dataclass(frozen=True, slots=True)
class Sample:
    """One second of the load. Requests count in the second in which they ended."""

    seconds: float
    """End of this second since the load began, on the monotonic clock."""
    at: str
    """The same instant, UTC."""
    sent: int
    failed: int
    retried: int
    p50_seconds: float
    p99_seconds: float
    slowest_seconds: float
    failures: Mapping[str, int] = field(default_factory=dict)
    """Why, with how many: a status, ``refused``, ``dropped``, ``timeout``, ``unsent`` (not even begun in its time)."""


def refusal(url: str) -> str:
    """Why this URL may not be loaded, or empty when it may. Read-only.

    Allowed are loopback and private addresses that this machine reaches over a bridge of its own: where the local
    cloud's balancers are. Names are refused, as they may lead anywhere.
    """
    parts = urlsplit(url)
    if parts.scheme != "http":
        return f"{url!r} is not http"
    host = parts.hostname or ""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return f"{host!r} is a name, not an address of this machine or of its local cloud"
    if address.is_loopback:
        return ""
    if not any(address in net for net in _PRIVATE):
        return f"{host} is neither loopback nor private"
    device, gateway = _route(int(address))
    if gateway or not Path(f"/sys/class/net/{device}/bridge").exists():
        return f"{host} is not on a bridge of this machine (its route goes over {device or 'nothing'})"
    return ""


class Load:
    """A load in a child process, from entering the block until it ends or ``seconds_max`` is over.

    A load that ends before what it watches says nothing of the rest: it lasts as long as its block, an hour at most.

    Start it in a thread that outlives it: the kernel ends the child with the thread that started it.
    """

    def __init__(
        self, url: str, rate_per_second: float = 50.0, connections: int = 8, seconds_max: float = 3600.0
    ) -> None:
        asked = {"rate_per_second": rate_per_second, "connections": connections, "seconds_max": seconds_max}
        faults = [
            Fault(name, f"{value} is out of bounds", f"above 0, at most {LIMITS[name]:g}")
            for name, value in asked.items()
            if not 0 < value <= LIMITS[name]
        ]
        if why := refusal(url):
            faults.append(Fault("url", why, "the address of a balancer of the local cloud"))
        if faults:
            raise InputError(f"refused to load {url}: " + "; ".join(fault.problem for fault in faults), faults)
        self.url = url
        self._asked = {**asked, "url": url}
        self._samples: list[Sample] = []
        self._child: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Load:
        order = json.dumps({**self._asked, "parent": os.getpid()})
        command = [sys.executable, "-P", "-m", "quartermaster.fleet.load", order]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True, name="load-samples")
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None) -> None:
        assert self._child is not None and self._reader is not None
        assert self._child.stdin is not None and self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()  # the child finishes what is under way, reports it and goes
        try:
            self._child.wait(_TIMEOUT_SECONDS + 5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._reader.join()
        self._child.stdout.close()
        if kind is None and self._child.returncode != 0:
            raise OpsError(f"the load on {self.url} died (status {self._child.returncode}): its counts are not whole")

    @property
    def running(self) -> bool:
        """Whether requests are still being sent."""
        return self._child is not None and self._child.poll() is None

    def samples(self) -> tuple[Sample, ...]:
        """The seconds so far; after the block, all of them."""
        return tuple(self._samples)

    def counts(self) -> Requests:
        """Requests so far, up to a second old; after the block, every one that was due."""
        samples = self.samples()
        return Requests(sum(item.sent for item in samples), sum(item.failed for item in samples))

    def read(self, cluster: str) -> Requests:  # noqa: ARG002 - a load has one balancer
        """The same as a ``RequestCounter``: what a user saw, rather than what the balancer says."""
        return self.counts()

    def _read(self) -> None:
        assert self._child is not None and self._child.stdout is not None
        for line in self._child.stdout:
            self._samples.append(Sample(**json.loads(line)))


def _route(address: int) -> tuple[str, int]:
    """Device and gateway (0: none) of the IPv4 route to the address; an empty device when there is none."""
    best: tuple[int, str, int] = (-1, "", 0)
    for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        device, net, gateway, _, _, _, _, mask = line.split()[:8]
        # The kernel prints these in the machine's own byte order.
        net_, gateway_, mask_ = (
            int.from_bytes(int(word, 16).to_bytes(4, sys.byteorder)) for word in (net, gateway, mask)
        )
        if address & mask_ == net_ and mask_ > best[0]:
            best = (mask_, device, gateway_)
    return best[1], best[2]


class _Tally:
    """Counts of the second under way."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._clear()

    def _clear(self) -> None:
        self.latencies: list[float] = []
        self.failures: Counter[str] = Counter()
        self.retried = 0

    def take(self) -> Sample:
        """The second's sample; starts the next."""
        ordered = sorted(self.latencies)
        sample = Sample(
            seconds=round(time.monotonic() - self.began, 3),
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            sent=len(ordered),
            failed=self.failures.total(),
            retried=self.retried,
            p50_seconds=_quantile(ordered, 0.5),
            p99_seconds=_quantile(ordered, 0.99),
            slowest_seconds=_quantile(ordered, 1.0),
            failures=dict(self.failures),
        )
        self._clear()
        return sample


def _quantile(ordered: Sequence[float], level: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(level * len(ordered)))], 4) if ordered else 0.0


async def _worker(target: Target, due: asyncio.Queue[float], tally: _Tally) -> None:
    """One connection: takes requests as they fall due and asks them one after the other."""
    connection, loop = None, asyncio.get_running_loop()
    try:
        while True:
            at = await due.get()
            if (late := loop.time() - at) >= _TIMEOUT_SECONDS:  # to try it would make those after it late, too
                tally.failures["unsent"] += 1
                tally.latencies.append(late)
                due.task_done()
                continue
            outcome = ""
            try:
                async with asyncio.timeout_at(at + _TIMEOUT_SECONDS):
                    for again in (True, False):
                        if connection is None or not connection.usable:
                            connection = await target.connect()
                        reused = connection.used
                        try:
                            status = await connection.get(target)
                            outcome = str(status) if status >= 500 else ""
                            break
                        except Dropped as exc:
                            if not (again and reused and not exc.answered):
                                raise
                            tally.retried += 1
            except TimeoutError:
                outcome = "timeout"
            except Dropped:
                outcome = "dropped"
            except OSError:
                outcome = "refused"
            if outcome in ("timeout", "dropped") and connection is not None:
                connection.close()
            if outcome:
                tally.failures[outcome] += 1
            tally.latencies.append(loop.time() - at)
            due.task_done()
    finally:
        if connection is not None:
            connection.close()


async def _generate(target: Target, rate: float, connections: int, seconds_max: float) -> None:
    """Send until stdin ends or the time is over, one JSON line a second on stdout."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), stop.set)  # the parent only ever closes it
    due: asyncio.Queue[float] = asyncio.Queue()
    tally = _Tally()
    workers = [asyncio.create_task(_worker(target, due, tally)) for _ in range(connections)]
    began, count, report_at = loop.time(), 0, loop.time() + 1
    while not stop.is_set() and loop.time() - began < seconds_max:
        now = loop.time()
        while began + count / rate <= now:
            due.put_nowait(began + count / rate)
            count += 1
        if now >= report_at:
            _write(tally.take())
            report_at += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.004, min(began + count / rate, report_at) - loop.time())):
                await stop.wait()
    loop.remove_reader(sys.stdin.fileno())
    await due.join()  # each waits at most the time-out, so this ends
    _write(tally.take())
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


def _write(sample: Sample) -> None:
    sys.stdout.write(json.dumps(asdict(sample)) + "\n")
    sys.stdout.flush()


def _main(order: str) -> None:
    asked = json.loads(order)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG (prctl(2)): the load never outlives its parent
    if os.getppid() != asked["parent"]:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group; the parent decides when the load ends
    parts = urlsplit(asked["url"])
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(parts.hostname or "", parts.port or 80, path)
    asyncio.run(_generate(target, asked["rate_per_second"], asked["connections"], asked["seconds_max"]))


if __name__ == "__main__":
    _main(sys.argv[1])
