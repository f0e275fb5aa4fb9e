"""AWS's errors in words that say what to do. The one place that knows its codes by meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from quartermaster.fleet.errors import MissingPart, OpsError

__all__ = ["remedy_of", "translated"]

_AGAIN = "; what was made is known: the same command goes on from there"
_REMEDIES: Mapping[str, str] = {
    r"Expired|InvalidClientTokenId|UnrecognizedClient|AuthFailure|SignatureDoesNotMatch": (
        f"log in anew (aws sso login), or set AWS_PROFILE{_AGAIN}"
    ),
    r"AccessDenied|Unauthorized|NotAuthorized": f"ops iam policy --for provision prints the rights it takes{_AGAIN}",
    r"Throttl|SlowDown|RequestLimitExceeded|TooManyRequests|ServiceUnavailable|InternalError|InternalFailure": (
        f"AWS was too busy to answer; wait a minute{_AGAIN}"
    ),
    r"AlreadyExists|AlreadyOwnedByYou|Duplicate|InUseException": (
        "the name is another's: delete or rename that, give the fleet or the stack another name, or take it in with "
        "ops adopt"
    ),
    r"LimitExceeded|QuotaExceeded|TooMany": f"ask AWS for a higher quota, or make the fleet smaller{_AGAIN}",
}
"""First that matches counts. Codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"""
_CREDENTIALS = next(iter(_REMEDIES))


def remedy_of(message: str) -> str:
    """What to do about an error that carries one of AWS's codes; empty for others. Pure."""
    return next((remedy for pattern, remedy in _REMEDIES.items() if re.search(pattern, message)), "")


@contextmanager
def translated() -> Iterator[None]:
    """botocore's errors of the block as ours: MissingPart where the credentials are at fault, else OpsError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as exc:
        code = str(exc.response["Error"]["Code"])
        kind = MissingPart if re.search(_CREDENTIALS, code) else OpsError
        raise kind(f"AWS refused: {exc}", remedy=remedy_of(code)) from exc
    except BotoCoreError as exc:
        raise MissingPart(f"AWS could not be asked: {exc}", remedy="check network, AWS_PROFILE and region") from exc
