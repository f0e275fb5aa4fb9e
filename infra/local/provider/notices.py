"""SNS topics, their policies and subscriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.identity import same_document
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State, again
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, retag_lists

__all__ = ["KINDS"]

_ATTRIBUTES = {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId"}


def _create_topic(api: Api, given: Given) -> str:
    attributes = {theirs: given[ours] for ours, theirs in _ATTRIBUTES.items() if given.get(ours)}
    made = api.client("sns").create_topic(Name=given["name"], Attributes=attributes, Tags=as_list(given.get("tags")))
    return str(made["TopicArn"])


def _read_topic(api: Api, id_: str, given: Given) -> State | None:
    sns = api.client("sns")
    found = sns.get_topic_attributes(TopicArn=id_)["Attributes"]
    return {
        "arn": id_,
        "name": id_.rsplit(":", 1)[-1],
        "owner": found["Owner"],
        **{ours: found[theirs] for ours, theirs in _ATTRIBUTES.items() if found.get(theirs)},
        **read_tags(as_map(sns.list_tags_for_resource(ResourceArn=id_)["Tags"])),
    }


def _update_topic(api: Api, id_: str, old: Given, new: Given) -> None:
    sns = api.client("sns")
    for ours, theirs in _ATTRIBUTES.items():
        if old.get(ours) != new.get(ours):
            sns.set_topic_attributes(TopicArn=id_, AttributeName=theirs, AttributeValue=new.get(ours) or "")
    retag_lists(sns.tag_resource, sns.untag_resource, old, new, ResourceArn=id_)


def _delete_topic(api: Api, id_: str, state: Given) -> None:
    api.client("sns").delete_topic(TopicArn=id_)


def _put_policy(api: Api, given: Given) -> str:
    api.client("sns").set_topic_attributes(
        TopicArn=given["arn"], AttributeName="Policy", AttributeValue=given["policy"]
    )
    return str(given["arn"])


def _read_policy(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("sns").get_topic_attributes(TopicArn=id_)["Attributes"]
    policy = same_document(given.get("policy"), found["Policy"])
    return {"arn": id_, "owner": found["Owner"], "policy": policy}


def _delete_policy(api: Api, id_: str, state: Given) -> None:
    """A topic always has a policy; without one of ours it is the account's own again, as AWS's provider leaves it."""
    own = {
        "Version": "2008-10-17",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["SNS:Publish", "SNS:Subscribe"],
                "Resource": id_,
                "Condition": {"StringEquals": {"AWS:SourceOwner": api.account}},
            }
        ],
    }
    api.client("sns").set_topic_attributes(TopicArn=id_, AttributeName="Policy", AttributeValue=json.dumps(own))


def _subscribe(api: Api, given: Given) -> str:
    made = api.client("sns").subscribe(
        TopicArn=given["topic"], Protocol=given["protocol"], Endpoint=given["endpoint"], ReturnSubscriptionArn=True
    )
    return str(made["SubscriptionArn"])


def _read_subscription(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("sns").get_subscription_attributes(SubscriptionArn=id_)["Attributes"]
    return {
        "arn": id_,
        "topic": found["TopicArn"],
        "protocol": found["Protocol"],
        "endpoint": found["Endpoint"],
        "ownerId": found["Owner"],
        "pendingConfirmation": found.get("PendingConfirmation") == "true",
    }


def _unsubscribe(api: Api, id_: str, state: Given) -> None:
    api.client("sns").unsubscribe(SubscriptionArn=id_)


def _refuse_subscription(given: Given) -> Iterator[tuple[str, str]]:
    protocol, endpoint = given.get("protocol"), given.get("endpoint")
    if protocol in ("http", "https") and isinstance(endpoint, str) and not endpoint.startswith(f"{protocol}://"):
        yield "endpoint", f"an endpoint of protocol {protocol} starts with {protocol}://"


def _policy_of_the_topic(given: Any) -> Iterator[tuple[str, str]]:
    """SNS takes statements on the topic itself only, and no wildcard principal without a condition on a new topic."""
    try:
        statements = json.loads(given["policy"])["Statement"]
    except (ValueError, TypeError, KeyError):
        return
    if isinstance(given.get("arn"), str) and any(
        resource != given["arn"]
        for statement in statements
        for resource in ([statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"])
    ):
        yield "policy", "the resource of each statement is the topic itself"


KINDS = (
    Kind(
        "aws:sns/topic:Topic",
        create=_create_topic,
        read=_read_topic,
        update=_update_topic,
        delete=_delete_topic,
        fixed="name",
        live=f"{' '.join(_ATTRIBUTES)} tags",
        needs="name",
        name="name",
        limits={"name": Limit(r"[A-Za-z0-9_-]{1,256}", "up to 256 letters, digits, - and _")},
    ),
    Kind(
        "aws:sns/topicPolicy:TopicPolicy",
        create=_put_policy,
        read=_read_policy,
        update=again(_put_policy),
        delete=_delete_policy,
        fixed="arn",
        live="policy",
        needs="arn policy",
        name="arn",
        refuse=_policy_of_the_topic,
    ),
    Kind(
        "aws:sns/topicSubscription:TopicSubscription",
        create=_subscribe,
        read=_read_subscription,
        delete=_unsubscribe,
        fixed="topic protocol endpoint",
        needs="topic protocol endpoint",
        refuse=_refuse_subscription,
    ),
)
