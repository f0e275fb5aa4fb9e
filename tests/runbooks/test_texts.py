"""What users read of a runbook of their own that cannot be followed, and of restores that cannot be: whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import OpsError
from quartermaster.runbooks.backups import Backups
from quartermaster.runbooks.document import parse
from quartermaster.runbooks.recovery_points import RecoveryPoint, choose
from tests.fleet.test_texts import Answering, denied

NO = "An error occurred (AccessDeniedException) when calling the Act operation: no"
NOON, NIGHT = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
LOOSE = """\
# A runbook

## 1. Look

- **Step:** `look`
- **Phase:** verify
- **Command:** `wait()`
- **Expected:** somebody looks
- **Time limit:** soon
- **Rollback:** `nothing()`
- **Colour:** red

## 3. Look again

- **Step:** `look`
- **Phase:** lunch
- **Command:** `wait()`
- **Expected:** `steady()`
- **Time limit:** 10 seconds
- **Rollback:** `nothing()`
"""


def step(number: int, name: str, phase: str) -> str:
    return (
        f"\n## {number}. Step\n\n- **Step:** `{name}`\n- **Phase:** {phase}\n- **Command:** `wait()`\n"
        "- **Expected:** `steady()`\n- **Time limit:** 10 seconds\n- **Rollback:** `nothing()`\n- **Owner:** ops\n"
    )


DISORDER = "---\nkind: mine\n---\n" + step(1, "look", "verify") + step(2, "look", "none") + step(3, "act", "act")


def point(kind: str, at: datetime, since: datetime | None = None) -> RecoveryPoint:
    return RecoveryPoint("orders-1", kind, at, since or at, "eu-west-1", 1, True, "", None, "available")


def backups(answer: Any) -> Backups:
    """Of a stack whose cloud answers so."""
    client = Answering(answer)
    faults = {
        name: type(name, (Exception,), {}) for name in ("DBSnapshotAlreadyExistsFault", "InvalidDBInstanceStateFault")
    }
    client.exceptions = SimpleNamespace(ClientError=ClientError, **faults)
    cloud: Any = SimpleNamespace(client=lambda *_, **__: client, fleet="shop", stack="dev", region="eu-west-1")
    return Backups(cloud, {"orders": "shop-dev-orders"}, SimpleNamespace(now=lambda: NOON))  # type: ignore[arg-type]


CASES: dict[str, tuple[Callable[[], object], str]] = {
    "a document that says nothing": (
        lambda: parse("---\nkind: mine\n---\n# Empty\n", file="mine.md"),
        "error: the runbook 'mine.md' cannot be followed\n"
        "  mine.md:1 steps: the document has no steps\n"
        "      → headings like '## 1. Title'; see documents/instance_loss.md.j2\n",
    ),
    "a loose document": (
        lambda: parse(LOOSE, file="mine.md"),
        "error: the runbook 'mine.md' cannot be followed\n"
        "  mine.md:1 kind: the document does not say its kind\n"
        "      → start it with ---, kind: …, ---\n"
        "  mine.md:3 step 1: 'Look' has no owner\n"
        "      → add '- **Owner:** …'; see documents/instance_loss.md.j2\n"
        "  mine.md:11 step 1: unknown label 'Colour'\n"
        "      → one of: Step, Phase, Command, Expected, Time limit, Rollback, Owner, By hand\n"
        "  mine.md:8 step 1: Expected: 'somebody looks' names no call\n"
        "      → such as `wait()`\n"
        "  mine.md:9 step 1: time limit 'soon' is none\n"
        "      → such as: 120 seconds\n"
        "  mine.md:13 step 3: step 3 stands at place 2\n"
        "      → number it 2\n"
        "  mine.md:13 step 3: 'Look again' has no owner\n"
        "      → add '- **Owner:** …'; see documents/instance_loss.md.j2\n"
        "  mine.md:16 step 3: unknown phase 'lunch'\n"
        "      → one of: detect, decide, act, converge, verify, none\n",
    ),
    "phases in disorder": (
        lambda: parse(DISORDER, file="mine.md"),
        "error: the runbook 'mine.md' cannot be followed\n"
        "  mine.md:15 look: two steps are called 'look'\n"
        "      → give each its own name\n"
        "  mine.md:25 act: phase act comes after verify\n"
        "      → keep the order of the phases\n"
        "  mine.md:25 act: a step without phase splits the recovery time\n"
        "      → move it\n",
    ),
    "nothing to restore from": (
        lambda: choose([], database="orders"),
        "error: orders has no recovery point\n  remedy: ops backup run orders\n",
    ),
    "an instant that is not covered": (
        lambda: choose([point("continuous", NOON, NIGHT)], to=datetime(2026, 1, 1, tzinfo=UTC), database="orders"),
        "error: orders cannot be restored to 2026-01-01 00:00:00 UTC\n"
        "  remedy: 2026-02-01 00:00:00 to 2026-03-01 12:00:00 UTC\n",
    ),
    "an instant of snapshots alone": (
        lambda: choose([point("manual snapshot", NOON)], to=NIGHT, database="orders"),
        "error: orders cannot be restored to 2026-02-01 00:00:00 UTC\n  remedy: it has no continuous backup\n",
    ),
    "a snapshot without rights": (
        lambda: backups(denied()).take("orders", "orders-1"),
        f"error: no snapshot of orders: {NO}\n  remedy: ops status: is it available?\n",
    ),
    "a removal without rights": (
        lambda: backups(denied())._deleted("shop-dev-orders-restored"),
        f"error: shop-dev-orders-restored cannot be deleted: {NO}\n  remedy: your rights, or delete it by hand\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str) -> None:
    cause, text = CASES[case]
    with pytest.raises(OpsError) as told:
        cause()
    assert render(told.value) == text
