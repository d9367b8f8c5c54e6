"""Time words of Jobs, and what becomes of a Job at an instant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from greensched.controller.job import quantity, read_job
from greensched.controller.learning import next_run_ms
from greensched.controller.policy import conflicts, policy_of, read_policy
from greensched.controller.reconcile import Standing, assess
from greensched.controller.terms import Defaults, TermsError, resumed_by_ms, span_ms, terms_of
from greensched.providers.points import instant_ms, utc
from greensched.units import MS_PER_H, MS_PER_MIN
from tests.controller.cases import START_MS, job_body, policy_body

if TYPE_CHECKING:
    from greensched.controller.job import Job

CREATED = utc(START_MS)


def made(name: str = "one", *, suspend: bool = True, **notes: Any) -> Job:
    """Return a Job created at the start."""
    body = job_body(name, suspend=suspend, **notes)
    meta = {"uid": "u", "namespace": "jobs", "resourceVersion": "1", "creationTimestamp": CREATED}
    return read_job({**body, "metadata": {**body["metadata"], **meta}})


def policy(name: str = "default", **spec: Any) -> Any:
    """Return a policy as it is read."""
    body = policy_body(name, **spec)
    return read_policy({**body, "metadata": {"name": name, "uid": name, "generation": 1}})


@pytest.mark.parametrize(
    ("text", "ms"),
    [("12h", 12 * MS_PER_H), ("1h30m", 90 * MS_PER_MIN), ("2d", 48 * MS_PER_H), ("45s", 45_000)],
)
def test_spans(text: str, ms: int) -> None:
    """A span is days, hours, minutes and seconds, each with its unit."""
    assert ms == span_ms(text)


@pytest.mark.parametrize("text", ["", "12", "h", "0h", "-1h", "1.5h", "1h 30m", "9999d", "soon"])
def test_what_is_no_span(text: str) -> None:
    """A number without unit, nothing, or more than a year is refused and not guessed."""
    with pytest.raises(ValueError, match="is no span"):
        span_ms(text)


@pytest.mark.parametrize(("text", "cores"), [("2", 2.0), ("500m", 0.5), ("1.5", 1.5), (3, 3.0)])
def test_quantities(text: object, cores: float) -> None:
    """Requests are read as Kubernetes writes them."""
    assert cores == quantity(text)


def test_latest_start_is_the_earlier_of_two() -> None:
    """It is min(created + max-delay, deadline - D - margin), the margin a tenth of D."""
    by_delay = made(max_delay="3h", duration="2h")
    assert START_MS + 3 * MS_PER_H == terms_of(by_delay, Defaults()).latest_start_ms
    deadline = utc(START_MS + 5 * MS_PER_H)
    by_both = made(max_delay="3h", duration="2h", deadline=deadline)
    expected = START_MS + 5 * MS_PER_H - 2 * MS_PER_H - 12 * MS_PER_MIN
    assert expected == terms_of(by_both, Defaults()).latest_start_ms


def test_an_announced_start_moves_earlier_only() -> None:
    """A new estimate never moves the latest start later; an edit of the user does."""
    said = "deadline=2026-03-10T08:00:00Z"
    notes: dict[str, Any] = {
        "deadline": "2026-03-10T08:00:00Z",
        "latest_start": "2026-03-10T05:00:00Z",
        "terms": said,
    }
    short = Defaults(duration_ms=MS_PER_H)
    announced_ms = instant_ms("2026-03-10T05:00:00Z")
    assert announced_ms == terms_of(made(**notes), short).latest_start_ms
    later = made(**{**notes, "deadline": "2026-03-10T09:00:00Z"})
    assert announced_ms < terms_of(later, short).latest_start_ms
    longer = Defaults(duration_ms=5 * MS_PER_H)
    assert announced_ms > terms_of(made(**notes), longer).latest_start_ms


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Every annotation that cannot be followed is named."""
    job = made(max_delay="soon", deadline="tomorrow", interruptible="maybe")
    with pytest.raises(TermsError) as error:
        terms_of(job, Defaults())
    assert all(w in str(error.value) for w in ("max-delay", "deadline", "interruptible"))
    with pytest.raises(TermsError, match="nothing says by when"):
        terms_of(made(), Defaults())


def test_a_cron_job_waits_until_its_next_run_at_most() -> None:
    """The wait of a CronJob's Job ends D before the next run; a deadline is of no use to it."""
    owner = ("CronJob", "nightly")
    job = replace(made(max_delay="12h", duration="1h", deadline=CREATED), owner=owner)
    next_ms = next_run_ms("0 */4 * * *", "UTC", START_MS)
    found = terms_of(job, Defaults(next_run_ms=next_ms))
    assert instant_ms("2026-03-10T00:00:00Z") == next_ms
    assert next_ms - MS_PER_H == found.latest_start_ms
    assert "ignored" in found.remarks[0]


def test_work_since_the_last_checkpoint_is_done_again() -> None:
    """Of a run of 50 minutes at checkpoints of 20 only 40 count for what is left."""
    first = START_MS, START_MS + 50 * MS_PER_MIN
    job = made(
        max_delay="6h",
        duration="2h",
        interruptible="true",
        checkpoint_interval="20m",
        runs=f"{utc(first[0])}/{utc(first[1])}",
    )
    found = terms_of(job, Defaults())
    assert 80 * MS_PER_MIN == found.left_ms
    end_ms = START_MS + 8 * MS_PER_H  # as an unbroken run from the latest start would end
    overhead_ms, margin_ms = 2 * MS_PER_MIN, 8 * MS_PER_MIN
    assert end_ms - 80 * MS_PER_MIN - overhead_ms - margin_ms == found.latest_start_ms
    assert resumed_by_ms(found, (first,), 20 * MS_PER_MIN) == found.latest_start_ms


def _standing(job: Job, now_ms: int = START_MS, phase: str = "", **spec: Any) -> tuple[str, str]:
    one = policy(**spec)
    found = assess(
        job,
        phase=phase,
        policy=one,
        no_policy="",
        defaults=Defaults(max_delay_ms=one.spec.defaults.max_delay),
        now_ms=now_ms,
    )
    return found.standing.value, found.why


def test_a_job_waits_until_its_latest_start_to_the_millisecond() -> None:
    """One millisecond before the latest start it waits, then it has to run."""
    job = made(max_delay="2h")
    at_ms = START_MS + 2 * MS_PER_H
    assert "waiting" == _standing(job, at_ms - 1)[0]
    assert "release" == _standing(job, at_ms)[0]


@pytest.mark.parametrize(
    ("notes", "standing"),
    [
        ({"run_now": "true"}, "release"),
        ({"run_now": "yes"}, "release"),
        ({"hold_until": utc(START_MS + 1_000)}, "held"),
        ({"hold_until": utc(START_MS)}, "waiting"),
        ({"hold_until": "later"}, "release"),
        ({"hold_until": utc(START_MS + 1_000), "run_now": "true"}, "release"),
        ({"max_delay": "soon"}, "release"),
        ({"released_at": CREATED}, "held"),
    ],
)
def test_what_people_ask_for(notes: dict[str, Any], standing: str) -> None:
    """run-now and words that cannot be read let run, hold-until and a suspension hold."""
    assert standing == _standing(made(**notes))[0]


def test_a_human_who_lets_run_wins() -> None:
    """A Job that runs without our mark is left alone, also once it is suspended again."""
    running = made(suspend=False, latest_start=CREATED)
    assert Standing.OVERRIDDEN.value == _standing(running)[0]
    assert Standing.HELD.value == _standing(made(), phase="Overridden")[0]
    ours = made(suspend=False, released_at=CREATED)
    assert Standing.RUNNING.value == _standing(ours)[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"managed_by": "example.org/other"}, "example.org/other"),
        ({"owner": ("JobSet", "set")}, "JobSet set"),
        ({"is_queued_elsewhere": True}, "Kueue"),
    ],
)
def test_others_jobs_are_left_to_them(change: dict[str, Any], words: str) -> None:
    """A Job that somebody else suspends is not ours, and its owner is told who does."""
    standing, why = _standing(replace(made(max_delay="1m"), **change), START_MS + MS_PER_H)
    assert ("foreign", True) == (standing, words in why)
    assert "waiting" == _standing(replace(made(), owner=("CronJob", "nightly")))[0]


def test_pause_defers_nothing_new() -> None:
    """Under a paused policy a new Job runs, and one that waits goes on waiting."""
    assert "release" == _standing(made(), paused=True)[0]
    assert "waiting" == _standing(made(), phase="Waiting", paused=True)[0]


def test_an_odd_job_is_read() -> None:
    """Null lists, null parts and fields of a newer server sink no list."""
    body = {
        "metadata": {"name": "odd", "uid": "u", "labels": None, "ownerReferences": None},
        "spec": {"suspend": None, "parallelism": None, "template": {"spec": {"containers": None}}},
        "status": {"conditions": None, "startTime": "yesterday", "news": [1]},
    }
    job = read_job(body)
    assert (False, 1, 0, None) == (job.is_suspended, job.pods, job.cpu_m, job.started_ms)


def test_policies_that_overlap_defer_nothing() -> None:
    """Two policies of one namespace are in conflict, and neither holds there."""
    every = [policy("a", namespaces=["x", "y"]), policy("b", namespaces=["y"])]
    assert {"a": "b", "b": "a"} == conflicts(every)
    assert "a" == policy_of(every, "x")[0].name  # type: ignore[union-attr]
    found, why = policy_of(every, "y")
    assert found is None
    assert "several policies cover the namespace y: a, b" == why


def test_a_policy_that_is_wrong_says_where() -> None:
    """A field that does not exist, or a value that cannot be, is told with its place."""
    assert "spec.zones" in policy(zones="DE").problem
    assert "spec.defaults.maxDelay" in policy(defaults={"maxDelay": "late"}).problem
