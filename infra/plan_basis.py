"""What a plan stands on: fleet.yaml, the program, versions, the state and the world, each as hashes or few words.

Two of them are compared piece by piece, so that a plan that no longer holds can say what moved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.events import Json
from quartermaster.infra.drift import Drift
from quartermaster.infra.resources import name_of
from quartermaster.infra.state import custom, pending

__all__ = ["Basis", "basis_of", "moved"]

_ANEW = "put it back, or save a new plan"
_SOURCES = (".py", ".toml", ".j2", ".json", ".yaml")
_NO_PART = ("__pycache__", "setup", "example.yaml")
_LOCAL, _PROVIDER = "infra/local", "infra/local/provider"
_MANY = 12
_TELLING = ("type", "id", "parent", "protect", "inputs", "outputs")
"""What the state says of the resource itself, and not of when, from which line and through whom it was written."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Everything that a plan was decided from."""

    files: Mapping[str, str]
    """fleet.yaml, the sources of the program and the role bundle: name to SHA-256."""
    versions: Mapping[str, str]
    """Of what carries the plan out."""
    state: Mapping[str, str]
    """URN to SHA-256 of the resource in the state; ``pending`` for operations that were cut short."""
    world: tuple[Mapping[str, Json], ...] = field(default=())
    """Where the cloud differs from the state, read without changing either: {urn, property, expected, found}."""

    def to_json(self) -> dict[str, Json]:
        return {**asdict(self), "world": [dict(item) for item in self.world]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Basis:
        """Raises KeyError or TypeError for a document that is none."""
        world = tuple(dict(item) for item in document["world"])
        return cls(dict(document["files"]), dict(document["versions"]), dict(document["state"]), world)


def basis_of(
    fleet_file: Path, bundle: Path | None, state: Mapping[str, Any], world: Iterable[Drift], *, local: bool
) -> Basis:
    """What a plan made now would stand on. Reads files."""
    sources = {"fleet.yaml": fleet_file.read_bytes()}
    for package in ("fleet", "infra"):
        sources |= dict(_sources(files(f"quartermaster.{package}"), package, local=local))
    if bundle is not None:
        sources["role bundle"] = bundle.read_bytes()
    return Basis(
        files={name: hashlib.sha256(content).hexdigest() for name, content in sources.items()},
        versions={name: version(name) for name in ("quartermaster", "pulumi", "pulumi-aws")},
        state=_state(state),
        world=tuple(sorted((item.to_json() for item in world), key=lambda item: (item["urn"], item["property"]))),
    )


def moved(then: Basis, now: Basis) -> list[Fault]:
    """What is no longer as it was, one fault a file, resource or property. Pure."""
    return [
        *_changed("program", "file", _differing(then.files, now.files)),
        *(
            Fault(name, f"the plan was saved with {was or 'none'}, this is {is_ or 'none'}", _ANEW)
            for name, was, is_ in _differing(then.versions, now.versions)
        ),
        *_changed("state", "state of the resource", _differing(then.state, now.state)),
        *_drifted(then, now),
    ]


def _changed(of: str, what: str, differing: list[tuple[str, str, str]]) -> Iterator[Fault]:
    """One fault each; of so many that nobody would read them, one for all, with their names."""
    words: dict[str, list[str]] = {}
    for name, was, is_ in differing:
        words.setdefault("new" if not was else "gone" if not is_ else "another", []).append(name)
    for word, names in words.items():
        if len(names) > _MANY:
            shown = ", ".join(name_of(name) for name in names)
            yield Fault(of, f"{len(names)} are {word} since the plan was saved: {shown}", _ANEW)
        else:
            yield from (Fault(name, f"the {what} is {word} since the plan was saved", _ANEW) for name in names)


def _drifted(then: Basis, now: Basis) -> Iterator[Fault]:
    old = {(str(item["urn"]), str(item["property"])): item for item in then.world}
    new = {(str(item["urn"]), str(item["property"])): item for item in now.world}
    for urn, name in dict.fromkeys((*old, *new)):
        was, is_ = old.get((urn, name)), new.get((urn, name))
        if was != is_:
            before = was["found"] if was is not None else is_["expected"] if is_ is not None else None
            found = is_["found"] if is_ is not None else was["expected"] if was is not None else None
            what = f"{name} was {json.dumps(before, default=str)} and is {json.dumps(found, default=str)}"
            problem = f"{what} in the cloud" if name else f"the resource is {found} in the cloud"
            yield Fault(f"{urn} {name}".strip(), problem, _ANEW)


def _differing(then: Mapping[str, str], now: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys((*then, *now))
    return [(name, then.get(name, ""), now.get(name, "")) for name in names if then.get(name) != now.get(name)]


def _state(state: Mapping[str, Any]) -> dict[str, str]:
    found = {resource["urn"]: _hash({key: resource.get(key) for key in _TELLING}) for resource in custom(state)}
    cut_short = sorted(f"{item.operation} {item.urn}" for item in pending(state))
    return {**found, "pending": "; ".join(cut_short)} if cut_short else found


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _sources(folder: Traversable, name: str, *, local: bool) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        path = f"{name}/{entry.name}"
        # Of the local cloud the provider alone says how a plan is carried out.
        if entry.name in _NO_PART or (path.startswith(f"{_LOCAL}/") and not path.startswith(_PROVIDER)):
            continue
        if path == _LOCAL and not local:
            continue
        if entry.is_dir():
            yield from _sources(entry, path, local=local)
        elif entry.name.endswith(_SOURCES):
            yield path, entry.read_bytes()
