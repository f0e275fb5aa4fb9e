"""Jobs in threads, one stream: taken before done, ended when nobody listens."""

from __future__ import annotations

import itertools
import threading
from functools import partial

import pytest

from quartermaster.fleet.events import Noted, StepFinished, StepStarted
from quartermaster.playbooks.together import AT_ONCE, Voice, together

ABOUT_TO = StepStarted(step="job")


def note(text: str) -> Noted:
    return Noted(step="job", message=text)


def test_a_started_step_is_taken_before_its_job_acts() -> None:
    acted = threading.Event()

    def job(voice: Voice) -> None:
        voice.say(ABOUT_TO)
        acted.set()

    events = together([job])
    next(events)
    assert not acted.wait(0.05)
    assert list(events) == [] and acted.is_set()


def test_a_step_that_only_reads_is_not_waited_for_and_told_before_the_act_that_follows() -> None:
    read, acted = threading.Event(), threading.Event()

    def job(voice: Voice) -> None:
        voice.say(StepStarted(step="look"), reads=True)
        read.set()
        voice.say(ABOUT_TO)
        acted.set()

    events = together([job])
    told = [next(events)]
    assert read.wait(120) and not acted.wait(0.05)
    assert [event.step for event in [*told, *events]] == ["look", "job"] and acted.is_set()


def test_what_waits_together_is_handed_over_together_before_any_of_it_acts() -> None:
    acted: list[str] = []
    first_taken, all_said = threading.Event(), threading.Barrier(3, timeout=120)

    def job(voice: Voice, name: str) -> None:
        first_taken.wait()
        voice.say(StepFinished(step="before", host=name))
        all_said.wait()
        voice.say(StepStarted(step="act", host=name))
        acted.append(name)

    def first(voice: Voice) -> None:
        voice.say(ABOUT_TO)

    events = together([first, partial(job, name="a"), partial(job, name="b")])
    assert not next(events).more
    first_taken.set()
    all_said.wait()
    waiting = [next(events)]
    while waiting[-1].more:
        assert acted == []
        waiting.append(next(events))
    rest = list(events)
    assert len(waiting) >= 2 and [event.more for event in waiting] == [True] * (len(waiting) - 1) + [False]
    for name in "ab":
        assert [event.step for event in [*waiting, *rest] if event.host == name] == ["before", "act"]


def test_jobs_end_without_acting_when_the_consumer_is_gone() -> None:
    acted: list[str] = []

    def job(voice: Voice) -> None:
        voice.say(ABOUT_TO)
        acted.append("done")

    events = together([job, job])
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert acted == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("job-")]


def test_a_job_s_error_comes_after_all_have_ended() -> None:
    def bad(voice: Voice) -> None:
        raise ValueError("broken")

    heard = []
    with pytest.raises(ValueError, match="broken"):
        for event in together([bad, lambda voice: voice.say(note("fine"))]):
            heard.append(event)
    assert heard == [note("fine")]


def test_no_more_threads_than_may_be_and_every_job_is_done() -> None:
    names: set[str] = set()
    done = []
    numbers = itertools.count()
    all_at_work = threading.Barrier(AT_ONCE, timeout=120)  # on a busy machine one thread might else do another's job

    def job(voice: Voice) -> None:
        names.add(threading.current_thread().name)
        if next(numbers) < AT_ONCE:
            all_at_work.wait()
        voice.wait(0.01)
        done.append(1)

    assert list(together([job] * (2 * AT_ONCE + 5))) == []
    assert (len(names), len(done)) == (AT_ONCE, 2 * AT_ONCE + 5)


def test_waiting_ends_when_the_consumer_is_gone() -> None:
    def job(voice: Voice) -> None:
        voice.say(ABOUT_TO)
        voice.wait(60)

    events = together([job])
    next(events)
    events.close()  # type: ignore[attr-defined]
