"""Jobs that scale with carbon: by hand, against the MILP, and where greed would fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.errors import UsageError
from greensched.policies.shifting.elastic import scaled
from tests.effort import examples


def test_by_hand() -> None:
    """Workers that add 4, then 2: two in the slot of 10, one in that of 15, none in that of 90."""
    found = scaled(np.array([90.0, 10.0, 15.0]), np.array([4.0, 6.0]), 10.0)
    assert [0, 2, 1] == found.most.tolist()
    assert pytest.approx(10 * 2 + 15) == found.emitted


def test_no_more_than_the_work() -> None:
    """The last worker runs for the part of its slot that ends the work."""
    found = scaled(np.array([10.0, 20.0]), np.array([4.0, 6.0]), 5.0)
    assert pytest.approx(5.0) == (found.share * np.array([4.0, 6.0])).sum()
    # 4 in the slot of 10 and, at 5 g a unit for both, half of the second worker there.
    assert [[0.5, 0.5], [0.0, 0.0]] == found.share.tolist()


def test_flat_intensity_runs_as_narrow_as_possible() -> None:
    """Under a constant intensity a concave profile runs on one worker, from the first slot on."""
    found = scaled(np.full(4, 7.0), np.array([3.0, 5.0]), 9.0)
    assert [1, 1, 1, 0] == found.most.tolist()


@settings(max_examples=examples(40))
@given(
    values=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    gains=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    share=st.floats(0.1, 1.0),
)
def test_greedy_is_the_milp_for_concave_profiles(
    values: list[int], gains: list[int], share: float
) -> None:
    """I-16: where no worker adds more than the one before, greedy emits what the MILP does."""
    throughput = np.cumsum(sorted(gains, reverse=True)).astype(float)
    intensity = np.array(values, float)
    work = share * throughput[-1] * len(values)
    greedy, exact = (scaled(intensity, throughput, work, exact=e) for e in (False, True))
    assert pytest.approx(exact.emitted, rel=1e-6) == greedy.emitted
    assert pytest.approx(work) == (greedy.share @ throughput).sum()


def test_profiles_that_gain_speed_are_solved_exactly() -> None:
    """Two workers do 10, one does 1: both or none in a slot, which no worker's price tells."""
    found = scaled(np.array([5.0, 6.0]), np.array([1.0, 10.0]), 10.0)
    assert [2, 0] == found.most.tolist()
    assert pytest.approx(10.0) == found.emitted


@pytest.mark.parametrize(
    ("throughput", "work", "says"),
    [([2.0, 1.0], 1.0, "throughput falls"), ([1.0], 9.0, "do not fit into 3 slots")],
)
def test_what_cannot_be_is_refused(throughput: list[float], work: float, says: str) -> None:
    """Throughput that falls, and work for which the window is too short, are told."""
    with pytest.raises(UsageError, match=says):
        scaled(np.ones(3), np.array(throughput), work)
