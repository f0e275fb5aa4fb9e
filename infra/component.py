"""What our components share: a type, a chain of types for their children's URNs, and tags on every child."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pulumi

from quartermaster.fleet.names import TAG_URN
from quartermaster.infra.layout import PROJECT_TYPE, Layout, urn, urn_tag

__all__ = ["Component", "tag_everything"]


class Component(pulumi.ComponentResource):
    """A part of the stack. Children are made with ``self.child()`` as their options."""

    def __init__(self, kind: str, name: str) -> None:
        self.type_chain = f"{PROJECT_TYPE}:{kind}"
        super().__init__(self.type_chain, name)

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child."""
        return pulumi.ResourceOptions(parent=self, **options)

    def child_urn(self, layout: Layout, type_: str, name: str) -> str:
        """The URN that a child of this type and name has."""
        return urn(layout.stack, layout.fleet, f"{self.type_chain}${type_}", name)


def tag_everything(layout: Layout) -> None:
    """Give every taggable resource of the running program the stack's tags and ``ops:urn``.

    By ``ops:urn`` the creation that a killed `up` left behind is found again.
    """

    def tag(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        # Auto-scaling groups have a list here, with propagation: cluster.py writes it.
        if "tags" not in args.props or isinstance(args.props["tags"], list):
            return None
        parent = args.opts.parent
        chain = f"{parent.type_chain}${args.type_}" if isinstance(parent, Component) else args.type_
        own = cast("Mapping[str, str]", args.props["tags"] or {})
        props = {
            **args.props,
            "tags": {
                "Name": layout.name(args.name),
                **layout.tags(),
                **own,
                TAG_URN: urn_tag(urn(layout.stack, layout.fleet, chain, args.name)),
            },
        }
        return pulumi.ResourceTransformationResult(props, args.opts)

    pulumi.runtime.register_stack_transformation(tag)
