"""This user's own price file: figures read from AWS, dated, that stand before those that come with Quartermaster."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.fleet.files import replacing

__all__ = ["KINDS", "OwnPrices", "own_file", "read_own", "write_own"]

KINDS = ("instance_hour", "database_hour", "rates")
"""Tables of the file; each holds regions, each of those names with dollars. Database types stand without ``db.``."""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """Figures by kind, region and name. Empty where none were ever read."""

    dated: str = ""
    source: str = ""
    figures: Mapping[str, Mapping[str, Mapping[str, Decimal]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.figures)

    def get(self, kind: str, region: str, name: str) -> Decimal | None:
        """One figure."""
        return self.figures.get(kind, {}).get(region, {}).get(name)

    def merged(self, newer: OwnPrices) -> OwnPrices:
        """These with newer ones in their place, under the newer ones' date."""
        figures = {
            kind: {
                region: {**self.figures.get(kind, {}).get(region, {}), **newer.figures.get(kind, {}).get(region, {})}
                for region in sorted({*self.figures.get(kind, {}), *newer.figures.get(kind, {})})
            }
            for kind in KINDS
        }
        return OwnPrices(newer.dated, newer.source, figures)


def own_file() -> Path:
    """Where the file is: prices belong to a person's account, not to one fleet."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "quartermaster" / "prices.json"


def read_own(path: Path | None = None) -> OwnPrices:
    """The user's prices; empty ones where there is no file. Read-only. Raises InputError naming every fault."""
    path = path or own_file()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return OwnPrices()
    except (RecursionError, ValueError) as exc:
        raise InputError(f"{path} is not JSON: {exc}", remedy=_AGAIN) from exc
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise _refused(path, [Fault("version", f"it is no price file of version {_VERSION}", _AGAIN)])
    figures, faults = _figures(document)
    faults += [Fault(name, "it is missing", _AGAIN) for name in ("dated", "source") if not document.get(name)]
    if faults:
        raise _refused(path, faults)
    return OwnPrices(str(document["dated"]), str(document["source"]), figures)


def write_own(prices: OwnPrices, path: Path | None = None) -> Path:
    """Write the file in one step, so that a reader sees the old one or the new; returns where."""
    path = path or own_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "version": _VERSION,
        "dated": prices.dated,
        "source": prices.source,
        "currency": "USD",
        **{
            kind: {region: {name: str(usd) for name, usd in sorted(names.items())} for region, names in tables.items()}
            for kind, tables in prices.figures.items()
        },
    }
    with replacing(path) as draft:
        draft.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


_AGAIN = "delete the file, then ops prices update"


def _refused(path: Path, faults: list[Fault]) -> InputError:
    return InputError(f"{path} cannot be used", faults, remedy=_AGAIN)


def _figures(document: Mapping[str, Any]) -> tuple[dict[str, dict[str, dict[str, Decimal]]], list[Fault]]:
    figures: dict[str, dict[str, dict[str, Decimal]]] = {}
    faults = []
    for kind in KINDS:
        for region, names in (document.get(kind) or {}).items():
            for name, text in names.items():
                usd = _dollars(text)
                if usd is None:
                    faults.append(Fault(f"{kind}.{region}.{name}", f"{text!r} is no price", _AGAIN))
                else:
                    figures.setdefault(kind, {}).setdefault(region, {})[name] = usd
    return figures, faults


def _dollars(text: object) -> Decimal | None:
    try:
        usd = Decimal(str(text))
    except InvalidOperation:
        return None
    return usd if usd.is_finite() and usd > 0 else None
