"""``ops iam``: the rights of who runs `ops`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.output import emit, say
from quartermaster.cli.session import session

__all__ = ["group"]

group = Group("iam", "Rights on AWS for the people and jobs that run ops.")


class Job(StrEnum):
    """What ops is run for."""

    BOOTSTRAP = "bootstrap"
    PROVISION = "provision"
    PATCH = "patch"
    DRILL = "drill"
    READONLY = "readonly"


@group.command("policy", example="ops iam policy --for readonly --stack prod")
def policy(
    job: Annotated[Job, typer.Option("--for", help="What the rights are for.")],
) -> None:
    """Print the least-privilege policy for a job, from what this stack is made of. Asks no cloud.

    IAM takes 6,144 characters a policy: more come as several documents, each to be attached. Print it before a kind
    of thing is taken out of fleet.yaml: what is no longer declared can no longer be deleted.
    """
    from quartermaster.infra.permissions.documents import DOCUMENT_CHARACTERS, characters
    from quartermaster.infra.permissions.stack import stack_policies

    ops = session()
    found = stack_policies(ops.fleet, ops.stack, job.value)
    for policy in found:
        say(f"{policy.name}: {characters(policy.document)} of {DOCUMENT_CHARACTERS} characters")
    documents = [
        {"name": policy.name, "characters": characters(policy.document), "policy": json.loads(policy.document)}
        for policy in found
    ]
    text = "\n".join(json.dumps(json.loads(policy.document), indent=2) for policy in found)
    emit({"for": job.value, "stack": ops.stack, "documents": documents}, text)
