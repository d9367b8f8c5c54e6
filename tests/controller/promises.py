"""What is promised of the controller, each seen on a server; fake and real ones run all of it.

`server` is a fixture of who runs them: tests/controller/test_promises.py, tests/cluster.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from greensched.controller.overdue import release_overdue
from greensched.providers.points import utc
from greensched.units import MS_PER_H, MS_PER_MIN
from tests.controller.cases import job_body, policy_body
from tests.controller.driver import Driver, Server, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICIES = "/apis/greensched.io/v1alpha1/carbonpolicies"
LATER_HOURS = (0, 3, 6, 7)  # of which one is clean


@pytest.fixture
def policy(server: Server) -> Iterator[str]:
    """Make a policy for the test's namespace, and return where it is."""
    server.human.create(POLICIES, policy_body(server.space, namespaces=[server.space]))
    path = f"{POLICIES}/{server.space}"
    yield path
    server.human.delete(path)


def made_job(server: Server, name: str = "one", **said: Any) -> str:
    """Make a Job that may wait 12 hours, and return its UID."""
    words = {"max_delay": "12h", "duration": "1h", "actual_s": 1, **said}
    body = job_body(name, **{k: v for k, v in words.items() if v is not None})
    uid: str = server.human.create(server.jobs, body)["metadata"]["uid"]
    return uid


def is_complete(server: Server, name: str = "one") -> bool:
    """Tell whether a Job completed."""
    conditions = server.job(name).get("status", {}).get("conditions", [])
    return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)


def test_a_job_waits_runs_and_ends(server: Server, policy: str) -> None:
    """It waits with a sentence, starts at the clean hour and no earlier, and is recorded."""
    uid, driver = made_job(server), Driver(server)
    driver.turn()
    notes = server.notes("one")
    assert server.is_suspended("one")
    assert utc(driver.clean_ms) == notes["planned-start"]
    assert notes["status"].startswith("waits until ")
    assert re.search(r": (9|10)\d instead of (29|30)\d g/kWh, saves about", notes["status"])
    assert [f"Deferred: {notes['status']}"] == server.events("one")
    driver.go_to(driver.clean_ms - MS_PER_MIN)
    assert server.is_suspended("one")
    driver.go_to(driver.clean_ms)
    assert not server.is_suspended("one")
    assert utc(driver.clean_ms)[:16] == server.notes("one")["released-at"][:16]
    wait_for(lambda: is_complete(server), "the Job completes")
    driver.turn()
    record = server.record(uid)
    assert "one" == record["job"]
    assert record["releasedMs"] >= driver.clean_ms
    assert "endedMs" in record


def test_it_tells_once(server: Server, policy: str) -> None:
    """With nothing new a turn writes nothing: neither Job nor record nor Event."""
    uid, driver = made_job(server), Driver(server)
    driver.turn()
    before = server.job("one"), server.record(uid), server.events("one")
    for _ in range(3):
        driver.turn()
    assert before == (server.job("one"), server.record(uid), server.events("one"))


def test_without_a_forecast_it_runs_at_once(server: Server, policy: str) -> None:
    """Where nothing is known of intensity nothing waits."""
    server.human.patch(policy, {"spec": {"provider": "nobody"}})
    made_job(server)
    Driver(server).turn()
    assert not server.is_suspended("one")
    assert "no forecast" in server.notes("one")["status"]


def test_the_latest_start_holds(server: Server, policy: str) -> None:
    """A Job that has to start before the clean hour does, though its controller was away then."""
    driver = Driver(server)
    latest_ms = driver.clean_ms - 10 * MS_PER_MIN
    made_job(server, max_delay=f"{(latest_ms - driver.now_ms()) // MS_PER_MIN}m")
    driver.turn()
    notes = server.notes("one")
    assert notes["latest-start"] == notes["planned-start"]
    late = Driver(server)
    late.go_to(latest_ms - 2 * MS_PER_MIN)
    assert server.is_suspended("one")
    late = Driver(server)
    late.go_to(latest_ms + MS_PER_MIN)
    assert not server.is_suspended("one")
    assert f"its latest start, {notes['latest-start']}, has come" in server.notes("one")["status"]


def test_what_cannot_be_read_runs_at_once(server: Server, policy: str) -> None:
    """An annotation that cannot be followed lets the Job run, and says why."""
    made_job(server, max_delay="soon")
    Driver(server).turn()
    assert not server.is_suspended("one")
    assert any("'soon' is no span" in told for told in server.events("one"))


def test_without_a_policy_it_runs_at_once(server: Server) -> None:
    """Where no policy covers a namespace, nothing of it waits."""
    made_job(server)
    Driver(server).turn()
    assert not server.is_suspended("one")
    assert "no policy covers" in server.notes("one")["status"]


def test_two_policies_conflict(server: Server, policy: str) -> None:
    """Where two policies cover a namespace nothing is deferred, and both say so."""
    other = policy_body(f"{server.space}-b", namespaces=[server.space])
    path = f"{POLICIES}/{server.human.create(POLICIES, other)['metadata']['name']}"
    made_job(server)
    Driver(server).turn()
    assert not server.is_suspended("one")
    for one in (policy, path):
        told = {c["type"]: c for c in server.human.get(one)["status"]["conditions"]}
        assert "True" == told["Conflict"]["status"]
        assert 1 == told["Conflict"]["observedGeneration"]
    server.human.delete(path)
    Driver(server).turn()
    told = {c["type"]: c for c in server.human.get(policy)["status"]["conditions"]}
    assert "False" == told["Conflict"]["status"]


def test_a_pause_defers_nothing_new(server: Server, policy: str) -> None:
    """A paused policy lets new Jobs run, and leaves to its plan what waited before."""
    made_job(server)
    driver = Driver(server)
    driver.turn()
    server.human.patch(policy, {"spec": {"paused": True}})
    made_job(server, "new")
    driver.turn()
    assert server.is_suspended("one")
    assert not server.is_suspended("new")


def test_a_human_lets_it_run(server: Server, policy: str) -> None:
    """Who lets a waiting Job run has the last word: it is never suspended again."""
    words = {"interruptible": "true", "checkpoint_interval": "5m"}
    uid, driver = made_job(server, actual_s=600, **words), Driver(server)
    driver.turn()
    server.change("one", suspend=False)
    for hour in LATER_HOURS:
        driver.go_to(driver.grid.zero_ms + hour * MS_PER_H)
        assert not server.is_suspended("one")
    assert "released-at" not in server.notes("one")
    assert "Overridden" == server.record(uid)["phase"]


def test_a_human_holds_it(server: Server, policy: str) -> None:
    """Who suspends a Job that was let run holds it, beyond its latest start too."""
    uid, driver = made_job(server, actual_s=600), Driver(server)
    driver.turn()
    driver.go_to(driver.clean_ms)
    server.change("one", suspend=True)
    driver.turn()
    driver.go_to(driver.clean_ms + 24 * MS_PER_H)
    assert server.is_suspended("one")
    record = server.record(uid)
    assert "Held" == record["phase"]
    ((start_ms, end_ms, kept),) = record["runs"]
    assert kept
    assert end_ms - start_ms < MS_PER_H


def test_what_a_human_let_go_on_is_his(server: Server, policy: str) -> None:
    """Who holds a running Job and lets it go on has the last word: it is never paused again."""
    words = {"interruptible": "true", "checkpoint_interval": "10m", "duration": "3h"}
    uid, driver = made_job(server, actual_s=600, max_delay="30h", **words), Driver(server)
    driver.turn()
    driver.go_to(driver.clean_ms)
    assert not server.is_suspended("one")
    for suspend in (True, False):
        server.change("one", suspend=suspend)
        driver.go_to(driver.clean_ms + 15 * MS_PER_MIN)
    assert "Overridden" == server.record(uid)["phase"]
    for hour in (1, 3):  # dirty ones
        driver.go_to(driver.clean_ms + hour * MS_PER_H)
        assert not server.is_suspended("one")


def test_run_now_and_hold_until(server: Server, policy: str) -> None:
    """`run-now` starts a Job at once; `hold-until` keeps one, whatever its latest start."""
    made_job(server, "now", run_now="true")
    driver = Driver(server)
    until_ms = driver.grid.zero_ms + 20 * MS_PER_H
    made_job(server, "held", hold_until=utc(until_ms))
    driver.turn()
    assert not server.is_suspended("now")
    driver.go_to(until_ms - MS_PER_MIN)
    assert server.is_suspended("held")
    driver.go_to(until_ms)
    assert not server.is_suspended("held")


def test_a_removed_label_lets_it_run(server: Server, policy: str) -> None:
    """A waiting Job whose label is taken away runs, though it is no longer selected."""
    made_job(server)
    driver = Driver(server)
    driver.turn()
    server.human.patch(
        f"{server.jobs}/one", {"metadata": {"labels": {"greensched.io/defer": None}}}
    )
    driver.turn()
    assert not server.is_suspended("one")


def test_an_edit_of_words_is_followed(server: Server, policy: str) -> None:
    """With a shorter `max-delay`, which ends before the clean hour, a waiting Job runs."""
    made_job(server)
    driver = Driver(server)
    driver.turn()
    assert server.is_suspended("one")
    server.change("one", max_delay="2h")
    driver.turn()
    assert not server.is_suspended("one")


@pytest.mark.parametrize("whose", ["manager", "owner", "queue"])
def test_jobs_of_others_are_left_alone(server: Server, policy: str, whose: str) -> None:
    """A Job that somebody else suspends and lets run is not touched, and told so."""
    body = job_body("one", max_delay="1m", actual_s=1)
    if whose == "manager":
        body["spec"]["managedBy"] = "example.org/other"
    elif whose == "queue":
        body["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "main"
    else:
        other = server.human.get(policy)
        owner = {"apiVersion": other["apiVersion"], "kind": other["kind"], "controller": True}
        owner |= {key: other["metadata"][key] for key in ("name", "uid")}
        body["metadata"]["ownerReferences"] = [owner]
    before = server.human.create(server.jobs, body)
    driver = Driver(server)
    driver.go_to(driver.now_ms() + 24 * MS_PER_H)
    assert server.is_suspended("one")
    assert before["metadata"]["annotations"] == server.job("one")["metadata"]["annotations"]
    assert any("which alone may suspend it" in told for told in server.events("one"))


def test_what_changed_meanwhile_is_decided_anew(server: Server, policy: str) -> None:
    """A decision on what was seen before a human's change is refused, and dropped."""
    made_job(server)
    driver = Driver(server)
    driver.turn()
    driver.look()
    until_ms = driver.clean_ms + 2 * MS_PER_H
    server.change("one", hold_until=utc(until_ms))
    driver.ahead_ms += driver.clean_ms - driver.now_ms()
    driver.controller.turn()
    assert server.is_suspended("one")
    driver.turn()
    assert server.is_suspended("one")


def test_an_interruptible_job_is_paused_and_goes_on(server: Server, policy: str) -> None:
    """It is paused when a clean hour ends, its run is noted, and it goes on in the next one."""
    words = {"interruptible": "true", "checkpoint_interval": "10m", "duration": "2h"}
    uid = made_job(server, actual_s=7_200, max_delay="30h", **words)
    driver = Driver(server, clean_hours=(6, 10))
    driver.turn()
    driver.go_to(driver.clean_ms)
    assert not server.is_suspended("one")
    driver.go_to(driver.clean_ms + MS_PER_H)
    assert server.is_suspended("one")
    notes, run_ms = server.notes("one"), [driver.clean_ms, driver.clean_ms + MS_PER_H]
    assert [utc(at_ms)[:16] for at_ms in run_ms] == [at[:16] for at in notes["runs"].split("/")]
    assert utc(driver.clean_ms + 4 * MS_PER_H) == notes["planned-start"]
    assert "released-at" not in notes
    assert any(told.startswith("Paused: paused until ") for told in server.events("one"))
    driver.go_to(driver.clean_ms + 4 * MS_PER_H - MS_PER_MIN)
    assert server.is_suspended("one")
    driver.go_to(driver.clean_ms + 4 * MS_PER_H)
    assert not server.is_suspended("one")
    assert notes["runs"] == server.notes("one")["runs"]
    assert "Released" == server.record(uid)["phase"]


def test_a_new_controller_knows_what_the_last_knew(server: Server, policy: str) -> None:
    """All state is in the cluster: a controller that starts anew writes nothing of its own."""
    uid = made_job(server)
    Driver(server).turn()
    before = server.job("one"), server.record(uid)
    Driver(server).turn()
    assert before == (server.job("one"), server.record(uid))


def test_a_name_that_is_used_again(server: Server, policy: str) -> None:
    """A Job that is deleted is closed; another of its name is another Job."""
    first = made_job(server)
    driver = Driver(server)
    driver.turn()
    server.human.delete(f"{server.jobs}/one")
    second = ""

    def made_anew() -> bool:
        nonlocal second
        if not any(j["metadata"]["name"] == "one" for j in server.human.get(server.jobs)["items"]):
            second = made_job(server)
        return bool(second)

    wait_for(made_anew, "the first is gone")
    driver.turn()
    assert first != second
    assert "Waiting" == server.record(second)["phase"]
    assert server.is_suspended("one")


def test_release_overdue_needs_no_controller(server: Server, policy: str) -> None:
    """The way out lets run what is overdue, and nothing else, with rights of its own."""
    made_job(server, "late", max_delay="1h")
    made_job(server, "early", max_delay="10h")
    driver = Driver(server)
    driver.turn()
    now_ms = driver.now_ms() + 2 * MS_PER_H
    done = release_overdue(server.way_out, lambda: now_ms, server.space)
    assert [] == list(done.failed)
    assert server.is_suspended("early")
    assert not server.is_suspended("late")
