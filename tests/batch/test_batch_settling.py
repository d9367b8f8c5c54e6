"""Settlements: by actuals, by the forecast after 72 h, corrected; and their entries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from greensched.batch.job import FINISHED, WAITING
from greensched.batch.queue import Queue
from greensched.batch.settling import GIVEN_UP_MS, PATIENCE_MS, settle_all
from greensched.batch.sources import answer_of
from greensched.ledger import default_ledger, init_ledger, verifier_key, verify
from greensched.ledger.text import export_text
from tests.batch.cases import CLEAN, DIRTY, MS, Place, now_ms
from tests.test_cli import call

if TYPE_CHECKING:
    from greensched.ledger import Made

KWH_W = 3_600_000.0  # power at which a second takes a kWh
LATER_MS = PATIENCE_MS + 60 * MS


def ledger(kind: str = "operated") -> Made:
    """Make the user's ledger."""
    return init_ledger(default_ledger(), "example.org/laptop", kind)


def records(kind: str = "settlement") -> list[dict[str, Any]]:
    """Return the settlements in the user's ledger, in order."""
    rows = json.loads("".join(export_text(default_ledger())))["records"]
    return [row for row in rows if row["type"] == kind]


def ended(place: Place, *, begins_s: int, length_s: int = 2) -> int:
    """Return a job that ran some seconds after its creation, a minute ago."""
    number = place.submit("true", max_delay_s=30, duration_s=length_s)
    with place.queue() as queue:
        job = queue.job(number)
        begin_ms = job.created_ms + begins_s * MS
        queue.begin(job, begin_ms)
        queue.stop(number, begin_ms + length_s * MS)
        end_ms = begin_ms + length_s * MS
        values: dict[str, Any] = {
            "state": FINISHED,
            "power_w": KWH_W,
            "ended_ms": end_ms,
            "exit_code": 0,
        }
        queue.change(number, states=(WAITING,), started_ms=begin_ms, **values)
    return number


def settled(place: Place, number: int) -> dict[str, Any]:
    """Return the settlement of a job, empty where there is none."""
    text = place.job(number).settled
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def forget_source(place: Place) -> None:
    """Let the queue's source know nothing any more."""
    (place.root / "intensity.csv").rename(place.root / "gone.csv")


def settle(place: Place, ahead_ms: int = 60 * MS) -> list[int]:
    """Settle as so much later than now."""
    with place.queue() as queue:
        return settle_all(queue, now_ms() + ahead_ms)


def test_after_72_hours_by_the_forecast_and_then_corrected(place: Place) -> None:
    """Without actuals its forecast settles a job after 72 h, flagged, until a correction."""
    made = ledger()
    place.intensity([(10, 20)])
    with place.queue() as queue:
        queue.set(source_settings={"signal": "marginal"})
    number = ended(place, begins_s=12)
    forget_source(place)
    assert [] == settle(place)
    assert [] == settle(place, PATIENCE_MS)  # since its end, which is 14 s from now
    assert [number] == settle(place, LATER_MS)
    assert [] == settle(place, LATER_MS)
    found = settled(place, number)
    assert (2 * CLEAN * MS, 2 * DIRTY * MS) == (found["actual_mg"], found["counterfactual_mg"])
    intensity = found["intensity"]
    told = tuple(intensity[name] for name in ("status", "signal", "source", "synthetic"))
    assert ("forecast", "marginal", "intensity.csv", False) == told
    assert not place.job(number).is_final
    (place.root / "gone.csv").rename(place.root / "intensity.csv")
    assert [number] == settle(place, LATER_MS)
    assert "actual" == settled(place, number)["intensity"]["status"]
    first, second = records()
    assert (f"{first['key']}/actual", first["key"]) == (second["key"], second["supersedes"])
    assert second["key"] == place.job(number).entry
    assert "supersedes" not in first
    assert [] == settle(place, LATER_MS)
    assert 3 == verify(made.ledger, verifier_key(made.verifier_key)).checkpoint.checkpoint.size
    row = json.loads(call("batch", "savings", "-o", "json").stdout)[0]
    assert (0.6, second["key"]) == (row["saved_g"] / 1_000, row["entry"])


def test_a_forecast_that_does_not_reach_settles_nothing(place: Place) -> None:
    """A job that ran on beyond all that was foretold waits for actuals."""
    place.intensity([(10, 20)])
    number = ended(place, begins_s=12, length_s=5_000)
    forget_source(place)
    assert [] == settle(place, LATER_MS + 5_000 * MS)
    assert "1 more wait for actual intensity\n" in call("batch", "savings").stdout
    assert {} == settled(place, number)


@pytest.mark.parametrize(("ahead_ms", "is_settled"), [(-60 * MS, True), (60 * MS, False)])
def test_actuals_that_come_too_late(place: Place, ahead_ms: int, is_settled: bool) -> None:
    """After thirty days nobody asks for actual intensity any more."""
    place.intensity([(10, 20)])
    number = ended(place, begins_s=12)
    assert ([number] if is_settled else []) == settle(place, GIVEN_UP_MS + ahead_ms)


def test_settled_before_there_was_a_ledger(place: Place) -> None:
    """What was settled while there was no ledger is entered once there is one, and once only."""
    place.intensity([(10, 20)])
    numbers = [ended(place, begins_s=12) for _ in range(3)]
    assert numbers == settle(place)
    assert [""] * 3 == [place.job(n).entry for n in numbers]
    assert "in no ledger: `greensched ledger init` makes one" in call("batch", "show", "1").stdout
    ledger()
    assert [] == settle(place)
    assert [place.job(n).entry for n in numbers] == [row["key"] for row in records()]
    assert [] == settle(place)
    assert 3 == len(records())


def test_a_correction_of_what_was_never_entered(place: Place) -> None:
    """What was settled twice before there was a ledger has one entry, that by actuals."""
    place.intensity([(10, 20)])
    number = ended(place, begins_s=12)
    forget_source(place)
    assert [number] == settle(place, LATER_MS)
    (place.root / "gone.csv").rename(place.root / "intensity.csv")
    assert [number] == settle(place, LATER_MS)
    ledger()
    settle(place, LATER_MS)
    (record,) = records()
    assert ("actual", False) == (record["intensity"]["status"], "supersedes" in record)


def test_a_crash_between_ledger_and_queue(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was appended before a crash is not appended again."""
    ledger()
    place.intensity([(10, 20)])
    number = ended(place, begins_s=12)
    real = Queue.change

    def crashes(queue: Queue, job: int, **values: Any) -> bool:
        if values.get("entry"):
            raise KeyboardInterrupt
        return real(queue, job, **values)

    with monkeypatch.context() as patch:
        patch.setattr(Queue, "change", crashes)
        with pytest.raises(KeyboardInterrupt):
            settle(place)
    assert (1, "") == (len(records()), place.job(number).entry)
    settle(place)
    assert [place.job(number).entry] == [row["key"] for row in records()]


def test_a_simulated_ledger_takes_no_jobs(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Where the user's ledger is of a simulation, jobs are settled, told, and not entered."""
    ledger("simulated")
    place.intensity([(10, 20)])
    number = ended(place, begins_s=12)
    assert [number] == settle(place)
    assert "1 settled jobs are not entered: " in caplog.text
    assert ([], "") == (records(), place.job(number).entry)


def test_one_question_for_many_jobs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sources are asked once for all jobs of a day, not once for each."""
    place.intensity([(10, 20)])
    numbers = [ended(place, begins_s=12) for _ in range(5)]
    asked = []

    def counted(*given: Any) -> Any:
        asked.append(given[1:3])
        return answer_of(*given)

    monkeypatch.setattr("greensched.batch.settling.answer_of", counted)
    assert numbers == settle(place)
    assert 1 == len(asked)


def test_a_gap_hides_only_what_lies_in_it(place: Place) -> None:
    """Of two jobs, one in hours that nobody knows, the other is settled."""
    zero = place.intensity([(10, 20)])
    numbers = [ended(place, begins_s=12) for _ in range(2)]
    with place.queue() as queue:  # the first was created, and ran, a day before all that is known
        early = zero - 24 * 3_600 * MS
        queue.change(numbers[0], states=(FINISHED,), created_ms=early)
        with queue.transaction():
            queue._connection.execute(
                "UPDATE runs SET start_ms = ?, end_ms = ? WHERE job = ?",
                [early, early + MS, numbers[0]],
            )
    assert numbers[1:] == settle(place)
