"""Which types a stack is made of: the program itself says so, run against nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.aws import LOCAL_ACCOUNT
from quartermaster.infra.layout import Layout, Subnet, layout

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["declared_types"]


def declared_types(fleet: Fleet, stack: str) -> frozenset[str]:
    """The type tokens of what `up` would make. Asks no cloud: images, keys and subnets are made up.

    Sets Pulumi's mocks for this process.
    """
    import pulumi

    seen: set[str] = set()

    class Nothing(pulumi.runtime.Mocks):
        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
            seen.add(args.typ)
            return f"{args.name}-id", {"arn": f"arn:{args.name}", **args.inputs}

        def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
            raise NotImplementedError(f"the program asks the cloud itself: {args.token}")

    with _loops():
        pulumi.runtime.set_mocks(Nothing(), project=fleet.fleet, stack=stack, preview=True)
        pulumi.runtime.test(lambda: _declare(fleet, stack))()  # type: ignore[no-untyped-call]
    return frozenset(token for token in seen if token.startswith("aws:"))


@contextmanager
def _loops() -> Iterator[None]:
    """An event loop for this thread and a single one that helps it. Those that the SDK makes it never closes."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with ThreadPoolExecutor(1) as helper:
        loop.set_default_executor(helper)
        try:
            yield
        finally:
            helper.submit(_close).result()
            _close()


def _close() -> None:
    """Close the loop of this thread, where it has one."""
    with suppress(RuntimeError):
        asyncio.get_event_loop().close()
    asyncio.set_event_loop(None)


def _declare(fleet: Fleet, stack: str) -> None:
    from quartermaster.infra.images import Image, architecture
    from quartermaster.infra.program import Facts, declare

    shape = layout(fleet, stack)
    images = {name: Image("ami-0", architecture(cluster.instance)) for name, cluster in fleet.clusters.items()}
    facts = Facts(
        account=fleet.stacks[stack].account or LOCAL_ACCOUNT,
        images=images,
        recovery_images=images,
        public_key="ssh-ed25519 AAAA",
        now=datetime.now(UTC),
        site=_site(shape, fleet.zones) if shape.vpc else None,
        tls=fleet.stacks[stack].target == "aws",
    )
    declare(fleet, shape, facts)


def _site(shape: Layout, count: int) -> Any:
    """A site in an existing network: a subnet of each tier and zone."""
    from quartermaster.infra.existing import Site

    tiers: Any = ("public", "private", "data")
    zones = tuple(f"{shape.region}{letter}" for letter in "abcdef"[:count])
    subnets = tuple(Subnet(tier, zone, shape.cidr, id=f"subnet-{tier}-{zone}") for tier in tiers for zone in zones)
    return Site(shape.cidr, zones, subnets)
