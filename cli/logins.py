"""As whom to ask a database of the stack: the login that its hosts have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import OpsError

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.write_probe import Login

__all__ = ["login_of"]


def login_of(ops: Session, database: str) -> Login:
    """The login in the stack's secret. Raises OpsError where it cannot be read."""
    from botocore.exceptions import BotoCoreError, ClientError

    from quartermaster.fleet.write_probe import Login
    from quartermaster.infra.layout import layout
    from quartermaster.infra.login import secret_name

    name = secret_name(layout(ops.fleet, ops.stack), database)
    try:
        answer = ops.cloud.client("secretsmanager").get_secret_value(SecretId=name)
    except (BotoCoreError, ClientError) as exc:
        raise OpsError(f"the login {name} cannot be read: {exc}", remedy="ops provision up, or your rights") from exc
    said: dict[str, Any] = json.loads(answer["SecretString"])
    return Login(said["host"], said["port"], said["dbname"], said["username"], said["password"])
