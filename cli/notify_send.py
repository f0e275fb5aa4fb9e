"""Tells one notice to one channel: apprise for webhook, Slack and e-mail, SNS through the stack's own cloud."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from quartermaster.fleet.errors import OpsError

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.notices import Notice
    from quartermaster.fleet.schema import Notify

__all__ = ["send"]

_SCHEMES = {"http": "json", "https": "jsons"}
"""Apprise's words for a JSON document posted to any URL."""
_SHOWN_SUBJECT = 100
"""Characters of a subject that SNS takes: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
_SECRET_PART = 6
"""Parts of an address that are shorter than this are words, not secrets."""


def send(ops: Session, channel: Notify, notice: Notice) -> None:
    """Tell it. Raises OpsError, in which no part of the channel's address stands. Sends to the channel."""
    if channel.kind == "sns":
        from quartermaster.fleet.aws import asking

        subject, client = notice.title[:_SHOWN_SUBJECT], ops.cloud.client("sns")
        with asking("publish the notice", remedy=f"is {channel.topic} there, and may ops publish?"):
            client.publish(TopicArn=channel.topic, Subject=subject, Message=notice.text)
        return
    import apprise

    assert channel.url is not None
    address = channel.url.reveal()
    target = apprise.Apprise.instantiate(_address(channel.kind, address), suppress_exceptions=True)
    if target is None:
        raise OpsError(f"the {channel.kind} address is none that can be told", remedy="see docs/guide/notices.md")
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call]
        told = target.notify(title=notice.title, body=notice.text)
        if not told:
            reason = " ".join(said.getvalue().split()) or "no reason given"
            raise OpsError(f"{channel.kind} was not told: {_masked(reason, address)}", remedy="ops notify test")


def _address(kind: str, url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{_SCHEMES[scheme]}://{rest}" if kind == "webhook" and scheme in _SCHEMES else url


def _masked(text: str, address: str) -> str:
    """The text without the address or any part of it that may be a secret."""
    split = urlsplit(address)
    parts = [address, split.password or "", *split.path.split("/"), *split.query.replace("&", "=").split("=")]
    parts += [unquote(part) for part in parts]
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SECRET_PART:
            text = text.replace(part, "********")
    return text
