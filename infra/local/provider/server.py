"""Serves the provider to the engine inside this process: no plugin to install, nothing to start."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2_grpc

from quartermaster.fleet.aws import LOCAL_ACCOUNT, LocalCloud
from quartermaster.infra.local.provider.engine import TableProvider
from quartermaster.infra.local.provider.kind import Kind
from quartermaster.infra.local.provider.table import TABLE
from quartermaster.infra.local.provider.values import plain_map

__all__ = ["serve"]

_THREADS = 12
"""Acts under way at once; more only queue in the one API process behind."""
_ATTEMPTS = 6
"""Of a call that was throttled or failed on AWS's side, with growing pauses."""
_PROPERTIES = ("properties", "inputs", "olds", "news", "old_inputs")
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_ASSET = "c44067f5952c0a294b673a41bacd8c17"
"""How the protocol marks an asset: pulumi/sdk/go/common/resource/sig."""
_MESSAGE_LIMIT = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]


class _Servicer(ProviderServicer):
    """The SDK's servicer, with the two calls that it lacks for a provider attached to a running process."""

    def __init__(self, provider: TableProvider) -> None:
        super().__init__([], "7.51.1", provider, engine_address="")
        self._table = provider

    async def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The engine says where it listens; we have nothing to tell it."""
        return empty_pb2.Empty()

    async def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Not for us: the engine goes on with Attach. Said properly, or grpc logs a traceback."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no handshake")

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_one_line(super().Check(_unmarked(request), context), context)

    async def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_one_line(super().Create(_unmarked(request), context), context)

    async def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_one_line(super().Read(_unmarked(request), context), context)

    async def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_one_line(super().Update(_unmarked(request), context), context)

    async def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_one_line(super().Delete(_unmarked(request), context), context)

    async def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Compares inputs with inputs: the SDK's own Diff hands on only the old outputs."""
        _unmarked(request)
        old = plain_map(PropertyValue.unmarshal_map(request.old_inputs))
        new = plain_map(PropertyValue.unmarshal_map(request.news))
        type_ = request.urn.split("::")[-2].split("$")[-1]
        changed = {
            name: replaces
            for name, replaces in self._table.changed(type_, old, new).items()
            if name not in request.ignoreChanges
        }
        update, replace = proto.PropertyDiff.UPDATE, proto.PropertyDiff.UPDATE_REPLACE
        return proto.DiffResponse(
            changes=proto.DiffResponse.DIFF_SOME if changed else proto.DiffResponse.DIFF_NONE,
            diffs=sorted(changed),
            replaces=sorted(name for name, replaces in changed.items() if replaces),
            deleteBeforeReplace=self._table.deletes_first(type_, old, new),
            detailedDiff={
                name: proto.PropertyDiff(kind=replace if replaces else update, inputDiff=True)
                for name, replaces in changed.items()
            },
            hasDetailedDiff=True,
        )


def _unmarked(request: Any) -> Any:
    """The request with its assets as plain maps (hash, path, text).

    The state keeps of an asset no more than its hash, which the SDK refuses to read as an asset.
    """
    for field, struct in request.ListFields():
        if field.name not in _PROPERTIES:
            continue
        for value in struct.fields.values():
            fields = value.struct_value.fields if value.HasField("struct_value") else {}
            if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _ASSET:
                del fields[_SIGNATURE]
    return request


async def _in_one_line(answer: Awaitable[Any], context: Any) -> Any:
    """The answer; a failure reaches the user as what AWS said, without the traceback that the SDK adds."""
    try:
        return await answer
    except Exception as exc:  # noqa: BLE001  whatever it is, the engine must hear of it as an answer
        await context.abort(grpc.StatusCode.UNKNOWN, str(exc).split(":\n  File", 1)[0])


@contextmanager
def serve(cloud: LocalCloud, region: str, table: Mapping[str, Kind] = TABLE) -> Iterator[str]:
    """Serve until the block ends; gives the value for PULUMI_DEBUG_PROVIDERS. Opens a port on loopback."""
    connect = _clients(cloud)
    executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="provider")
    provider = TableProvider(table, connect, region=region, account=LOCAL_ACCOUNT, executor=executor)
    loop = asyncio.new_event_loop()
    started: list[tuple[grpc.aio.Server, int]] = []

    async def start() -> None:
        server = grpc.aio.server(options=_MESSAGE_LIMIT)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(_Servicer(provider), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        started.append((server, port))

    thread = threading.Thread(target=loop.run_forever, name="provider-loop", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=30)
        yield f"aws:{started[0][1]}"
    finally:
        if started:
            asyncio.run_coroutine_threadsafe(started[0][0].stop(grace=None), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
        executor.shutdown(wait=False, cancel_futures=True)


class _Clients:
    """boto3 clients of the local cloud, one for each service and region: making one costs 30 ms."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._made: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def __call__(self, service: str, region: str) -> Any:
        import boto3
        from botocore.config import Config

        with self._lock:
            key = (service, region)
            if key not in self._made:
                session = boto3.Session(
                    aws_access_key_id=self._cloud.access_key,
                    aws_secret_access_key=self._cloud.secret_key,
                    region_name=region,
                )
                config = Config(
                    max_pool_connections=_THREADS,
                    parameter_validation=True,
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                    s3={"addressing_style": "path"},
                )
                self._made[key] = session.client(service, endpoint_url=self._cloud.endpoint, config=config)
            return self._made[key]


@functools.lru_cache(maxsize=1)
def _clients(cloud: LocalCloud) -> _Clients:
    """Kept from one operation to the next: `up` asks the cloud first for the preview."""
    return _Clients(cloud)
