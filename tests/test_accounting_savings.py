"""Savings against a baseline, its hash, and the parts of a machine's energy."""

from __future__ import annotations

import numpy as np
import pytest

from greensched.accounting import (
    Baseline,
    Usage,
    account,
    apportion,
    baseline_of,
    savings,
)
from greensched.accounting.savings import canonical_json
from greensched.carbon import Fill
from greensched.errors import InternalError
from tests.accounting_cases import (
    DAY,
    HOURS,
    OFF,
    ONLINE,
    factors_of,
    site_of,
    usage_of,
)

# ------------------------------------------------------------------------------------------
# Savings, baselines, parts
# ------------------------------------------------------------------------------------------

STATIC = Baseline(kind="static-peak", text="All machines always on.", sha256="0" * 64)


def test_saving_by_hand() -> None:
    """Two machines fewer on for an hour, 1 kWh less: the saving, part by part."""
    before = account(
        usage_of((ONLINE, OFF), [[2_000, 0], [2_000, 0]], [[4, 0], [4, 0]]), factors_of()
    )
    after = account(
        usage_of((ONLINE, OFF), [[2_000, 0], [1_000, 0]], [[4, 0], [2, 2]]), factors_of()
    )
    saved = savings(STATIC, before, after).totals()
    assert (1.0, 0, 1.0, 1.0) == (
        saved["machines_on_mean"],
        saved["machines_on_peak"],
        saved["energy_it_kwh"],
        saved["energy_facility_kwh"],
    )
    assert (0.6, 0.0, None) == (saved["scope2_location_kg"], saved["embodied_kg"], saved["cost"])
    assert ("static-peak-000000000000", "0" * 64) == (
        savings(STATIC, before, after).baseline_id,
        savings(STATIC, before, after).baseline_sha256,
    )


def test_other_questions_are_refused() -> None:
    """A saving between other windows, factors or fleets is refused, each named."""
    before = account(DAY, factors_of())
    shorter = Usage(
        edges_ms=HOURS[:2],
        groups=DAY.groups,
        energy_j=DAY.energy_j[:1],
        machine_ms=DAY.machine_ms[:1],
    )
    cut = site_of(edges_ms=HOURS[:2], intensity_g_per_kwh=np.array([400.0]))
    with pytest.raises(InternalError) as caught:
        savings(STATIC, before, account(shorter, factors_of(cut)))
    assert 3 == len(caught.value.findings)
    told = "{('hz', 'gen8'): 43200000} and {('hz', 'gen8'): 21600000} ms"
    assert told in str(caught.value)


def test_baseline_is_named_by_its_setting() -> None:
    """Equal settings have one hash whatever the order of keys; another setting has another."""
    first = baseline_of("autoscaled", "HPA", {"a": 1, "b": (1.5, None, True)})
    assert (
        first.sha256 == baseline_of("autoscaled", "HPA", {"b": [1.5, None, True], "a": 1}).sha256
    )
    assert (
        first.sha256 != baseline_of("autoscaled", "HPA", {"a": 2, "b": [1.5, None, True]}).sha256
    )
    assert f"autoscaled-{first.sha256[:12]}" == first.id


def test_canonical_form() -> None:
    """Dataclasses carry their name, arrays a digest, large integers become strings."""
    assert b'{"":"Fill","kind":"hold","longest_ms":5}' == canonical_json(
        Fill(kind="hold", longest_ms=5)
    )
    assert '["9007199254740993",3,2,"é"]'.encode() == canonical_json(
        [2**53 + 1, np.int64(3), 2.0, "é"]
    )
    digest = canonical_json(np.array([1, 2], np.int64))
    assert digest.startswith(b'{"dtype":"<i8","sha256":"')
    assert digest.endswith(b'"shape":[2]}')
    assert b'["a","b"]' == canonical_json(np.array(["a", "b"], object))
    with pytest.raises(InternalError, match="no canonical form"):
        canonical_json(float("nan"))
    with pytest.raises(InternalError, match="no canonical form of set"):
        canonical_json({1})


def test_parts_by_hand() -> None:
    """Three parts of a third of a mWh and 1 mWh: one unit to the first, the rest unallocated."""
    shares, unallocated = apportion(np.array([1.2, 1.2, 1.2, 3.6]), 5)
    assert ([1, 0, 0, 1], 3) == (shares.tolist(), unallocated)


def test_parts_that_exceed_by_rounding_are_fitted() -> None:
    """Parts that exceed their total by the rounding of floats are fitted into it."""
    shares, unallocated = apportion(np.array([3.6, 7.2]), 2)
    assert (2, 0) == (int(shares.sum()), unallocated)
    assert ([0], 0) == (apportion(np.array([3.6]), 0)[0].tolist(), 0)
    assert [0, 7] == apportion(np.array([0.36, 31.68]), 7)[0].tolist()


@pytest.mark.parametrize("parts", [[3.6, -1.0], [np.nan], [36.0]])
def test_parts_that_cannot_be_are_a_bug(parts: list[float]) -> None:
    """Negative parts, parts that are no number and parts beyond their total are refused."""
    with pytest.raises(InternalError):
        apportion(np.array(parts), 2)
