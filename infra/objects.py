"""A bucket of the fleet: where its clusters keep objects, with a copy in the recovery region."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.schema import Bucket as Declared
from quartermaster.infra.bucket import lifecycle_rules, store
from quartermaster.infra.component import Component
from quartermaster.infra.keyring import There
from quartermaster.infra.layout import Layout
from quartermaster.infra.replication import replicate

__all__ = ["Objects", "objects_name"]


def objects_name(layout: Layout, account: str, name: str) -> str:
    """The bucket's name; the account before it, so that a bucket called ops is not the stack's own."""
    return layout.name(f"{account}-{name}")


class Objects(Component):
    """One bucket; ``there``: the recovery region and its key, where the bucket is copied to it."""

    def __init__(
        self,
        layout: Layout,
        account: str,
        name: str,
        declared: Declared,
        *,
        key_arn: pulumi.Input[str],
        tls: bool,
        there: There | None,
    ) -> None:
        super().__init__("Objects", f"{name}-objects")
        lifecycle = lifecycle_rules(declared.keep_old_days, declared.cold_after_days)
        here = store(
            self,
            layout,
            name,
            objects_name(layout, account, name),
            key_arn=key_arn,
            tls=tls,
            lifecycle=lifecycle,
        )
        self.bucket: aws.s3.Bucket = here.bucket
        self.copy: aws.s3.Bucket | None = None
        """In the recovery region."""
        if there is not None:
            copy = store(
                self,
                layout,
                f"{name}-recovery",
                layout.name(f"recovery-{account}-{name}"),
                key_arn=there.key_arn,
                tls=tls,
                lifecycle=lifecycle,
                region=there.region,
            )
            self.copy = copy.bucket
            replicate(self, layout, name, here, copy, key_arn=key_arn, there=there)
        self.register_outputs({"bucket": here.bucket.bucket})
