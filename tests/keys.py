"""Going over a page by keyboard alone, as whoever has no mouse does."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.chromium import Tab

__all__ = ["Stop", "stops"]

_ALL = """[...document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")]
  .filter(one => one.checkVisibility())"""
_WHERE = f"""(() => {{
  const one = document.activeElement, box = one.getBoundingClientRect(), style = getComputedStyle(one);
  const all = {_ALL};
  return JSON.stringify({{
    place: all.indexOf(one), count: all.length, name: one.outerHTML.slice(0, 120),
    ring: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    seen: box.width > 1 && box.height > 1 && box.top < innerHeight && box.bottom > 0 && box.left >= 0
      && box.left < innerWidth,
  }});
}})()"""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the focus is."""

    place: int
    """Among all that can have it; -1: nowhere among them."""
    count: int
    """Of all that can have it."""
    name: str
    ring: float
    """Width of what shows it, in pixels."""
    seen: bool
    """Whether it is on the screen."""


async def stops(tab: Tab, *, shift: bool = False) -> list[Stop]:
    """Where the focus stands after each press of the Tab key, until it leaves the page or comes round."""
    found: list[Stop] = []
    while True:
        await tab.press("Tab", shift=shift)
        stop = Stop(**json.loads(await tab.value(_WHERE)))
        if stop.place < 0 or stop.place in [one.place for one in found]:
            return found
        found.append(stop)
