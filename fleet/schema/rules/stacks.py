"""Regions, zones, stacks and who is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.regions import known_regions, zone_names
from quartermaster.fleet.schema.faults import closest
from quartermaster.fleet.schema.model import Fleet

_RESERVED = {
    "internal": "names of balancers must not start with internal-",
    "sg": "names of security groups must not start with sg-",
    "sthree": "names of buckets must not start with sthree-",
    "aws": "names of parameters and vaults must not start with aws",
}
"""First words of a name that AWS refuses, with its reason."""
_STATES = ("done", "failed", "stopped", "recovered")
"""How a run ends, and the last word of a notice of it."""
_REMOTE = re.compile(r"^(s3|gs|azblob|https)://.+")


def region_is_known(fleet: Fleet) -> Iterator[Fault]:
    """Both regions stand in the region table; on aws the region is said, not defaulted."""
    for where, region in (("region", fleet.region), ("recovery_region", fleet.recovery_region)):
        if region not in known_regions() and not (where == "recovery_region" and not region):
            near = closest(region, known_regions())
            yield Fault(where, f"unknown region {region!r}", f"did you mean {near}?" if near else "such as eu-west-1")
    on_aws = [name for name, stack in fleet.stacks.items() if stack.target == "aws"]
    if on_aws and not fleet.says("region"):
        yield Fault("region", f"stack {on_aws[0]} is on aws and no region is said", "add region: eu-west-1, or yours")


def recovery_region_is_another(fleet: Fleet) -> Iterator[Fault]:
    """The recovery region is not the region."""
    if fleet.recovery_region == fleet.region:
        yield Fault(
            "recovery_region",
            f"{fleet.region} is the region itself: losing it loses both",
            "another region, such as eu-central-1" if fleet.region != "eu-central-1" else "another, such as eu-west-1",
        )


def zones_exist(fleet: Fleet) -> Iterator[Fault]:
    """The region has as many zones."""
    if fleet.region in known_regions() and fleet.zones > (has := len(zone_names(fleet.region))):
        yield Fault("zones", f"{fleet.region} has {has} zones, not {fleet.zones}", f"zones: {has} or fewer")


def aws_stacks_are_complete(fleet: Fleet) -> Iterator[Fault]:
    """On aws a stack says its account and keeps its state where others can reach it."""
    for name, stack in fleet.stacks.items():
        if stack.target != "aws":
            continue
        if not stack.account:
            yield Fault(
                f"stacks.{name}.account", f"stack {name} is on aws and says no account", 'account: "123456789012"'
            )
        if stack.state and not _REMOTE.match(stack.state):
            yield Fault(
                f"stacks.{name}.state",
                f"{stack.state!r} is on this machine only: the next person would not find the stack",
                "s3://BUCKET (ops bootstrap makes one), or the URL of Pulumi Cloud",
            )


def journals_can_be_kept(fleet: Fleet) -> Iterator[Fault]:
    """A journal elsewhere is in PostgreSQL, and no password stands in the file."""
    for name, stack in fleet.stacks.items():
        if stack.journal is None or stack.journal.name:
            continue
        where = f"stacks.{name}.journal"
        try:
            url = urlsplit(stack.journal.reveal())
            password = url.password
        except ValueError:
            yield Fault(where, "the journal's URL is none", "postgresql://USER@HOST/DATABASE, or secret:NAME")
            continue
        if url.scheme != "postgresql":
            yield Fault(where, "the journal is no PostgreSQL URL", "postgresql://USER@HOST/DATABASE, or secret:NAME")
        elif password:
            yield Fault(where, "the journal's password stands in the file", "secret:JOURNAL_URL, and export it")


def names_fit_aws(fleet: Fleet) -> Iterator[Fault]:
    """Everything made starts with the fleet's name, and AWS keeps some beginnings to itself."""
    first = fleet.fleet.split("-")[0]
    if first in _RESERVED:
        yield Fault("fleet", f"{fleet.fleet!r}: {_RESERVED[first]}", f"another name, such as my-{fleet.fleet}"[:60])


def notices_have_an_address(fleet: Fleet) -> Iterator[Fault]:
    """A webhook has a URL, a topic its ARN."""
    for index, notice in enumerate(fleet.notify):
        where = f"notify[{index}]"
        if notice.kind != "sns" and notice.url is None:
            yield Fault(f"{where}.url", f"a {notice.kind} channel without a url tells nobody", "url: secret:NOTIFY_URL")
        if notice.kind in ("slack", "email") and notice.url is not None and not notice.url.name:
            problem = "the address lets anyone who reads this file write there"
            yield Fault(f"{where}.url", problem, "url: secret:NOTIFY_URL, and export it")
        if notice.kind == "sns" and not re.match(r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:.+", notice.topic):
            yield Fault(f"{where}.topic", f"{notice.topic!r} is no topic", "its ARN, arn:aws:sns:REGION:ACCOUNT:NAME")


def notices_can_come(fleet: Fleet) -> Iterator[Fault]:
    """What a channel is told of can happen: a pattern that no notice is like would tell nobody, and say nothing."""
    for index, notice in enumerate(fleet.notify):
        for place, pattern in enumerate(notice.on):
            kind, _, state = pattern.rpartition(".")
            whole = "*" in pattern or fnmatchcase("override", pattern)
            if not (any(fnmatchcase(word, state) for word in _STATES) if kind else whole):
                remedy = f"override, or KIND.STATE such as patch.failed or drill.*; states: {', '.join(_STATES)}"
                yield Fault(f"notify[{index}].on[{place}]", f"nothing is ever told as {pattern!r}", remedy)
