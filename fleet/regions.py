"""Regions and the zones that each has, from a dated table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

__all__ = ["known_regions", "zone_names"]


def known_regions() -> tuple[str, ...]:
    """Names of all regions in the table, sorted."""
    return tuple(sorted(_table()))


def zone_names(region: str) -> tuple[str, ...]:
    """The region's zones in order, e.g. ``("eu-west-1a", …)``. Raises KeyError for an unknown region."""
    try:
        letters = _table()[region]
    except KeyError:
        raise KeyError(f"no region {region!r} in the region table") from None
    return tuple(region + letter for letter in letters)


@cache
def _table() -> Mapping[str, str]:
    text = files("quartermaster.fleet").joinpath("regions.toml").read_text(encoding="utf-8")
    zones: dict[str, str] = tomllib.loads(text)["zones"]
    return zones
