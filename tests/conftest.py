"""What all tests share: where the real data is, and when a test may skip."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.effort import WHOLE

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parent.parent

# Two workers on two cores: a deadline for one example would measure the neighbour. The same
# examples each time, so that a failure is found by who caused it.
settings.register_profile(
    "house", deadline=None, derandomize=True, database=None, max_examples=WHOLE // 3
)
settings.register_profile("whole", settings.get_profile("house"), max_examples=WHOLE)
settings.register_profile("search", deadline=None, max_examples=10 * WHOLE)
# A fault is to be found, not the smallest case of it, by thousands of runs (tests/mutation).
settings.register_profile(
    "mutation",
    settings.get_profile("house"),
    max_examples=WHOLE // 10,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


def data_root() -> Path:
    """Return the folder of real traces, which may be absent."""
    return Path(os.environ.get("GREENSCHED_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real traces; tests that ask for it are marked `data`."""
    return data_root().resolve()


def may_skip(*, marked_data: bool, data_present: bool) -> bool:
    """Tell whether a test may skip where everything must run."""
    return marked_data and not data_present


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Compile loops before there are workers, each of which would compile them for itself."""
    from greensched.engine.kernels import warm

    warm.ensure()


def pytest_collection_finish() -> None:
    """Have the collector of cycles leave all that was imported alone: a tenth of all the time."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def pytest_unconfigure() -> None:
    """Have it take all apart at the end, as libraries expect that look for what is left."""
    gc.unfreeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `data` where the data is absent."""
    if item.get_closest_marker("data") and not data_root().is_dir():
        pytest.skip("the folder of real traces ($GREENSCHED_DATA) is absent")


def _strict() -> bool:
    """Tell whether a skip is a failure here."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that may not be into a failure."""
    report = yield
    expected_failure = hasattr(report, "wasxfail")
    if report.skipped and _strict() and not expected_failure:
        marked = item.get_closest_marker("data") is not None
        if not may_skip(marked_data=marked, data_present=data_root().is_dir()):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} skipped where every test must run"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a module that skips as a whole into a failure."""
    report = yield
    if report.outcome == "skipped" and _strict():
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} skipped as a whole where every test must run"
    return report
