"""Laws of shifting in space, by the ids of the formal list: flat intensity, leakage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.policies.shifting.sites import leakage, placed
from tests.effort import examples
from tests.shifting_cases import places, studies

if TYPE_CHECKING:
    from greensched.ticks import TickIntensity, TickJobs


@settings(max_examples=examples(40))
@given(study=studies(), seed=st.integers(0, 999), caps=st.booleans())
def test_i32_leakage_adds_up(study: tuple[TickJobs, TickIntensity], seed: int, caps: bool) -> None:
    """I-32: what sites save and gain, less what moving takes, is the change of all together."""
    jobs, series = study
    draw = np.random.default_rng(seed)
    other = replace(series, values_g_per_kwh=draw.permutation(series.values_g_per_kwh))
    given_places = places(
        jobs,
        series,
        other,
        home=draw.integers(0, 2, len(jobs)),
        data_gib=draw.uniform(0, 3, len(jobs)),
        kwh_per_gib=0.01,
        cpu_m=(60_000, 60_000) if caps else None,
    )
    found = placed(jobs, given_places)
    told = leakage(jobs, given_places, found)
    saved = told.before_g.sum() - told.after_g.sum() - told.moving_g
    assert pytest.approx(told.before_g.sum() - found.emitted_g.sum()) == saved
    assert saved >= -1e-9 * told.before_g.sum()
    assert np.all(found.start <= jobs.latest)


@settings(max_examples=examples(40))
@given(study=studies())
def test_i15_equal_sites_move_nothing(study: tuple[TickJobs, TickIntensity]) -> None:
    """I-15: between sites of one and the same intensity nobody moves."""
    jobs, series = study
    assert [0] * len(jobs) == placed(jobs, places(jobs, series, series)).site.tolist()
