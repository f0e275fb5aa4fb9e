"""Jobs in threads, one stream: taken before done, ended when nobody listens."""

from __future__ import annotations

import itertools
import threading

import pytest

from quartermaster.fleet.events import Noted
from quartermaster.playbooks.together import AT_ONCE, Voice, together


def note(text: str) -> Noted:
    return Noted(step="job", message=text)


def test_an_event_is_taken_before_its_job_goes_on() -> None:
    acted = threading.Event()

    def job(voice: Voice) -> None:
        voice.say(note("about to"))
        acted.set()

    events = together([job])
    next(events)
    assert not acted.wait(0.05)
    assert list(events) == [] and acted.is_set()


def test_jobs_end_without_acting_when_the_consumer_is_gone() -> None:
    acted: list[str] = []

    def job(voice: Voice) -> None:
        voice.say(note("about to"))
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
        voice.say(note("waiting"))
        voice.wait(60)

    events = together([job])
    next(events)
    events.close()  # type: ignore[attr-defined]
