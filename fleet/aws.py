"""AWS sessions: one door to the cloud of a stack, the local one or a real account.

Rule 7: on ``aws`` account and region from STS must equal the stack's before any read or write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from quartermaster.fleet.errors import MissingPart, OpsError, WrongAccount
from quartermaster.fleet.workspace import Workspace

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["LOCAL_ACCOUNT", "Cloud", "LocalCloud", "asking", "connect", "read_local_cloud", "told"]

_T = TypeVar("_T")

LOCAL_ACCOUNT = "123456789012"


@dataclass(frozen=True, slots=True)
class LocalCloud:
    """What the daemon of the local cloud wrote about itself into ``.ops/local/daemon.json``."""

    instance: str
    """Changes with every fresh local cloud; a stack records the one that it was made on."""
    pid: int
    pid_started: str
    endpoint: str
    """URL of the AWS API (and, under ``/_ops/``, of the control API) on loopback."""
    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """Clients for one stack's account. ``endpoint`` is empty on ``aws``."""

    fleet: str
    stack: str
    target: str
    region: str
    session: Any
    endpoint: str = ""
    _made: dict[tuple[str, str], Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Clients by service and region: each takes some hundredths of a second to make, EC2's more."""

    def client(self, service: str, *, region: str = "") -> Any:
        """The boto3 client of the stack's account, which threads may share."""
        key = (service, region or self.region)
        if key not in self._made:
            self._made[key] = self.session.client(service, region_name=key[1], endpoint_url=self.endpoint or None)
        return self._made[key]


def read_local_cloud(workspace: Workspace) -> LocalCloud | None:
    """The local cloud's own word about itself, or None where none was started. Read-only."""
    path = workspace.folder("local") / "daemon.json"
    try:
        return LocalCloud(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as exc:
        remedy = "delete it, then ops local down removes what it was about"
        raise MissingPart(f"{path} is not what the local cloud wrote: {exc}", remedy=remedy) from exc


def connect(fleet: Fleet, stack: str, workspace: Workspace) -> Cloud:
    """The cloud of the stack, its account checked. Read-only.

    Raises WrongAccount when STS answers another account, MissingPart without credentials or local cloud.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    declared = fleet.stacks[stack]
    if declared.target == "local":
        local = read_local_cloud(workspace)
        if local is None:
            raise MissingPart("the local cloud is not running", remedy="ops local up")
        session = boto3.Session(
            aws_access_key_id=local.access_key,
            aws_secret_access_key=local.secret_key,
            region_name=fleet.region,
        )
        return Cloud(fleet.fleet, stack, "local", fleet.region, session, local.endpoint)
    session = boto3.Session(region_name=fleet.region)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as exc:
        raise MissingPart(
            f"no usable AWS credentials for stack {stack!r}: {exc}",
            remedy="aws sso login, or set AWS_PROFILE",
        ) from exc
    if account != declared.account:
        raise WrongAccount(
            f"stack {stack!r} belongs to account {declared.account}, but these credentials are of {account}",
            remedy=f"use credentials of {declared.account} (AWS_PROFILE), or correct stacks.{stack}.account",
        )
    return Cloud(fleet.fleet, stack, "aws", fleet.region, session)


def told(call: Callable[[], _T]) -> _T:
    """The call's answer. Raises OpsError where AWS refuses or is silent."""
    with asking(remedy="ops status, then resume or recover what was at work"):
        return call()


@contextmanager
def asking(to: str = "", *, remedy: str) -> Iterator[None]:
    """What AWS refuses within the block becomes an OpsError that names what it was to do; so does its silence."""
    from botocore.exceptions import BotoCoreError, ClientError

    what = f" to {to}" if to else ""
    try:
        yield
    except ClientError as exc:
        raise OpsError(f"AWS refused{what}: {exc}", remedy=remedy) from exc
    except BotoCoreError as exc:
        raise OpsError(f"AWS could not be asked{what}: {exc}", remedy=remedy) from exc
