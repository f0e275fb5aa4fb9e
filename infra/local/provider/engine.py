"""The provider proper: checks, compares and carries out what the Pulumi engine asks, by the table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

import pulumi.provider.experimental.provider as rpc

from quartermaster.infra.local.provider.kind import Api, Kind, State, is_gone
from quartermaster.infra.local.provider.values import UNKNOWN, has_unknown, plain_map, project, wrapped_map

__all__ = ["TableProvider", "compare", "refusals"]


class TableProvider(rpc.Provider):
    """Serves the types of a table. ``connect`` gives a boto3 client for (service, region)."""

    def __init__(
        self,
        table: Mapping[str, Kind],
        connect: Callable[[str, str], Any],
        *,
        region: str,
        account: str,
        executor: Executor,
    ) -> None:
        self._table = table
        self._connect = connect
        self._region = region
        self._account = account
        self._executor = executor

    async def configure(self, request: rpc.ConfigureRequest) -> rpc.ConfigureResponse:
        """Secrets come in plain and the engine marks the outputs of the same names secret again."""
        return rpc.ConfigureResponse(supports_preview=True)

    async def check(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        """Refuse by name what the table does not know and what AWS would not take."""
        kind = self._table.get(_type(request.type))
        if kind is None:
            known = ", ".join(sorted(self._table))
            reason = f"the local cloud has no type {_type(request.type)}; it has: {known}"
            return rpc.CheckResponse(inputs=request.new_inputs, failures=[rpc.CheckFailure("", reason)])
        given = plain_map(request.new_inputs)
        failures = [rpc.CheckFailure(name, reason) for name, reason in refusals(kind, given)]
        return rpc.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def create(self, request: rpc.CreateRequest) -> rpc.CreateResponse:
        kind = self._kind(_type(request.type))
        given = plain_map(request.properties)
        if request.preview:
            return rpc.CreateResponse("", wrapped_map(given))
        api = self._api(given, request.timeout)

        def act() -> tuple[str, State]:
            id_ = kind.create(api, given)
            return id_, self._read(kind, api, id_, given) or {}

        id_, found = await self._run(act)
        return rpc.CreateResponse(id_, wrapped_map(_outputs(given, found)))

    async def read(self, request: rpc.ReadRequest) -> rpc.ReadResponse:
        kind = self._kind(_type(request.type))
        given = plain_map(request.inputs) or {
            name: value for name, value in plain_map(request.properties).items() if name in kind.inputs
        }
        imported = not given
        if imported and kind.name:
            given = {kind.name: request.resource_id}  # an import knows no more than this
        api = self._api(given, 0)
        found = await self._run(lambda: self._read(kind, api, request.resource_id, given))
        if found is None:
            return rpc.ReadResponse("", {}, {})
        if imported:
            empty: tuple[Any, ...] = ("", None, [], {})
            given = {name: value for name, value in found.items() if name in kind.inputs and value not in empty}
        inputs = {name: _seen(name, value, found[name]) if name in found else value for name, value in given.items()}
        return rpc.ReadResponse(request.resource_id, wrapped_map(_outputs(inputs, found)), wrapped_map(inputs))

    async def update(self, request: rpc.UpdateRequest) -> rpc.UpdateResponse:
        kind = self._kind(_type(request.type))
        old, new = plain_map(request.olds), plain_map(request.news)
        if request.preview:
            return rpc.UpdateResponse(wrapped_map({**old, **new}))
        api = self._api(new, request.timeout)

        def act() -> State:
            kind.update(api, request.resource_id, old, new)
            return self._read(kind, api, request.resource_id, new) or {}

        found = await self._run(act)
        return rpc.UpdateResponse(wrapped_map(_outputs(new, found)))

    async def delete(self, request: rpc.DeleteRequest) -> None:
        kind = self._kind(_type(request.type))
        state = plain_map(request.properties)
        api = self._api(state, request.timeout)

        def act() -> None:
            try:
                kind.delete(api, request.resource_id, state)
            except Exception as exc:
                if not is_gone(exc):
                    raise

        await self._run(act)

    async def invoke(self, request: rpc.InvokeRequest) -> rpc.InvokeResponse:
        """No function is served: what the program needs to know is read before it runs."""
        raise NotImplementedError(f"the local cloud has no function {request.tok}")

    def changed(self, type_: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, bool]:
        """Names of inputs that changed, each with whether that replaces the resource."""
        return compare(self._kind(type_), old, new)

    def deletes_first(self, type_: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Must a replacement delete before it creates, because both bear one unique name?"""
        name = self._kind(type_).name
        return bool(name) and old.get(name) == new.get(name)

    def _read(self, kind: Kind, api: Api, id_: str, given: Mapping[str, Any]) -> State | None:
        try:
            return kind.read(api, id_, given)
        except Exception as exc:
            if is_gone(exc):
                return None
            raise

    def _kind(self, type_: str) -> Kind:
        if type_ not in self._table:
            raise KeyError(f"the local cloud has no type {type_}")
        return self._table[type_]

    def _api(self, given: Mapping[str, Any], timeout: float) -> Api:
        region = given.get("region") or self._region
        return Api(self._connect, region, self._account, time.monotonic() + (timeout or 600))

    async def _run(self, act: Callable[[], Any]) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, act)
        except StopIteration as exc:  # cannot cross a future
            raise LookupError(str(exc)) from exc


def _type(chain: str) -> str:
    """A URN names the types of all parents before the resource's own."""
    return chain.rsplit("$", 1)[-1]


def compare(kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, bool]:
    """Inputs that differ, each with whether its change replaces. Unknown counts as different."""
    names = sorted(kind.inputs & (old.keys() | new.keys()))
    changed = (
        name for name in names if has_unknown(new.get(name)) or _content(old.get(name)) != _content(new.get(name))
    )
    return {name: name in kind.replaces for name in changed}


def _content(value: Any) -> Any:
    """What counts of a value: of a file its hash, wherever it lies."""
    return value["hash"] if isinstance(value, Mapping) and "hash" in value else value


def refusals(kind: Kind, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each input that is refused with the reason: unknown, missing, or what AWS would not take."""
    known = ", ".join(sorted(kind.inputs))
    faults = [
        (name, f"the local cloud does not know input {name!r} of {kind.token}; it knows: {known}")
        for name in sorted(given.keys() - kind.inputs)
    ]
    faults += [(name, f"{kind.token} needs {name!r}") for name in kind.needs.split() if name not in given]
    for name, limit in kind.limits.items():
        if limit.refuses(given.get(name)):
            faults.append((name, f"AWS refuses {name} {given[name]!r}: {limit.reason}"))
    return faults + [(name, f"AWS refuses it: {reason}") for name, reason in kind.refuse(given)]


def _outputs(given: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """State as the engine keeps it: what was read, seen through what was given, and inputs that no API tells."""
    kept = {name: value for name, value in given.items() if value is not UNKNOWN}
    return {
        **kept,
        **{name: _seen(name, kept[name], value) if name in kept else value for name, value in found.items()},
    }


def _seen(name: str, given: Any, found: Any) -> Any:
    """A tag that somebody added is drift, as nothing adds tags by default."""
    return found if name == "tags" and isinstance(found, Mapping) else project(given, found)
