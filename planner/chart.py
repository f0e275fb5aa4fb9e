"""Charts as plain values: paths in a box of 1000 by 300, ticks in percent; the template spells them out.

Lines are drawn in SVG that stretches with the page; words stand beside it in HTML, so that they keep their size on a
phone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

__all__ = ["HEIGHT", "WIDTH", "Chart", "Layer", "Line", "Mark", "Readout", "Tick", "chart", "nice_ticks", "plane"]

WIDTH, HEIGHT = 1000, 300


@dataclass(frozen=True, slots=True)
class Layer:
    """Something drawn."""

    style: str
    """Class in the style sheet."""
    label: str
    """For the legend; empty for none."""
    low: Sequence[float | None]
    """Values at the times; None breaks the shape. A line has only these."""
    high: Sequence[float | None] | None = None
    """A band between ``low`` and these."""
    steps: bool = False
    """Each value holds until the next time."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points of a plane."""

    style: str
    label: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that stands out."""

    style: str
    label: str
    x: float
    y: float
    """In the units of the axes; as drawn in percent from the left and from the top."""


@dataclass(frozen=True, slots=True)
class Readout:
    """What the pointer reads at one time."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis."""

    percent: float
    """From the left, or from the top."""
    label: str
    minor: bool = False
    """Left out on a phone."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    style: str
    label: str
    path: str
    filled: bool
    reach: str = ""
    """Its least and most, in words."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the template needs."""

    title: str
    layers: tuple[_Drawn, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marker: float | None
    """Where the forecast starts, percent from the left."""
    readouts: str
    """JSON: [[percent, text], ...]."""
    marks: tuple[Mark, ...] = ()

    @property
    def told(self) -> str:
        """What is drawn, in words, for who does not see it."""
        lines = [f"{one.label} {one.reach}".rstrip() for one in self.layers if one.label]
        axis = [tick.label for tick in self.x_ticks]
        return "; ".join([*lines, *([f"from {axis[0]} to {axis[-1]}"] if axis else [])])


def chart(
    title: str,
    times: Sequence[datetime],
    layers: Sequence[Layer],
    zone: tzinfo,
    *,
    marker: datetime | None = None,
    readouts: Sequence[Readout] = (),
) -> Chart:
    """Layers over common times (two at least, ascending), the y axis from 0."""
    start, span = times[0], (times[-1] - times[0]).total_seconds()
    every = [v for layer in layers for v in (*layer.low, *(layer.high or ())) if v is not None and math.isfinite(v)]
    ticks = nice_ticks(max(every, default=1.0))
    top = ticks[-1]

    def left(at: datetime) -> float:
        return (at - start).total_seconds() / span

    xs = [left(t) * WIDTH for t in times]
    drawn = tuple(
        _Drawn(layer.style, layer.label, _path(layer, xs, top), layer.high is not None, _reach(layer))
        for layer in layers
    )
    return Chart(
        title,
        drawn,
        _days(times[0], times[-1], zone),
        tuple(Tick(round(100 * (1 - t / top), 2), _short(t)) for t in ticks),
        None if marker is None else round(100 * left(marker), 2),
        json.dumps([[round(100 * left(r.at), 2), r.text] for r in readouts], separators=(",", ":")),
    )


def plane(title: str, lines: Sequence[Line], marks: Sequence[Mark], reach: tuple[float, float]) -> Chart:
    """Lines and marks over shares on both axes, from 0 to ``reach`` or a little more; what lies beyond is cut off."""
    across, up = (nice_ticks(100 * end) for end in reach)
    width, height = across[-1] / 100, up[-1] / 100
    drawn = []
    for line in lines:
        inside = [(x, y) for x, y in line.points if x <= width and y <= height]
        points = [(WIDTH * x / width, HEIGHT * (1 - y / height)) for x, y in inside]
        if points:
            drawn.append(_Drawn(line.style, line.label, "M" + "L".join(_points(points, False)), False))
    placed = tuple(
        Mark(m.style, m.label, round(100 * m.x / width, 2), round(100 * (1 - m.y / height), 2))
        for m in marks
        if m.x <= width and m.y <= height
    )
    return Chart(
        title,
        tuple(drawn),
        tuple(Tick(round(100 * t / across[-1], 2), f"{t:g}%") for t in across),
        tuple(Tick(round(100 * (1 - t / up[-1]), 2), f"{t:g}%") for t in up),
        None,
        json.dumps([[m.x, m.label] for m in sorted(placed, key=lambda m: m.x)], separators=(",", ":")),
        placed,
    )


def nice_ticks(highest: float) -> list[float]:
    """Four to six round numbers from 0 to at least ``highest``."""
    if not (math.isfinite(highest) and highest > 0):
        highest = 1.0
    rough = highest / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= rough * 0.999)
    count = math.ceil(highest / step - 1e-9)
    return [i * step for i in range(count + 1)]


def _reach(layer: Layer) -> str:
    values = [v for v in (*layer.low, *(layer.high or ())) if v is not None and math.isfinite(v)]
    return f"{_short(float(f'{min(values):.3g}'))} to {_short(float(f'{max(values):.3g}'))}" if values else ""


def _path(layer: Layer, xs: Sequence[float], top: float) -> str:
    def y(value: float) -> float:
        return HEIGHT * (1 - max(0.0, value) / top)

    parts = []
    for run in _runs(layer):
        line = _points([(xs[i], y(float(layer.low[i] or 0))) for i in run], layer.steps)
        if layer.high is None:
            parts.append("M" + "L".join(line))
        else:
            back = _points([(xs[i], y(float(layer.high[i] or 0))) for i in run], layer.steps)
            parts.append("M" + "L".join([*line, *reversed(back)]) + "Z")
    return "".join(parts)


def _runs(layer: Layer) -> list[list[int]]:
    """Stretches of indices without a gap."""
    runs: list[list[int]] = [[]]
    for i, value in enumerate(layer.low):
        if value is None or (layer.high is not None and layer.high[i] is None):
            runs.append([])
        else:
            runs[-1].append(i)
    return [run for run in runs if run]


def _points(points: Sequence[tuple[float, float]], steps: bool) -> list[str]:
    out = []
    for i, (x, y) in enumerate(points):
        if steps and i:
            out.append(f"{x:.1f},{points[i - 1][1]:.1f}")
        out.append(f"{x:.1f},{y:.1f}")
    return out


def _days(start: datetime, end: datetime, zone: tzinfo) -> tuple[Tick, ...]:
    """Midnights in the zone, thinned to eight labels, every second of them minor."""
    day = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    midnights = []
    while day < end:
        midnights.append(day)
        day = (day + timedelta(days=1)).replace(hour=0)
    every = max(1, math.ceil(len(midnights) / 8))
    span = (end - start).total_seconds()
    return tuple(
        Tick(round(100 * (d - start).total_seconds() / span, 2), f"{d:%a} {d.day} {d:%b}", i % 2 == 1)
        for i, d in enumerate(midnights[::every])
    )


def _short(value: float) -> str:
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if sign == 'k' else size):g}{sign}"
    return f"{value:g}"
