"""What a command works with, made when first asked for: fleet, stack, workspace, cloud, journal, leases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from quartermaster.cli.options import Options, options
from quartermaster.fleet.clock import Clock, SystemClock
from quartermaster.fleet.errors import InputError
from quartermaster.fleet.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.databases import Databases
    from quartermaster.fleet.hosts import Hosts, RequestCounter
    from quartermaster.fleet.journal import Journal, Run
    from quartermaster.fleet.leases import Lease, Leases
    from quartermaster.fleet.schema import Fleet, Stack
    from quartermaster.infra.deploy import Deployment
    from quartermaster.playbooks.bundle import Bundle
    from quartermaster.playbooks.remote import SshMachines
    from quartermaster.runbooks.acts import FaultInjector

__all__ = ["Session", "hang_up", "session"]


class Session:
    """One invocation's view of one stack."""

    def __init__(self, chosen: Options) -> None:
        self.options = chosen
        self.machines: dict[str, SshMachines] = {}
        """By cluster; see cli.ssh."""

    @cached_property
    def fleet_file(self) -> Path:
        """The fleet.yaml: ``--fleet``, else here or above."""
        from pathlib import Path

        from quartermaster.fleet.schema import find_fleet

        if self.options.fleet is None:
            return find_fleet(Path.cwd())
        path = self.options.fleet / "fleet.yaml" if self.options.fleet.is_dir() else self.options.fleet
        if not path.exists():
            raise InputError(f"no fleet file at {path}", remedy="ops init, or another --fleet PATH")
        return path

    @property
    def fleet_sha256(self) -> str:
        """Of fleet.yaml as it is now."""
        import hashlib

        return hashlib.sha256(self.fleet_file.read_bytes()).hexdigest()

    @cached_property
    def fleet(self) -> Fleet:
        from quartermaster.fleet.schema import load_fleet

        return load_fleet(self.fleet_file)

    @cached_property
    def stack(self) -> str:
        """Name of the stack: ``--stack``, else the only one, else ``dev``."""
        return self.fleet.resolve_stack(self.options.stack)

    @property
    def declared(self) -> Stack:
        """The stack as fleet.yaml declares it."""
        return self.fleet.stacks[self.stack]

    @cached_property
    def workspace(self) -> Workspace:
        return Workspace(self.fleet_file)

    @cached_property
    def cloud(self) -> Cloud:
        """The stack's cloud, account checked; the local one is started when it is not running."""
        from quartermaster.fleet.aws import connect

        if self.declared.target == "local":
            from quartermaster.infra.local.client import ensure_running

            ensure_running(self.workspace, self.fleet.fleet)
        return connect(self.fleet, self.stack, self.workspace)

    @cached_property
    def bundle(self) -> Bundle:
        """The role bundle. Raises InputError with the line of each role and variable that cannot be."""
        from quartermaster.fleet.schema import refusal
        from quartermaster.playbooks.bundle import build

        try:
            return build(self.fleet, self.fleet_file.resolve().parent)
        except InputError as error:
            raise refusal(self.fleet_file, error.faults) from error

    def deployment(self) -> Deployment:
        """The stack with its role bundle, ready to be previewed and made."""
        from quartermaster.infra.deploy import Deployment

        bundle = self.bundle.stored(self.workspace.folder("cache"))
        return Deployment(self.fleet, self.stack, self.workspace, self.cloud, bundle=bundle)

    @cached_property
    def hosts(self) -> Hosts:
        from quartermaster.fleet.hosts import Hosts

        return Hosts(self.cloud)

    @property
    def rds_ids(self) -> dict[str, str]:
        """Each PostgreSQL database and what RDS calls its instance."""
        from quartermaster.infra.layout import DATABASE, layout

        shape = layout(self.fleet, self.stack)
        return {name: shape.called(DATABASE, name) for name in self.fleet.postgres}

    @cached_property
    def databases(self) -> Databases:
        """The stack's PostgreSQL databases."""
        from quartermaster.fleet.databases import Databases

        return Databases(self.cloud, self.rds_ids)

    @cached_property
    def counter(self) -> RequestCounter:
        """Counts of requests at the balancers of this stack."""
        from quartermaster.cli.counters import counter

        return counter(self)

    def url(self, cluster: str) -> str:
        """Where the cluster answers, without a trailing slash. Asks the cloud."""
        from quartermaster.infra.layout import layout
        from quartermaster.infra.outputs import balancer_url

        shape = layout(self.fleet, self.stack)
        return balancer_url(self.fleet, shape, self.workspace, self.cloud, cluster).rstrip("/")

    @cached_property
    def faults(self) -> FaultInjector:
        """What makes faults on this stack. Raises MissingPart on aws, where each must be a FIS experiment."""
        from quartermaster.cli.faults import injector

        return injector(self)

    @cached_property
    def clock(self) -> Clock:
        return SystemClock()

    def typed_confirmation(self, typed: str) -> None:
        """Raises InputError unless a protected stack was named by hand."""
        if self.declared.protect and typed != self.stack:
            raise InputError(
                f"stack {self.stack} is protected; a plain yes is not enough",
                remedy=f"--confirm {self.stack}, after reading the plan",
            )

    @cached_property
    def journal(self) -> Journal:
        """The stack's journal: in the database that it declares, else in .ops."""
        from quartermaster.fleet.journal import Journal

        declared = self.declared.journal
        found = Journal.open(self.workspace.database) if declared is None else Journal.at(declared.reveal())
        if self.fleet.notify:
            from quartermaster.cli.notify_worker import nudge

            found.heard = lambda: nudge(self)
        return found

    @cached_property
    def leases(self) -> Leases:
        """Those that all share who share the stack's journal, or its state in S3; else this machine's."""
        from quartermaster.fleet.leases import Leases
        from quartermaster.fleet.leases_shared import SharedLeases
        from quartermaster.fleet.names import state_bucket

        if self.declared.journal is None and (table := state_bucket(self.declared.state)):
            return SharedLeases(self.cloud.client("dynamodb"), table, self.fleet.fleet)
        return Leases(self.journal.engine)

    def scope(self, *below: str) -> str:
        """A lease scope of this stack, e.g. ``scope("zone", "eu-west-1a")``."""
        return "/".join((self.stack, *below))

    def explain_interrupted(self, *kinds: str) -> None:
        """Say which runs of these kinds were cut short, and close them: what begins now mends what they left."""
        from quartermaster.cli.output import say

        rows = [row for kind in kinds for row in self.journal.runs(kind, stack=self.stack, states=("running",))]
        for row in rows:
            if row.interrupted:
                last = self.journal.last(row.id)
                where = f"at {last.event.title or last.event.step}" if last else "before its first step"
                say(f"{row.id} was cut short {where} (process {row.pid} is gone); mending what it left")
                self.journal.resume(row.id).finish("recovered")

    @contextmanager
    def run(self, kind: str, *, subject: str = "", scopes: list[str], resume: str = "") -> Iterator[tuple[Run, Lease]]:
        """A journalled run that holds its leases; failed in the journal when the block raises before it closed the run.

        One that was taken up again stays stopped then: what it left is there to be resumed or recovered still.
        """
        import sys

        run = self.journal.resume(resume) if resume else None
        run = run or self.journal.start(kind, stack=self.stack, subject=subject, inputs={"arguments": sys.argv[1:]})
        try:
            with self.leases.hold(scopes, run=run.id) as lease:
                yield run, lease
        except (Exception, KeyboardInterrupt) as error:
            if not run.finished:
                by_hand = isinstance(error, KeyboardInterrupt)
                stopped = by_hand or resume or getattr(error, "exit_code", 1) == 4
                run.finish("stopped" if stopped else "failed", {} if by_hand else {"error": str(error)})
            raise


_BEGUN: list[Session] = []
"""The session of this invocation, once somebody has asked for it."""


def session() -> Session:
    """The session of this invocation."""
    if not _BEGUN:
        _BEGUN.append(Session(options()))
    return _BEGUN[0]


def hang_up() -> None:
    """End what this invocation keeps open for its next step."""
    while _BEGUN:
        for machines in _BEGUN.pop().machines.values():
            machines.close()
