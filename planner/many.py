"""Forecasts of any number of series: piece by piece, in processes here or on a Dask cluster, written as they are made.

A piece is worked on alone and pieces are written in order, so the file is the same to the last bit however the work was
split (on one kind of processor: vector units of another may round the last bit otherwise). Pieces of a worker that is
lost are worked on anew by another. Few pieces travel at a time; memory does not grow with the number of series.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.events import Event, Noted, StepFinished, StepStarted
from quartermaster.planner.forecast import Forecast
from quartermaster.planner.part import Part
from quartermaster.planner.pieces import Histories, Piece

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client, Future

__all__ = ["Ask", "Report", "cores", "forecast_many"]

Ask = Callable[["pd.DataFrame"], Forecast]
"""Forecasts the long frame of a piece; travels to workers, so a function of a module or a ``partial`` of one."""
_CONNECT_SECONDS = 15
_LONELY_SECONDS = 300
"""How long a cluster may be without any worker."""
_TELL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, beside the file."""

    file: str
    series: int
    rows: int
    told: tuple[bytes, ...]
    """What each piece's ``Forecast.to_json`` says, as compressed JSON: a hundred times smaller than as objects."""

    def parts(self) -> Iterator[dict[str, Any]]:
        """``choices``, ``refused`` and ``findings``, piece by piece."""
        return (json.loads(zlib.decompress(part)) for part in self.told)

    def to_json(self) -> dict[str, Any]:
        """All of it: as large as there are series."""
        found: dict[str, Any] = {"file": self.file, "series": self.series, "rows": self.rows}
        found |= {"choices": [], "refused": [], "findings": []}
        for part in self.parts():
            for name in ("choices", "refused", "findings"):
                found[name] += part[name]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """The forecast of a piece."""

    frame: pd.DataFrame
    series: int
    told: bytes


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def forecast_many(
    histories: Histories, ask: Ask, out: Path, *, workers: int = 1, dask: str = ""
) -> Generator[Event, None, Report]:
    """Write the forecasts of all series to ``out`` (.parquet or .csv), whole or not at all.

    In this process for one worker or one piece, in ``workers`` processes of this machine, or on the Dask cluster whose
    scheduler is at ``dask``. Raises InputError for bad input and OpsError when a cluster is lost.
    """
    started = last = time.monotonic()
    where = f"on {dask}" if dask else f"in {workers} processes" if workers > 1 else "in this process"
    title = f"forecasting {histories.series:,} series {where}"
    yield StepStarted(step="forecast", title=title)
    series = rows = 0
    told = []
    with Part(out) as part:
        for answer in _answers(histories, ask, workers, dask):
            part.add(answer.frame)
            series, rows = series + answer.series, rows + len(answer.frame)
            told.append(answer.told)
            if time.monotonic() - last > _TELL_SECONDS:
                last = time.monotonic()
                left = (last - started) * (histories.series - series) / series
                done = f"{series:,} of {histories.series:,} series"
                yield Noted(step="forecast", message=f"{done}, about {left:,.0f} s left")
    yield StepFinished(step="forecast", title=title, seconds=time.monotonic() - started)
    return Report(str(out), series, rows, tuple(told))


def _answers(histories: Histories, ask: Ask, workers: int, dask: str) -> Iterator[_Answer]:
    """One for each piece, in order."""
    few = list(islice(histories.pieces, 2))
    pieces = chain(few, histories.pieces)
    if not dask and (workers == 1 or len(few) == 1):
        yield from (_answer(piece, ask) for piece in pieces)
        return
    with _cluster(dask) if dask else _processes(workers) as client:
        waiting: deque[Future] = deque()
        for piece in pieces:
            waiting.append(client.submit(_answer, piece, ask, _software(), pure=False))
            # Enough that no worker waits for the slowest piece; each is some megabytes.
            while len(waiting) > 3 * max(1, len(client.nthreads())) + 1:
                yield _awaited(waiting.popleft(), client)
        while waiting:
            yield _awaited(waiting.popleft(), client)


def _answer(piece: Piece, ask: Ask, software: str = "") -> _Answer:
    """Runs on the worker. ``software``: what the asker has; numbers made by another could differ."""
    if software and software != _software():
        raise InputError(
            f"the Dask worker on {platform.node()} has other software: {_software()}; here it is {software}",
            remedy="install the same quartermaster and Python there",
        )
    found = ask(piece.frame())
    return _Answer(found.frame, len(found.series), zlib.compress(json.dumps(found.to_json()).encode()))


@cache
def _software() -> str:
    """Versions that numbers depend on, and a digest of the planner's own code."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        code.update(path.read_bytes())
    versions = [f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas", "statsmodels")]
    return f"planner {code.hexdigest()[:12]}, python {platform.python_version()}, {', '.join(versions)}"


def _awaited(future: Future, client: Client) -> _Answer:
    """What a worker answers; pieces of lost workers are done again without our doing."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker, wait

    deadline = time.monotonic() + _LONELY_SECONDS
    try:
        while not future.done():
            if client.nthreads():
                deadline = time.monotonic() + _LONELY_SECONDS
            elif time.monotonic() > deadline:
                raise OpsError("the Dask cluster has no workers left", remedy="start workers, then run it again")
            with suppress(TimeoutError):
                wait(future, timeout=10)
        found: _Answer = future.result()
    except KilledWorker as exc:
        died = f"{exc.allowed_failures + 1} workers died on one piece, the last at {exc.last_worker.address}"
        raise OpsError(died, remedy="look at that one's log; give workers more memory") from exc
    except (CancelledError, OSError) as exc:
        raise OpsError(f"the connection to the Dask scheduler is lost: {exc}", remedy="run it again") from exc
    return found


@contextmanager
def _processes(workers: int) -> Iterator[Client]:
    """Processes of this machine; one that dies is replaced, and all end with this one, however it ends."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,
            # Other users of this machine must not have the workers run what they like, nor wait for a port.
            security=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _cluster(address: str) -> Iterator[Client]:
    """The cluster at the address. Raises InputError where there is none, or nobody who works."""
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as exc:
        remedy = "give the scheduler's address: --dask tcp://host:8786"
        raise InputError(f"no Dask scheduler answers at {address}: {exc}", remedy=remedy) from exc
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        except TimeoutError as exc:
            remedy = f"start some: dask worker {address}"
            raise InputError(f"the Dask cluster at {address} has no workers", remedy=remedy) from exc
        yield client
