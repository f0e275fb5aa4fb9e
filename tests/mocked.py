"""The program under Pulumi's mocks: every resource that it declares, without an engine or a cloud."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin
from unittest.mock import patch

from google.protobuf.empty_pb2 import Empty
from pulumi import _types
from pulumi.runtime import mocks, resource, rpc, settings
from pulumi.runtime.proto import resource_pb2, source_pb2
from pulumi.runtime.stack import run_in_stack
from sdk import outputs

from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.infra.images import Image, architecture
from quartermaster.infra.layout import layout, recovery_layout
from quartermaster.infra.program import Facts, declare

__all__ = ["ACCOUNT", "NOW", "Declared", "declared", "declared_in", "facts", "resources"]

ACCOUNT = "123456789012"
_STACK = "pulumi:pulumi:Stack"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Declared:
    """A resource as the engine would hear of it."""

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: Mapping[str, Any]
    """Under their Pulumi names; what another resource gives is made up."""
    protect: bool


class _Monitor(mocks.MockMonitor):
    """A cloud in which everything works at once; writes down what is registered, under the URNs of the engine."""

    def __init__(self) -> None:
        super().__init__(_Nobody())
        self.seen: list[Declared] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        chain = request.parent.split("::")[2] if request.parent else ""
        whole = request.type if chain in ("", _STACK) else f"{chain}${request.type}"
        urn = f"urn:pulumi:{settings.get_stack()}::{settings.get_project()}::{whole}::{request.name}"
        answer = resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        if request.type == _STACK:
            return answer
        if request.custom:
            answer.id = f"{request.name}-id"
            made = {name: value for name, value in _made(request.type).items() if name not in request.object.fields}
            answer.object.update(made)
            for name in made.keys() & {"arn", "id", "name"}:
                answer.object[name] = f"{made[name]}-{request.name}"
            if request.type == "aws:lb/loadBalancer:LoadBalancer":  # whose kind its ARN tells
                kind = "net" if request.object["loadBalancerType"] == "network" else "app"
                answer.object["arn"] = answer.object["arn"].replace(":arn", f":loadbalancer/{kind}/")
        inputs = rpc.deserialize_properties(request.object)
        self.seen.append(
            Declared(urn, request.type, request.name, request.parent, request.custom, inputs, bool(request.protect))
        )
        return answer


class _Nobody(mocks.Mocks):
    def call(self, args: Any) -> Any:
        raise AssertionError(f"the program asks the world for {args.token}: facts are read before it runs")

    def new_resource(self, args: Any) -> Any:
        raise NotImplementedError


@cache
def _made(token: str) -> dict[str, Any]:
    """Something for every output of the type, of its shape."""
    service = token.split(":")[1].partition("/")[0]
    return {name: _like(kind, f"arn:aws:{service}:eu-west-1:{ACCOUNT}:{name}") for name, kind in outputs(token).items()}


def _like(kind: Any, text: str, depth: int = 0) -> Any:
    if kind in (bool, int, float):
        return kind()
    if get_origin(kind) is Sequence:
        return [_like(get_args(kind)[0], text, depth)]
    if isinstance(kind, type) and _types.is_output_type(kind) and depth < 2:
        return {name: _like(of, text, depth + 1) for name, of in _types.output_type_types(kind).items()}
    return text if kind is str else {}


def resources(program: Callable[[], None], project: str, stack: str) -> list[Declared]:
    """All that the program registers, but for the stack itself."""
    monitor = _Monitor()

    def run() -> None:
        # What set_mocks does, but for a stack of its own: it would belong to another loop.
        settings.configure(
            mocks.MockSettings(
                monitor=monitor,
                monitor_features=set(monitor.GetDeploymentInfo(Empty()).supportedFeatures),
                engine=mocks.MockEngine(None),
                project=project,
                stack=stack,
                dry_run=False,
                organization=None,
                callbacks=None,
            )
        )
        settings.set_root_resource(None)
        # Only an engine asks where a resource was declared; to tell takes a third of the time.
        untraced = patch.object(resource, "_get_stack_trace", source_pb2.StackTrace)
        with untraced, asyncio.Runner() as runner:  # a program that fails leaves nothing behind in its loop
            runner.get_loop().set_default_executor(ThreadPoolExecutor(4))
            runner.run(run_in_stack(program))

    contextvars.copy_context().run(run)
    return monitor.seen


def facts(fleet: Fleet, stack: str) -> Facts:
    """What would be read of the world before the program runs."""
    images = {
        name: Image(cluster.image.id or "ami-0123456789abcdef0", architecture(cluster.instance))
        for name, cluster in fleet.clusters.items()
    }
    return Facts(
        account=ACCOUNT,
        images=images,
        recovery_images=images if recovery_layout(fleet, stack) else {},
        public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDummy ops",
        now=NOW,
        tls=fleet.stacks[stack].target == "aws",
        seed=b"seed",
    )


def declared(fleet: Fleet, stack: str) -> list[Declared]:
    """What the fleet's program declares for the stack."""
    program = functools.partial(declare, fleet, layout(fleet, stack), facts(fleet, stack))
    return resources(program, fleet.fleet, stack)


@cache
def declared_in(path: Path, stack: str) -> tuple[Declared, ...]:
    """What the program of that fleet.yaml declares for the stack; made once for all who ask."""
    return tuple(declared(load_fleet(path), stack))
