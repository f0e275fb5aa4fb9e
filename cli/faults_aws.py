"""Faults on aws: each an experiment of Fault Injection Service with an end, the stack's tags and stop conditions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.aws import asking
from quartermaster.fleet.errors import GuardRefused, OpsError
from quartermaster.fleet.names import ROLE_OF_EXPERIMENTS, TAG_FLEET, TAG_STACK, physical
from quartermaster.runbooks.experiments import MOST_STOPS, TAG_DRILL, Experiment, fail_over, lose_host, lose_zone

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.clock import Clock
    from quartermaster.fleet.schema import Fleet

__all__ = ["FisFaults", "stop_alarms"]

_BEFORE = ("pending", "initiating")
_UNDER_WAY = (*_BEFORE, "running", "stopping")
_POLL_SECONDS = 2.0
_PATIENCE_SECONDS = 300.0
"""FIS resolves targets and starts actions within seconds; it says of no figure."""
_ALARM_NAME = 255
_RIGHTS = "ops iam policy --for drill prints the rights it takes, ops provision up makes the role of experiments"


class FisFaults:
    """Starts, follows and stops experiments of one stack. ``stops`` reads the ARNs of the alarms that stop them."""

    def __init__(self, cloud: Cloud, account: str, stops: Callable[[], tuple[str, ...]], clock: Clock) -> None:
        self._fleet, self._stack = cloud.fleet, cloud.stack
        self._fis = cloud.client("fis")
        role = physical(cloud.fleet, cloud.stack, ROLE_OF_EXPERIMENTS)
        self._role = f"arn:aws:iam::{account}:role/{role}"
        self._stops = stops
        self._clock = clock
        self._lasting = ""
        """The experiment under way that nobody has stopped yet."""

    @classmethod
    def of(cls, ops: Session) -> FisFaults:
        """Those of the session's stack."""
        names = stop_alarms(ops.fleet, ops.stack)
        return cls(ops.cloud, ops.declared.account or "", lambda: _arns(ops.cloud, names), ops.clock)

    def unstoppable(self) -> str:
        """Why no alarm would stop an experiment; empty when some would. Read-only."""
        try:
            self._stops()
        except GuardRefused as exc:
            return exc.message
        return ""

    def kill_host(self, host_id: str) -> None:
        """Terminate the host, and see it done. Changes AWS."""
        self._whole(lose_host(self._fleet, self._stack, host_id))

    def fail_over(self, instance: str) -> None:
        """Order a database's standby to take over, and see it ordered. Changes AWS."""
        self._whole(fail_over(self._fleet, self._stack, instance))

    def fail_zone(self, zone: str) -> None:
        """Take the zone's power, for a time that AWS ends. Changes AWS."""
        experiment = lose_zone(self._fleet, self._stack, zone)
        self._lasting = self._started(experiment)
        self._follow(self._lasting, experiment.of, _BEFORE)

    def heal_zone(self, zone: str) -> None:
        """Stop the zone's experiment, so that FIS takes back what it did; nothing where none runs. Changes AWS."""
        of, self._lasting = f"zone/{zone}", ""
        for found in self._running(of):
            with asking("stop an experiment", remedy=_RIGHTS):
                self._fis.stop_experiment(id=found)
            self._follow(found, of, _UNDER_WAY, ends=("completed", "stopped"))

    def halted(self) -> str:
        """Why AWS ended the experiment before we stopped it; empty while it did not. Read-only."""
        if not self._lasting:
            return ""
        state = self._state(self._lasting)
        return "" if state["status"] in _UNDER_WAY else _said(self._lasting, state)

    def _whole(self, experiment: Experiment) -> None:
        """For faults that are over once they are done."""
        self._follow(self._started(experiment), experiment.of, (*_BEFORE, "running"), ends=("completed",))

    def _started(self, experiment: Experiment) -> str:
        """Its id: of the one under way where there is one, so that done twice is once. Raises GuardRefused."""
        experiment = experiment.stopped_by(self._stops())
        experiment.require()
        if running := self._running(experiment.of):
            return running[0]
        # botocore sends a call again when the answer is lost; the tokens make it the same call to FIS.
        with asking("make an experiment", remedy=_RIGHTS):
            made = self._fis.create_experiment_template(
                clientToken=str(uuid.uuid4()), **experiment.template(self._role)
            )
        template = made["experimentTemplate"]["id"]
        try:
            with asking("start an experiment", remedy=_RIGHTS):
                started = self._fis.start_experiment(
                    clientToken=str(uuid.uuid4()), experimentTemplateId=template, tags=experiment.tags
                )
        finally:
            # The experiment has what it needs of it: https://docs.aws.amazon.com/fis/latest/userguide/delete-template.html
            with asking("delete an experiment's template", remedy=_RIGHTS):
                self._fis.delete_experiment_template(id=template)
        return str(started["experiment"]["id"])

    def _running(self, of: str) -> list[str]:
        """Ids of the stack's experiments under way that are of this. Read-only."""
        wanted = {TAG_FLEET: self._fleet, TAG_STACK: self._stack, TAG_DRILL: of}
        with asking("list experiments", remedy=_RIGHTS):
            pages = list(self._fis.get_paginator("list_experiments").paginate())
        return [
            row["id"]
            for page in pages
            for row in page["experiments"]
            if row["state"]["status"] in _UNDER_WAY and wanted.items() <= row.get("tags", {}).items()
        ]

    def _follow(
        self, id_: str, of: str, awaited: Sequence[str], ends: Sequence[str] = ("running", "completed")
    ) -> None:
        """Wait while it is in one of those states. Raises OpsError unless it then is in one of ``ends``."""
        until = self._clock.now().timestamp() + _PATIENCE_SECONDS
        while True:
            state = self._state(id_)
            if state["status"] not in awaited:
                break
            if self._clock.now().timestamp() >= until:
                raise OpsError(
                    f"experiment {id_} ({of}) is {state['status']} after {_PATIENCE_SECONDS:.0f} s",
                    remedy=f"aws fis stop-experiment --id {id_}, then ops drill recover",
                )
            self._clock.sleep(_POLL_SECONDS)
        if state["status"] not in ends:
            raise OpsError(
                f"{_said(id_, state)} ({of})",
                remedy="a ringing alarm of the stack stops it: look at ops status; for rights: " + _RIGHTS,
            )

    def _state(self, id_: str) -> Mapping[str, Any]:
        with asking("follow an experiment", remedy=_RIGHTS):
            state: Mapping[str, Any] = self._fis.get_experiment(id=id_)["experiment"]["state"]
        return state


def _said(id_: str, state: Mapping[str, Any]) -> str:
    return f"experiment {id_} is {state['status']}: {state.get('reason', 'AWS says no reason')}"


def stop_alarms(fleet: Fleet, stack: str) -> tuple[str, ...]:
    """Names of the alarms that stop an experiment: users get errors, wait too long, or have gone. Pure.

    Not those on hosts that are ill: that is what a drill is for. FIS takes five: errors of every cluster go first.
    """
    from quartermaster.infra.alarms import alarms
    from quartermaster.infra.layout import layout

    shape = layout(fleet, stack)
    order = {"errors": 0, "latency": 1, "traffic": 2}
    told = [alarm for alarm in alarms(fleet, shape) if alarm.signal in order and not alarm.name.endswith("-traffic")]
    told.sort(key=lambda alarm: order[alarm.signal])
    return tuple(shape.name(alarm.name, limit=_ALARM_NAME) for alarm in told[:MOST_STOPS])


def _arns(cloud: Cloud, names: tuple[str, ...]) -> tuple[str, ...]:
    """ARNs of the alarms. Read-only. Raises GuardRefused where one is missing, or there is none to look for."""
    if not names:
        raise GuardRefused(
            "no fault may be made on AWS: the stack has no alarm on errors or latency that would stop it",
            remedy="give a cluster a balancer; its alarms come with it",
        )
    with asking("read alarms", remedy=_RIGHTS):
        found = cloud.client("cloudwatch").describe_alarms(AlarmNames=list(names))["MetricAlarms"]
    known = {alarm["AlarmName"]: str(alarm["AlarmArn"]) for alarm in found}
    if missing := [name for name in names if name not in known]:
        raise GuardRefused(
            f"no fault may be made on AWS: these alarms would stop it and are not there: {', '.join(missing)}",
            remedy="ops provision up",
        )
    return tuple(known[name] for name in names)
