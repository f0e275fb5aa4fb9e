"""Where the stack's notices go: an encrypted topic, and those who are told by it."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.schema import Notify
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.policies import admit, document

__all__ = ["Notices", "known_webhooks", "topics"]


def topics(notify: Sequence[Notify]) -> tuple[str, ...]:
    """ARNs of the people's own topics."""
    return tuple(entry.topic for entry in notify if entry.kind == "sns")


def known_webhooks(notify: Sequence[Notify]) -> tuple[str, ...]:
    """URLs that fleet.yaml itself says. One that it only names (``secret:NAME``) is for `ops` to post to when it runs:
    a subscription would write it into the state."""
    urls = (entry.url for entry in notify if entry.kind == "webhook" and entry.url is not None)
    return tuple(url.reveal() for url in urls if not url.name)


class Notices(Component):
    """The topic of one stack. ``told`` is whom alarms tell: it and the people's own topics."""

    def __init__(self, layout: Layout, notify: Sequence[Notify], *, account: str, key_id: pulumi.Input[str]) -> None:
        super().__init__("Notices", "notices")
        self.topic = aws.sns.Topic(
            "notices",
            name=layout.name("notices"),
            # A key of ours: CloudWatch cannot use the one that AWS keeps for SNS, and its notices would vanish.
            # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
            kms_master_key_id=key_id,
            opts=self.child(),
        )
        # An alarm tells topics of its own region only: the pilot light's have no use for those of the stack's.
        near = [arn for arn in topics(notify) if not layout.recovery or f":{layout.region}:" in arn]
        self.told: list[pulumi.Input[str]] = [self.topic.arn, *near]
        aws.sns.TopicPolicy(
            "notices",
            arn=self.topic.arn,
            policy=self.topic.arn.apply(lambda arn: _policy(arn, account)),
            opts=self.child(),
        )
        for number, url in enumerate(known_webhooks(notify), 1):
            aws.sns.TopicSubscription(
                f"webhook-{number}",
                topic=self.topic.arn,
                protocol=url.partition(":")[0],
                endpoint=url,
                opts=self.child(),
            )
        self.register_outputs({"topic": self.topic.arn})


def _policy(arn: str, account: str) -> str:
    ours = {"StringEquals": {"aws:SourceAccount": account}}
    return document(
        [
            admit("Alarms", "cloudwatch.amazonaws.com", "sns:Publish", arn, Condition=ours),
            # What EventBridge tells of backups that failed. It posts under no condition:
            # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
            admit("Events", "events.amazonaws.com", "sns:Publish", arn),
        ]
    )
