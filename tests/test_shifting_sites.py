"""Where jobs run: allowed sites, what moving takes, caps, and who pays for whose saving."""

from __future__ import annotations

import numpy as np
import pytest

from greensched.errors import UsageError
from greensched.policies.shifting.sites import emitted_g, placed
from tests.shifting_cases import intensity_of, jobs_of, places

DIRTY = intensity_of(*[400.0] * 8)
CLEAN = intensity_of(*[100.0] * 4, *[50.0] * 4)


def test_a_job_goes_where_and_when_it_is_cleanest() -> None:
    """Two hours at 50 g/kWh elsewhere beat 400 at home: 100 g for one core of 1 kW."""
    jobs = jobs_of((0, 2, 6))
    where = places(jobs, DIRTY, CLEAN)
    found = placed(jobs, where)
    assert ([1], [4]) == (found.site.tolist(), found.start.tolist())
    assert pytest.approx([100.0]) == emitted_g(jobs, where, found)


def test_sites_that_are_not_allowed_are_not_used() -> None:
    """A job that may run at home only stays there; one that may not even that is refused."""
    jobs = jobs_of((0, 2, 6))
    home_only = np.array([[True, False]])
    assert [0] == placed(jobs, places(jobs, DIRTY, CLEAN, allowed=home_only)).site.tolist()
    with pytest.raises(UsageError, match="not allowed at home: 1 of the jobs"):
        places(jobs, DIRTY, CLEAN, allowed=~home_only)


def test_moving_data_costs_energy() -> None:
    """10 GiB at 0.1 kWh emit 250 g on the way, at the mean of 400 and 100; at 0.3 kWh it stays."""
    jobs = jobs_of((0, 2, 6))
    data = {"data_gib": np.array([10.0])}
    near, far = (places(jobs, DIRTY, CLEAN, **data, kwh_per_gib=k) for k in (0.1, 0.3))
    moved, stays = placed(jobs, near), placed(jobs, far)
    assert [1, 0] == [int(moved.site[0]), int(stays.site[0])]
    assert pytest.approx([350.0]) == emitted_g(jobs, near, moved)
    assert pytest.approx([800.0]) == emitted_g(jobs, far, stays)


def test_data_must_have_come_before_the_latest_start() -> None:
    """Data that is on its way for 7 of at most 6 ticks keeps its job at home; for 6 it may go."""
    jobs = jobs_of((0, 1, 6))
    data = {"data_gib": np.array([10.0])}
    assert [0] == placed(jobs, places(jobs, DIRTY, CLEAN, **data, ticks_per_gib=0.7)).site.tolist()
    late = placed(jobs, places(jobs, DIRTY, CLEAN, **data, ticks_per_gib=0.6))
    assert ([1], [6]) == (late.site.tolist(), late.start.tolist())


def test_caps_of_sites_are_kept() -> None:
    """On one core a site, the third of three jobs at once runs at home."""
    jobs = jobs_of(*[(0, 4, 4)] * 3)
    found = placed(jobs, places(jobs, DIRTY, CLEAN, cpu_m=(1_000, 1_000)))
    assert [(1, 4), (1, 0), (0, 0)] == list(zip(found.site, found.start, strict=True))


def test_jobs_that_may_pause_use_the_cleanest_ticks_of_a_site() -> None:
    """A job that may pause takes the two clean hours of another site, with a cap and without."""
    jobs = jobs_of((0, 2, 6), pauses=True)
    other = intensity_of(200.0, 50.0, 200.0, 200.0, 50.0, *[200.0] * 3)
    for caps in ({}, {"cpu_m": (1_000, 1_000)}):
        where = places(jobs, DIRTY, other, **caps)
        found = placed(jobs, where)
        assert ([1], [1, 4]) == (found.site.tolist(), found.schedule.start.tolist())
        assert pytest.approx([100.0]) == emitted_g(jobs, where, found)


def test_who_finds_no_room_anywhere_is_late_at_home() -> None:
    """On one core, which both other jobs fill, the third waits at home beyond its window."""
    jobs = jobs_of(*[(0, 4, 0)] * 3)
    where = places(jobs, DIRTY, CLEAN, cpu_m=(1_000, 1_000))
    found = placed(jobs, where)
    assert [(1, 0), (0, 0), (0, 4)] == list(zip(found.site, found.start, strict=True))
