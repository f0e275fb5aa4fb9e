"""Takes what `ops adopt` found into the state under the program's own names: `pulumi import`, without code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, Noted
from quartermaster.infra.resources import name_of
from quartermaster.infra.state import State

if TYPE_CHECKING:
    from quartermaster.fleet.schema.safety import Adopted
    from quartermaster.infra.engine import Engine
    from quartermaster.infra.sweep import Births

__all__ = ["import_adopted", "requests"]


def import_adopted(engine: Engine, births: Births, adopted: Iterable[Adopted]) -> Iterator[Event]:
    """Import those that the program would make; what is in the state already is left. Changes the state alone.

    Raises OpsError when one of them is not there, or is nothing that the program declares.
    """
    state = engine.export()
    wanted = list(adopted)
    resources, names = requests(state, births, wanted)
    if not resources:
        yield Noted(step="adopt", message="nothing to take in: the state has them all")
        return
    engine.take_in(resources, names)
    known = {(item["type"], name_of(item["urn"])) for item in engine.export().get("resources") or ()}
    for item in wanted:
        if (item.type, item.name) not in known:
            raise OpsError(
                f"{item.type} {item.id} was not taken in as {item.name}",
                remedy="see that it is still there, then run the command again",
            )
        yield Noted(step="adopt", message=f"{item.id} is {item.name} now")


def requests(state: State, births: Births, adopted: Iterable[Adopted]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What `pulumi import --file` is given: resources and the table of names. Pure.

    Raises OpsError for what the program does not declare.
    """
    there = {item["urn"]: item for item in state.get("resources") or ()}
    declared = {(entry["type"], name_of(urn)): entry for urn, entry in reversed(births.entries.items())}
    known = {(item["type"], name_of(urn)) for urn, item in there.items()}
    resources: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    parents: dict[str, str] = {}

    def under(urn: str) -> str:
        """The word by which the file calls a component, which is in the state or is asked for with the rest."""
        if urn not in parents:
            parents[urn] = f"parent{len(parents)}"
            if urn in there:
                names[parents[urn]] = urn
            else:
                component = births.entries[urn]
                entry = {"type": component["type"], "name": parents[urn], "component": True}
                resources.append({**entry, "logicalName": name_of(urn)})
        return parents[urn]

    for place, item in enumerate(adopted):
        if (item.type, item.name) in known:
            continue
        entry = declared.get((item.type, item.name))
        if entry is None:
            raise OpsError(
                f"adopted: the fleet has no {item.type} called {item.name}",
                remedy="name a cluster or database of this file, or take the entry out",
            )
        version = _version(births, there, entry["provider"].rpartition("::")[0])
        inputs = sorted(name for name in entry.get("inputs", {}) if not name.startswith("__"))
        parent = under(entry["parent"])
        resources.append(
            {
                "type": item.type,
                "name": f"adopted{place}",
                "logicalName": item.name,
                "id": item.id,
                "parent": parent,
                "version": version,
                "properties": inputs,
            }
        )
    return resources, names


def _version(births: Births, there: Mapping[str, Mapping[str, Any]], provider: str) -> str:
    """Of the provider: the default one of another version would be another provider."""
    found = there.get(provider) or births.entries[provider]
    return str((found.get("inputs") or {}).get("version", ""))
