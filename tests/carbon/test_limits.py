"""The most that shifting saves, and the cleanest window: against plain counting."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.bounds.limits import mean_limits, space_limit, time_limits
from greensched.bounds.window import best_window, cleanest_windows
from greensched.carbon import CarbonIntensity
from greensched.errors import DataError
from greensched.providers.file_all import read_all
from tests.conftest import ROOT
from tests.effort import examples

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import FloatArray

HOUR_MS = 3_600_000


def counted(hours: FloatArray, length: int, slack: int) -> tuple[float, float]:
    """Return both limits by the definition, start by start."""
    contiguous, split = [], []
    n = len(hours)
    for s in range(n - length):
        now = hours[s : s + length].sum()
        costs = [hours[t : t + length].sum() for t in range(s, min(s + slack, n - length) + 1)]
        window = np.sort(hours[s : min(s + length + slack, n)])
        contiguous.append((now - min(costs)) / length)
        split.append((now - window[:length].sum()) / length)
    return float(np.mean(contiguous)), float(np.mean(split))


@settings(max_examples=examples(200))
@given(
    hours=st.lists(st.integers(1, 500).map(float), min_size=8, max_size=50),
    length=st.integers(1, 40),
    slack=st.integers(0, 60),
)
def test_limits_are_what_counting_gives(hours: list[float], length: int, slack: int) -> None:
    """Both limits are those of the definition, for every length, slack and end of data."""
    length = min(length, len(hours) - 1)
    values = np.array(hours)
    (limit,) = time_limits({"Z": values}, [length], slack)["Z"]
    assert counted(values, length, slack) == pytest.approx(
        (limit.saving_g_per_kwh, limit.saving_interruptible_g_per_kwh), rel=1e-12, abs=1e-12
    )


def test_limits_by_hand() -> None:
    """Four hours 4, 1, 3, 2, a length of 1 and a slack of 1: the starts save 3, 0 and 1."""
    (limit,) = time_limits({"Z": np.array([4.0, 1.0, 3.0, 2.0])}, [1], 1)["Z"]
    assert (4 / 3, 4 / 3) == pytest.approx(
        (limit.saving_g_per_kwh, limit.saving_interruptible_g_per_kwh)
    )


def test_groups_of_zones_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zones of other lengths, in groups of any size, have the limits that each has alone."""
    rng = np.random.default_rng(3)
    zones = {f"Z{i}": rng.uniform(10, 900, 100 + i % 3) for i in range(9)}
    alone = {z: time_limits({z: v}, [3, 30], 12)[z] for z, v in zones.items()}
    for cells in (1, 250, 10**6):
        monkeypatch.setattr("greensched.bounds.limits.CHUNK_CELLS", cells)
        assert alone == time_limits(zones, [3, 30], 12)
    mean = mean_limits(alone)[1]
    assert np.mean([limits[1].saving_g_per_kwh for limits in alone.values()]) == pytest.approx(
        mean.saving_g_per_kwh
    )


def test_short_series_are_refused() -> None:
    """A length that leaves no start is refused, zone by zone and all at once."""
    with pytest.raises(DataError, match="too few for a length of 5 h") as caught:
        time_limits({"A": np.ones(5), "B": np.ones(4)}, [1, 5], 24)
    assert 2 == len(caught.value.findings)


def test_space_by_hand() -> None:
    """Zones 1, 5 and 3, 3: moving to the first saves 0 at home; following saves more."""
    limit = space_limit({"A": np.array([1.0, 5.0]), "B": np.array([4.0, 4.0])})
    assert ("A", 0.5, 1.0) == (
        limit.cleanest,
        limit.one_migration_g_per_kwh,
        limit.follow_cleanest_g_per_kwh,
    )


def series(values: list[float], start_ms: int = 0, step_ms: int = HOUR_MS) -> CarbonIntensity:
    """Return even steps of intensity."""
    edges = start_ms + step_ms * np.arange(len(values) + 1, dtype=np.int64)
    return CarbonIntensity(zone="Z", edges_ms=edges, values_g_per_kwh=np.array(values))


@given(
    values=st.lists(st.integers(1, 9).map(float), min_size=8, max_size=12),
    begin=st.integers(0, 59),
    length=st.integers(1, 240),
    wait=st.integers(0, 180),
)
def test_best_window_is_the_best_of_all_minutes(
    values: list[float], begin: int, length: int, wait: int
) -> None:
    """No start at any minute is cleaner, and none that is as clean is earlier."""
    minute, data = 60_000, series(values)
    choice = best_window(data, begin * minute, length * minute, (begin + wait) * minute)
    means = [
        data.mean((begin + w) * minute, (begin + w + length) * minute) for w in range(wait + 1)
    ]
    least = min(m for m in means if m is not None)
    assert least == pytest.approx(choice.best.mean_g_per_kwh, rel=1e-12)
    first = next(w for w, m in enumerate(means) if m == pytest.approx(least, rel=1e-12))
    assert choice.best.start_ms <= (begin + first) * minute
    assert begin * minute == choice.now.start_ms
    assert 0.0 <= choice.saving_g_per_kwh


def test_cleanest_windows_do_not_overlap() -> None:
    """Windows are named from the cleanest on; none overlaps a cleaner one or the end."""
    windows = cleanest_windows(series([5, 1, 1, 9, 2, 2]), 0, 2 * HOUR_MS, 6 * HOUR_MS, 3)
    assert [(1, 1.0), (4, 2.0)] == [(w.start_ms // HOUR_MS, w.mean_g_per_kwh) for w in windows]


@pytest.mark.data
def test_real_limits(data_folder: Path) -> None:
    """Hong Kong saves exactly nothing, and counting agrees for a year of Great Britain."""
    found = read_all([data_folder / "carbon" / "electricitymaps_2021-2024"], time_zone="UTC")
    hours = {zone: one.values_g_per_kwh[:8_760] for zone, one in found.items()}
    limits = time_limits(hours, [1, 24], 24)
    assert [(0.0, 0.0)] * 2 == [
        (x.saving_g_per_kwh, x.saving_interruptible_g_per_kwh) for x in limits["HK"]
    ]
    assert counted(hours["GB"], 24, 24) == pytest.approx(
        (limits["GB"][1].saving_g_per_kwh, limits["GB"][1].saving_interruptible_g_per_kwh),
        rel=1e-9,
    )


def test_no_compiler_is_loaded(tmp_path: Path) -> None:
    """The command takes seconds, so nothing that it does not need is imported with it."""
    rows = "".join(f"2023-01-01T{h:02}:00Z,{100 + h}\n" for h in range(24))
    (tmp_path / "DE.csv").write_text(f"timestamp,carbon_intensity\n{rows}")
    code = (
        "import sys\nfrom greensched.cli.main import main\n"
        f"main(['carbon', 'limits', {str(tmp_path)!r}, '--length', '1h'], standalone_mode=False)\n"
        "print(*sorted({'numba', 'pandas', 'pint', 'highspy'} & set(sys.modules)), 'are loaded')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "are loaded" == done.stdout.splitlines()[-1].strip()
