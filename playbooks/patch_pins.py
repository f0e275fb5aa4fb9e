"""The package versions that a cycle's canary came to, where hosts launched from then on read them at boot (ADR 15)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.events import Event, StepFinished, StepStarted
from quartermaster.fleet.names import pins_key
from quartermaster.playbooks.patch_past import Past

__all__ = ["BucketPins", "Pins", "pin", "unpin"]


class Pins(Protocol):
    """One cluster's pinned versions: package → version. Both raise OpsError."""

    def read(self) -> Mapping[str, str]:
        """Those that new hosts take now; none yet: empty. Read-only."""
        ...

    def write(self, versions: Mapping[str, str]) -> None:
        """What hosts launched from now on take."""
        ...


class BucketPins:
    """The object in the stack's bucket: {"packages": {name: version}}."""

    def __init__(self, s3: Any, bucket: str, cluster: str) -> None:
        self._s3 = s3
        self._place = {"Bucket": bucket, "Key": pins_key(cluster)}

    def read(self) -> Mapping[str, str]:
        try:
            found = json.loads(self._s3.get_object(**self._place)["Body"].read())
        except self._s3.exceptions.ClientError as exc:
            # Who may not list a bucket hears of an object that is not there: forbidden.
            if exc.response["Error"]["Code"] in ("NoSuchKey", "404", "AccessDenied", "403"):
                return {}
            raise self._refused("read", exc) from exc
        return {str(name): str(version) for name, version in found["packages"].items()}

    def write(self, versions: Mapping[str, str]) -> None:
        body = json.dumps({"packages": dict(sorted(versions.items()))}, indent=1).encode()
        try:
            self._s3.put_object(**self._place, Body=body, ContentType="application/json")
        except self._s3.exceptions.ClientError as exc:
            raise self._refused("written", exc) from exc

    def _refused(self, what: str, exc: Exception) -> OpsError:
        place = "{Bucket}/{Key}".format(**self._place)
        return OpsError(f"the pinned versions cannot be {what} at s3://{place}: {exc}", remedy="ops provision up")


def pin(past: Past, pins: Pins | None, versions: Mapping[str, str]) -> Iterator[Event]:
    """Add ``versions`` to those that new hosts take, those of before written down first. Changes the bucket."""
    if pins is None or past.pinned or not versions:
        return
    before = dict(pins.read() if past.prior_pins is None else past.prior_pins)
    yield StepStarted(step="pins", undo={"pins": before}, detail={"packages": len(versions)})
    pins.write({**before, **versions})
    yield StepFinished(step="pins")


def unpin(past: Past, pins: Pins | None) -> Iterator[Event]:
    """Let new hosts take what they took before this run. Changes the bucket."""
    if pins is None or past.prior_pins is None:
        return
    yield StepStarted(step="pins back")
    pins.write(past.prior_pins)
    yield StepFinished(step="pins back")
