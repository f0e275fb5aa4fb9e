"""The drill ``tabletop``: people sit at a table and answer what they would do; what they did not know is the finding.

Nothing is touched. The questions come from the fleet, one scope of loss after the other; answers, the time each took
and how it compares with what the fleet says stay in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from quartermaster.fleet.errors import MissingPart
from quartermaster.fleet.events import Json
from quartermaster.fleet.schema import Fleet, Objective
from quartermaster.runbooks.acts import Command, Done, Hands
from quartermaster.runbooks.case import Case, Loss
from quartermaster.runbooks.kind import Kind, Meter
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import Probe, Reading, World
from quartermaster.runbooks.scene import Subjects

__all__ = ["KIND", "Question", "questions"]

_LIMIT_SECONDS = 300
"""For one answer: who does not know by then finds out, and that is the answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the table."""

    id: str
    title: str
    ask: str
    known: str
    """What the fleet says, shown after the answer; empty where only people know."""


def questions(fleet: Fleet, of: str) -> tuple[Question, ...]:
    """What to ask about the cluster, the database or the whole fleet, for each scope with an objective. Pure."""
    whole = of == fleet.fleet
    names = (tuple(fleet.recovery.objectives) or (*fleet.clusters, *fleet.databases)) if whole else (of,)
    found = [_called(fleet, of), _document(fleet, of)]
    for name in names:
        asked = _losses(fleet, name)
        found += (
            [replace(one, id=f"{name}_{one.id}", title=f"{name}: {one.title}") for one in asked] if whole else asked
        )
    return (*found, Question("change", "What would you change?", "What in runbook, alarms or fleet do you change?", ""))


def _losses(fleet: Fleet, of: str) -> Iterator[Question]:
    objectives = fleet.recovery.objectives.get(of)
    for scope, asked in (("zone", _zone), ("data_loss", _data_loss), ("region", _region)):
        objective = getattr(objectives, scope, None)
        if objective is not None or (scope == "zone" and objectives is None):
            yield from asked(fleet, of, objective)


def _called(fleet: Fleet, of: str) -> Question:
    # As infra/notices.py subscribes them: an address that fleet.yaml only names would stand in the state.
    woken = [
        item.kind
        for item in fleet.notify
        if item.kind == "sns" or (item.kind == "webhook" and item.url is not None and not item.url.name)
    ]
    by_alarms = " and ".join(woken) or "nobody: fleet.yaml subscribes no one to the stack's topic `notices`"
    by_ops = ", ".join(item.kind for item in fleet.notify) or "nobody: fleet.yaml has no `notify`"
    return Question(
        "called",
        "Who is called?",
        f"It is 3 at night and {of} fails. Who is called, by what, and who if that one does not answer?",
        f"alarms wake {by_alarms}; of its own runs `ops` tells {by_ops}",
    )


def _document(fleet: Fleet, of: str) -> Question:
    walked = {"cluster": "zone_outage", "database": "restore"}
    kind = walked["cluster" if of in fleet.clusters else "database"]
    shown = "`ops runbook list` names them, `ops runbook run KIND NAME` walks one"
    if of != fleet.fleet:
        shown = f"`ops runbook run {kind} {of}` walks it; `ops runbook render {kind} {of} --html` prints it"
    return Question(
        "document",
        "Where is the runbook?",
        "Where does that person find what to do, when this machine and the chat are down, too?",
        shown,
    )


def _zone(fleet: Fleet, of: str, objective: Objective | None) -> Iterator[Question]:
    yield Question(
        "zone_alarm",
        "A zone is lost: what tells you?",
        f"A zone is cut off. Which alarm about {of} fires first, and after how many minutes?",
        _first_alarm(fleet, of),
    )
    yield Question(
        "zone_left", "A zone is lost: what is left?", f"What of {of} is left, and is it enough?", _left(fleet, of)
    )
    yield Question(
        "zone_command",
        "A zone is lost: what do you type?",
        f"Who has to type what until {of} serves again, and when do you know that it does?",
        f"nothing, where all is well: {_by_itself(fleet, of)}; `ops status` shows it{_within(objective)}",
    )


def _data_loss(fleet: Fleet, of: str, objective: Objective | None) -> Iterator[Question]:
    yield Question(
        "loss_age",
        "Data is gone: how much?",
        f"Somebody has deleted half of {of}. Back to which instant do you go, and what is lost by it?",
        f"to the second before it; since then {_lost(objective)} may be lost",
    )
    yield Question(
        "loss_command",
        "Data is gone: what do you type?",
        f"Which command restores {of}, where to, and who checks the data before users see it?",
        f"`ops runbook run restore {of}`: into isolation, and then `ops backup restore {of} --over-original`; "
        f"checked by {len(fleet.recovery.checks.get(of, ()))} queries of `recovery.checks`{_within(objective)}",
    )


def _region(fleet: Fleet, of: str, objective: Objective | None) -> Iterator[Question]:
    yield Question(
        "region_decide",
        "The region is lost: who decides?",
        f"{fleet.region} has been down for twenty minutes. Who decides to leave it, and until when?",
        f"whoever does has{_within(objective).removeprefix(':') or ' no objective to go by'}",
    )
    yield Question(
        "region_command",
        "The region is lost: what do you type?",
        f"What of {of} waits elsewhere, which command brings it up, and how do users get there?",
        f"{fleet.recovery_region or 'no recovery_region is declared'}; "
        f"`ops runbook run region_failover {of}`; at most {_lost(objective)} may be lost",
    )


def _first_alarm(fleet: Fleet, of: str) -> str:
    """After infra/alarms.py: shares of failed requests are read every five minutes, silent databases for fifteen."""
    users = [of] if of in fleet.clusters else [name for name, cluster in fleet.clusters.items() if of in cluster.uses]
    errors = [f"{name}-errors" for name in users if fleet.balancer_of(name) is not None]
    first = f"{' or '.join(errors)} (more than {fleet.alarms.error_percent:g} % answered with a 5xx) within 5 minutes"
    own = f"{of}-unhealthy after 5 minutes" if of in fleet.clusters else f"{of}-cpu after 15 minutes without a reading"
    return f"{first}, then {own}" if errors else own


def _left(fleet: Fleet, of: str) -> str:
    if cluster := fleet.clusters.get(of):
        left = cluster.size.min * (fleet.zones - 1) // fleet.zones
        survive = fleet.capacity_of(of).survive
        return (
            f"{left} of {cluster.size.min} hosts at least, in {fleet.zones - 1} of {fleet.zones} zones; the plan lets "
            f"them work at {survive.at_utilisation:.0%} with {survive.zones} of them lost (`ops capacity plan`)"
        )
    database = fleet.databases[of]
    if database.engine == "dynamodb":
        return "all of it: a table is in every zone"
    return "the standby in another zone" if database.standby else "nothing: it has no standby"


def _by_itself(fleet: Fleet, of: str) -> str:
    if of in fleet.clusters:
        return "the balancer takes the hosts out, the group launches others"
    database = fleet.databases[of]
    if database.engine == "dynamodb" or database.standby:
        return "the standby takes over" if database.engine != "dynamodb" else "a table goes on"
    return f"but {of} has no standby, so `ops runbook run restore {of}`"


def _within(objective: Objective | None) -> str:
    return f": within {objective.rto.total_seconds() / 60:g} minutes" if objective else ""


def _lost(objective: Objective | None) -> str:
    if objective is None or objective.rpo is None:
        return "nobody has said how much"
    return f"{objective.rpo.total_seconds() / 60:g} minutes"


def _choose(case: Case) -> Loss:
    asked = questions(case.fleet, case.of)
    return Loss(
        what="nothing: people talk",
        why=f"{len(asked)} questions about {case.of}, from fleet.yaml",
        runner_up="none: a table-top has no choice",
        names={"questions": [asdict(question) for question in asked]},
    )


def _ask(hands: Hands, plan: DrillPlan, question: str) -> Done:
    if hands.table is None:
        raise MissingPart("nobody sits at the table", remedy="run it in a terminal, or give --answers FILE")
    asked = next(item for item in plan.loss.names["questions"] if item["id"] == question)
    hands.table.ask(asked, _LIMIT_SECONDS)
    return True


def _answered(world: World, question: str) -> Reading:
    answer = next((item for item in world.measured.get("answers", ()) if item["id"] == question), None)
    return Reading(answer is not None, f"answered: {answer['answer']}" if answer else "no answer yet")


class _Minutes(Meter):
    """The answers given so far, and by whom."""

    def __init__(self, hands: Hands) -> None:
        self._table = hands.table

    def read(self) -> Mapping[str, Json]:
        if self._table is None:
            return {}
        return {
            "people": list(self._table.people),
            "answers": [{"id": name, **answer} for name, answer in self._table.answers.items()],
        }


_SAMPLE = Question("called", "Who is called?", "Who is called, and by what?", "nobody")

KIND = Kind(
    name="tabletop",
    of=("cluster", "database", "fleet"),
    scope="",
    limits={"answer": _LIMIT_SECONDS},
    names={"questions": [asdict(_SAMPLE)]},
    choose=_choose,
    commands={"ask": Command(_ask, ("question",))},
    probes={"answered": Probe(_answered, ("question",), "the table has answered the question")},
    subjects=lambda _fleet, _of: Subjects(),
    measure=lambda _plan, hands: _Minutes(hands),
    ends_on_aws="people talk: nothing on AWS is touched",
)
