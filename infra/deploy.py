"""Deploys a stack: preview, up, destroy, drift and outputs of what fleet.yaml declares."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import MissingPart, OpsError
from quartermaster.fleet.events import Event, Json, Noted
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra import cloud_record
from quartermaster.infra.adopt_import import import_adopted
from quartermaster.infra.assess import cost_per_month, findings
from quartermaster.infra.aws_errors import remedy_of, translated
from quartermaster.infra.bootstrap import secrets_provider
from quartermaster.infra.drift import Drift, DriftReport, Finder, sift
from quartermaster.infra.engine import Engine
from quartermaster.infra.facts import gather
from quartermaster.infra.floors import as_scheduled
from quartermaster.infra.interrupted import mend, saved_state
from quartermaster.infra.layout import Layout, layout
from quartermaster.infra.outcome import Outcome, Watcher
from quartermaster.infra.outputs import read_outputs
from quartermaster.infra.plan_basis import Basis, basis_of
from quartermaster.infra.resources import title_of
from quartermaster.infra.state import custom, kept, protected
from quartermaster.infra.sweep import Births, sweep

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Fleet

__all__ = ["Deployment", "forget_local"]


class Deployment:
    """One stack of a fleet. ``result`` holds the outcome of the last `up` or `destroy` that was run to its end."""

    def __init__(
        self, fleet: Fleet, stack: str, workspace: Workspace, cloud: Cloud, *, bundle: Path | None = None
    ) -> None:
        self._fleet = fleet
        self._stack = stack
        self._workspace = workspace
        self._cloud = cloud
        self._bundle = bundle
        self._layout: Layout = layout(fleet, stack)
        self._result: Outcome | None = None
        self._planned: Outcome | None = None
        self._births = Births()
        self._engine = _engine(fleet, stack, workspace, cloud)

    @property
    def result(self) -> Outcome:
        """What the last `up` or `destroy` did. Raises RuntimeError before one has ended."""
        if self._result is None:
            raise RuntimeError("nothing has been run to its end yet")
        return self._result

    def mend(self) -> Iterator[Event]:
        """Put right what an interrupted run left; yields what it found. Changes state and lock only."""
        self._same_cloud()
        with translated():
            yield from mend(self._engine, self._cloud)

    def preview(self) -> Outcome:
        """What `up` would do, what it costs and what policy says. Changes nothing. Raises OpsError."""
        self._same_cloud()
        begun = time.monotonic()
        self._births = Births()
        watcher = self._previewed(self._births)
        resources = tuple(watcher.after.values())
        self._planned = Outcome(
            changes=watcher.changes,
            seconds=time.monotonic() - begun,
            cost_per_month=cost_per_month(tuple(watcher.before.values()), resources, self._fleet.region),
            policy=findings(resources, self._fleet, self._stack),
            resources=resources,
            steps=watcher.steps,
        )
        return self._planned

    def up(self) -> Iterator[Event]:
        """Make the cloud as fleet.yaml says: one step a resource. Mends first, and refuses what policy forbids.

        Raises OpsError when a resource fails, GuardRefused when policy forbids it.
        """
        yield from self.mend()
        planned = self._planned or self.preview()
        planned.refuse_blocked()
        yield from self._sweep(self._births)
        cloud_record.write(self._workspace, self._stack, self._cloud)
        begun = time.monotonic()
        watcher = Watcher()
        yield from self._watch(watcher, self._engine.up(self.program()))
        self._planned = None
        self._result = Outcome(
            changes=watcher.changes,
            seconds=time.monotonic() - begun,
            cost_per_month=planned.cost_per_month,
            policy=planned.policy,
            resources=planned.resources,
            steps=planned.steps,
        )

    def destroy(self, *, include_protected: bool = False) -> Iterator[Event]:
        """Delete what `up` made, but what is protected only on request. Mends first. Raises OpsError."""
        yield from self.mend()
        yield from self._sweep(None)
        begun = time.monotonic()
        watcher = Watcher()
        guarded = protected(saved_state(self._engine))
        if guarded and include_protected:
            yield from self._watch(Watcher(), self._engine.up(self.program(protect=False), targets=list(guarded)))
        spare = bool(guarded) and not include_protected
        if custom(saved_state(self._engine)):
            yield from self._watch(watcher, self._engine.destroy(exclude_protected=spare))
        reasons = kept(saved_state(self._engine))
        for urn, why in reasons:
            yield Noted(step="destroy", message=f"kept {title_of(urn)}: {why}")
        left = tuple(urn for urn, _ in reasons)
        if not left:
            cloud_record.forget(self._workspace, self._stack)
        before = tuple(watcher.before.values())
        after = tuple(item for item in before if item.urn in left)
        self._result = Outcome(
            changes=watcher.changes,
            seconds=time.monotonic() - begun,
            cost_per_month=cost_per_month(before, after, self._fleet.region),
            kept=left,
            resources=after,
            steps=watcher.steps,
        )

    def adopt(self) -> Iterator[Event]:
        """Take what fleet.yaml names as adopted into the state. Mends first; the cloud stays as it is."""
        yield from self.mend()
        self.preview()
        yield from import_adopted(self._engine, self._births, self._fleet.adopted)
        self._planned = None

    def drift(self) -> DriftReport:
        """What differs in the cloud from the state, without what fleet.yaml lets be. Read-only."""
        self._same_cloud()
        watcher, finder = Watcher(), Finder()
        for _ in self._watch(watcher, finder.seen(self._engine.drift())):
            pass
        now = datetime.now(UTC)
        found = [
            item
            for item in finder.found
            if not as_scheduled(self._fleet, item.urn, item.property, item.found, now) and not self._configured(item)
        ]
        return sift(found, self._fleet.ignore_drift)

    def _configured(self, item: Drift) -> bool:
        """Whether it is the pointer that `ops configure` moved to the bundle of this fleet: nobody went behind us."""
        if self._bundle is None or not item.urn.endswith("BucketObjectv2::pointer") or item.property != "etag":
            return False
        from quartermaster.infra.bucket import bucket_name, points_to

        account = self._cloud.client("sts").get_caller_identity()["Account"]
        return points_to(self._cloud.client("s3"), bucket_name(self._layout, account), self._bundle)

    @property
    def made(self) -> bool:
        """Whether the stack's state holds anything. Read-only."""
        return bool(custom(saved_state(self._engine)))

    def basis(self) -> Basis:
        """What a plan made now would stand on: files, versions, state and world. Read-only."""
        world = self.drift().drift
        local = self._cloud.target == "local"
        return basis_of(self._workspace.fleet_file, self._bundle, saved_state(self._engine), world, local=local)

    def refresh(self) -> Iterator[Event]:
        """Take the cloud as it is into the state; the next preview shows what `up` would change back. Mends first."""
        yield from self.mend()
        yield from self._watch(Watcher(), self._engine.refresh())

    @contextmanager
    def environment(self) -> Iterator[dict[str, str]]:
        """What plain ``pulumi`` needs in its environment for this stack; the provider is served in the block."""
        self._same_cloud()
        with self._engine.environment() as values:
            yield values

    def graph(self) -> str:
        """The stack as an SVG drawing, from its state. Read-only."""
        from quartermaster.infra.graph import drawing, needs, parts

        state = saved_state(self._engine)
        return drawing(parts(state), needs(state), title=f"{self._fleet.fleet} · {self._stack}")

    def outputs(self) -> dict[str, Json]:
        """Where clusters and databases answer, read from the cloud. Read-only."""
        self._same_cloud()
        with translated():
            return read_outputs(self._fleet, self._layout, self._workspace, self._cloud)

    def program(self, *, protect: bool | None = None) -> Callable[[], None]:
        """What declares every resource, to be called by the engine; reads the world first. Read-only."""
        from dataclasses import replace

        from quartermaster.infra.program import declare

        with translated():
            facts = gather(self._fleet, self._layout, self._workspace, self._cloud, self._bundle)
        shape = self._layout if protect is None else replace(self._layout, protect=protect)
        return functools.partial(declare, self._fleet, shape, facts)

    def _sweep(self, births: Births | None) -> Iterator[Event]:
        regions = [region for region in (self._fleet.region, self._fleet.recovery_region) if region]
        with translated():
            yield from sweep(self._engine, self._cloud, regions, self._previewed, births)

    def _previewed(self, births: Births) -> Watcher:
        """What a preview shows; it also goes into ``births``."""
        watcher = Watcher()
        with _with_errors(watcher):
            watcher.planned(births.seen(self._engine.preview(self.program())))
        return watcher

    def _watch(self, watcher: Watcher, events: Iterator[Any]) -> Iterator[Event]:
        with _with_errors(watcher):
            yield from watcher.watched(events)

    def _same_cloud(self) -> None:
        if self._cloud.target != "local" or not custom(saved_state(self._engine)):
            return
        if not cloud_record.matches(self._workspace, self._stack, self._cloud):
            raise MissingPart(
                f"the local cloud that stack {self._stack!r} was made on is gone, and its resources with it",
                remedy="ops local reset, then ops provision up",
            )


def forget_local(workspace: Workspace) -> None:
    """Forget the state of every local stack: what it describes is gone with its local cloud. Keeps the passphrase."""
    import shutil

    folder = workspace.folder("state")
    for name in (".pulumi", "project"):
        shutil.rmtree(folder / name, ignore_errors=True)
    cloud_record.forget_all(workspace)


@contextmanager
def _with_errors(watcher: Watcher) -> Iterator[None]:
    """A failure of the engine in the block as what it said of each resource."""
    try:
        yield
    except OpsError as exc:
        if type(exc) is not OpsError or not watcher.errors:
            raise
        said = "\n".join(dict.fromkeys(watcher.errors))
        raise OpsError(said, remedy=remedy_of(said) or "correct it and run the command again") from exc


def _engine(fleet: Fleet, stack: str, workspace: Workspace, cloud: Cloud) -> Engine:
    folder = workspace.folder("state")
    local = cloud.target == "local"
    declared = fleet.stacks[stack].state
    passphrase = None
    provider: Callable[[], AbstractContextManager[str]] | None = None
    if local:
        from quartermaster.infra.keys import passphrase_file

        passphrase = passphrase_file(workspace)
        provider = functools.partial(_serve, workspace, fleet.region)
    return Engine(
        project=fleet.fleet,
        stack=stack,
        folder=folder / "project",
        backend=f"file://{folder}" if local or not declared else declared,
        passphrase=passphrase,
        secrets_provider="" if local else secrets_provider(declared, fleet.region),
        provider=provider,
        config={"aws:region": fleet.region},
        home=workspace.folder("cache") / "pulumi" if local else None,
    )


def _serve(workspace: Workspace, region: str) -> AbstractContextManager[str]:
    from quartermaster.fleet.aws import read_local_cloud
    from quartermaster.infra.local.provider.server import serve

    local = read_local_cloud(workspace)
    if local is None:
        raise MissingPart("the local cloud is not running", remedy="ops local up")
    return serve(local, region)
