"""What our components share: a type, the chain of types for their URNs, a region, and tags on every child."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import pulumi

from quartermaster.fleet.names import TAG_URN
from quartermaster.infra.layout import PROJECT_TYPE, Layout, urn, urn_tag

__all__ = ["Component", "tag_everything"]


class Component(pulumi.ComponentResource):
    """A part of the stack. Children are made with ``self.child()`` as their options."""

    type_chain: str
    """The types of all that it is a part of and its own, as URNs have them."""
    region: str
    """Where the children are made; empty: in the stack's region."""

    def __init__(self, kind: str, name: str, *, region: str = "") -> None:
        outer = _OUTER.get()
        token = f"{PROJECT_TYPE}:{kind}"
        self.type_chain = f"{outer.type_chain}${token}" if outer else token
        self.region = region or (outer.region if outer else "")
        super().__init__(token, name, None, pulumi.ResourceOptions(parent=outer))

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child."""
        return pulumi.ResourceOptions(parent=self, **options)

    def child_urn(self, layout: Layout, type_: str, name: str) -> str:
        """The URN that a child of this type and name has."""
        return urn(layout.stack, layout.fleet, f"{self.type_chain}${type_}", name)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Components made in the block are parts of this one, and in its region."""
        token = _OUTER.set(self)
        try:
            yield
        finally:
            _OUTER.reset(token)


_OUTER: ContextVar[Component | None] = ContextVar("outer", default=None)


def tag_everything(layout: Layout) -> None:
    """Give every taggable resource of the running program the stack's tags and ``ops:urn``, and each its region.

    By ``ops:urn`` the creation that a killed `up` left behind is found again.
    """

    def complete(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        parent = args.opts.parent
        region = parent.region if isinstance(parent, Component) else ""
        added: dict[str, Any] = {}
        # Only regional types have the argument: IAM, Route 53 and CloudFront do not.
        if region and "region" in args.props and args.props["region"] is None:
            added["region"] = region
        # Auto-scaling groups have a list here, with propagation: cluster.py writes it.
        if "tags" in args.props and not isinstance(args.props["tags"], list):
            chain = f"{parent.type_chain}${args.type_}" if isinstance(parent, Component) else args.type_
            own = cast("Mapping[str, str]", args.props["tags"] or {})
            added["tags"] = {
                "Name": layout.name(args.name),
                **layout.tags(),
                **own,
                TAG_URN: urn_tag(urn(layout.stack, layout.fleet, chain, args.name)),
            }
        return pulumi.ResourceTransformationResult({**args.props, **added}, args.opts) if added else None

    pulumi.runtime.register_stack_transformation(complete)
