"""How a document's steps make one drill: where the fault is made, what may have been touched, when all is as before.

A document may name at its head, under ``whole``, the step whose probe says that all is as before; without that it is
the one of phase verify. Documents whose fault must be ended after that, as a zone that is cut off, name a later one.
"""

from __future__ import annotations

from dataclasses import dataclass

from quartermaster.runbooks.document import Call, Document, Step

__all__ = ["Course"]


@dataclass(frozen=True, slots=True)
class Course:
    """The steps of a document, as the engine needs them."""

    document: Document

    @property
    def fault(self) -> str:
        """Name of the step that makes the fault: the first one with a phase. Empty where none has."""
        return next((step.name for step in self.document.steps if step.phase), "")

    @property
    def whole(self) -> Call:
        """The probe that says that all is as before."""
        return self._end.expected

    @property
    def closing(self) -> tuple[str, ...]:
        """Names of the step with that probe and of those after it."""
        steps = self.document.steps
        return tuple(step.name for step in steps[steps.index(self._end) :])

    @property
    def heal_seconds(self) -> float:
        """How long healing may take: as long as all steps from the fault until all is as before."""
        names = [step.name for step in self.document.steps]
        begin = names.index(self.fault) if self.fault else 0
        return sum(step.limit_seconds for step in self.document.steps[begin : names.index(self._end.name) + 1])

    def touches(self, name: str) -> bool:
        """Whether that step does what must be taken back; False for a step that the document has not."""
        return any(step.name == name and step.rollback.name != "nothing" for step in self.document.steps)

    @property
    def _end(self) -> Step:
        named = self.document.head.get("whole")
        if named:
            return self.document.step(named)
        verify = [step for step in self.document.steps if step.phase == "verify"]
        return (verify or self.document.steps)[-1]
