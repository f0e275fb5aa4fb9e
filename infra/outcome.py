"""What an operation did or would do: changes, cost, policy, as one value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi.automation.events import EngineEvent

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.events import Event, Json, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.infra.changes import ACTS, Change, act_of, change_of, resource_of
from quartermaster.infra.data_loss import losses
from quartermaster.infra.resources import Resource, name_of, title_of

__all__ = ["Outcome", "Watcher"]

_DOING = {
    "create": "Create", "create-replacement": "Replace", "delete": "Delete", "delete-replaced": "Delete replaced",
    "import": "Import", "update": "Update", "refresh": "Read",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a preview, an `up` or a destroy."""

    changes: Mapping[str, int]
    """create, update, replace, delete, same: counts of the cloud's resources."""
    seconds: float
    cost_per_month: Mapping[str, Json] = field(default_factory=dict)
    policy: Sequence[Mapping[str, Json]] = ()
    kept: Sequence[str] = ()
    """URNs that destroy left because they are protected."""
    resources: Sequence[Resource] = ()
    """What the stack holds afterwards."""
    steps: Sequence[Change] = ()
    """What is done to each resource and component."""

    @property
    def blocked(self) -> Sequence[Mapping[str, Json]]:
        """Findings that forbid `up`; what is waived forbids nothing."""
        return [item for item in self.policy if item["severity"] == "mandatory" and not item.get("waived")]

    def refuse_blocked(self) -> None:
        """Raise GuardRefused when policy forbids what is planned."""
        if self.blocked:
            found = [(item["rule"], str(item["resource"]).rsplit("::", 1)[-1], item["reason"]) for item in self.blocked]
            lines = [f"{rule}: {resource}: {reason}" for rule, resource, reason in found]
            remedy = "; ".join(dict.fromkeys(str(item["remedy"]) for item in self.blocked))
            raise GuardRefused("policy forbids it:\n" + "\n".join(lines), remedy=remedy)

    def to_json(self, *, everything: bool = False) -> dict[str, Json]:
        """The JSON document of the contract; under ``resources`` what changes, or with ``everything`` all."""
        shown = [step for step in self.steps if step.custom and (everything or step.act != "same")]
        return {
            "changes": dict(self.changes),
            "cost_per_month": dict(self.cost_per_month),
            "policy": [dict(item) for item in self.policy],
            "kept": list(self.kept),
            "seconds": round(self.seconds, 2),
            "resources": [step.to_json() for step in shown],
            "data_loss": [loss.to_json() for loss in losses(self.steps)],
        }


class Watcher:
    """Turns the engine's events into ours, and keeps count."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._started: dict[str, float] = {}
        self._reading: set[str] = set()
        self.before: dict[str, Resource] = {}
        self.after: dict[str, Resource] = {}
        self._steps: dict[str, Change] = {}
        self.errors: list[str] = []

    @property
    def changes(self) -> dict[str, int]:
        """Counts by kind."""
        return {act: self._counts[act] for act in ACTS}

    @property
    def steps(self) -> tuple[Change, ...]:
        """What is done to each resource and component, by URN: the engine's own order differs from run to run."""
        return tuple(self._steps[urn] for urn in sorted(self._steps))

    def planned(self, events: Iterable[EngineEvent]) -> None:
        """Take in the events of a preview: what would be done."""
        for event in events:
            if event.resource_pre_event is not None:
                self._resources(event.resource_pre_event.metadata)
                self._count(event.resource_pre_event.metadata)
            self._diagnose(event)

    def watched(self, events: Iterable[EngineEvent]) -> Iterator[Event]:
        """Pass on the events of an operation as steps, one a resource; what stays the same makes no noise."""
        for event in events:
            if (pre := event.resource_pre_event) is not None:
                self._resources(pre.metadata)
                if pre.metadata.op == "refresh":
                    self._reading.add(pre.metadata.urn)
                if _is_ours(pre.metadata) and pre.metadata.op in _DOING:
                    self._started[pre.metadata.urn] = event.timestamp
                    yield StepStarted(step=_step(pre.metadata), title=_title(pre.metadata))
            elif (done := event.res_outputs_event) is not None:
                if done.metadata.urn not in self._reading:
                    self._count(done.metadata)
                if _is_ours(done.metadata) and done.metadata.op in _DOING:
                    yield StepFinished(
                        step=_step(done.metadata),
                        title=_title(done.metadata),
                        seconds=max(
                            0.0, float(event.timestamp - self._started.get(done.metadata.urn, event.timestamp))
                        ),
                    )
            elif (failed := event.res_op_failed_event) is not None:
                yield StepFailed(
                    step=_step(failed.metadata),
                    title=_title(failed.metadata),
                    error=self.errors[-1] if self.errors else "failed",
                )
            elif (note := self._diagnose(event)) is not None:
                yield note

    def _resources(self, metadata: Any) -> None:
        if (change := change_of(metadata)) is not None:
            self._steps[change.urn] = change
        if not _is_ours(metadata):
            return
        if metadata.old is not None and not metadata.old.delete:
            self.before[metadata.urn] = resource_of(metadata.old)
        if metadata.new is not None and metadata.op not in ("delete", "delete-replaced"):
            self.after[metadata.urn] = resource_of(metadata.new)

    def _count(self, metadata: Any) -> None:
        if _is_ours(metadata) and (act := act_of(metadata)):
            self._counts[act] += 1

    def _diagnose(self, event: EngineEvent) -> Noted | None:
        said = event.diagnostic_event
        if said is None or said.ephemeral or not said.message.strip():
            return None
        message = _plain(said.message)
        if said.severity == "error":
            name = name_of(said.urn or "")
            self.errors.append(f"{name}: {message}" if name else message)
            return Noted(step="provision", message=self.errors[-1], level="warning")
        if said.severity == "warning":
            return Noted(step="provision", message=message, level="warning")
        return None


def _is_ours(metadata: Any) -> bool:
    state = metadata.new or metadata.old
    return bool(state is not None and state.custom and not metadata.type.startswith("pulumi:"))


def _step(metadata: Any) -> str:
    return f"{metadata.op.value}:{metadata.urn}"


def _title(metadata: Any) -> str:
    return f"{_DOING.get(metadata.op, metadata.op.value)} {title_of(metadata.urn)}"


def _plain(text: str) -> str:
    """Without the engine's colour marks."""
    while "<{%" in text and "%}>" in text:
        head, _, rest = text.partition("<{%")
        text = head + rest.partition("%}>")[2]
    return text.strip()
