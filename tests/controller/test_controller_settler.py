"""What is settled reaches the ledger of whoever leads: each Job once, whatever the others are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from greensched.controller.metering import Metering
from greensched.controller.settle import PATIENCE_MS
from greensched.controller.settler import Settler
from greensched.ledger import Ledger, init_ledger, verifier_key, verify
from greensched.ledger.merge import merged
from tests.controller.cases import START_MS
from tests.controller.client import Clock, FakeCluster
from tests.controller.store import Store
from tests.controller.test_controller_settle import H, ended, grid

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.carbon import CarbonIntensity
    from greensched.controller.deferral import Deferral
    from greensched.controller.writes import Writes

LATER_MS = START_MS + 3 * H + PATIENCE_MS
ACTUALS = grid(300, 300, 100)


@dataclass
class Known:
    """Intensity as far as it is known, and records as they are written."""

    series: CarbonIntensity | None = None
    records: dict[str, Deferral] = field(default_factory=dict)

    def ask(self, *_asked: object) -> tuple[CarbonIntensity | None, str]:
        """Return what is known of any time."""
        return self.series, ""

    def record(self, wanted: Deferral) -> None:
        """Keep a record."""
        self.records[wanted.uid] = wanted


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """Return two ledgers, as two replicas have them, each with its public key."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    found = [(tmp_path / f"volume-{i}" / "ledger", f"example.org/{i}") for i in range(2)]
    return [(place, init_ledger(place, of, "operated").verifier_key) for place, of in found]


def _turn(known: Known, place: Path, now_ms: int) -> None:
    """Let a replica with this ledger, which has just begun to lead, settle what it can."""
    store = Store(lambda: now_ms)
    metering = Metering(FakeCluster(store, Clock(now_ms), "greensched"), lambda: 0.0)
    settler = Settler(known, metering, cast("Writes", known), place)
    settler.turn(dict(known.records), {}, now_ms)


def _entries(place: Path, key: str) -> list[dict[str, Any]]:
    """Return what a ledger has of the Job `u`, in order; the ledger verifies."""
    verify(place, verifier_key(key))
    with Ledger(place) as ledger:
        found = [ledger.record_of("k8s/u"), ledger.record_of("k8s/u/actual")]
    return [one for one in found if one is not None]


def test_a_new_leader_corrects_what_another_entered(places: list[tuple[Path, str]]) -> None:
    """The forecast's settlement is in the first ledger: in the second, actuals are the first."""
    known = Known(records={"u": ended((2, 3, True)), "v": replace(ended((1, 2, True)), uid="v")})
    _turn(known, places[0][0], LATER_MS)
    known.series = ACTUALS
    known.records["w"] = replace(ended((1, 3, True)), uid="w")
    _turn(known, places[1][0], LATER_MS + H)
    assert all(one.is_final for one in known.records.values())
    (before,), (after,) = (_entries(*one) for one in places)
    assert ("forecast", "actual") == tuple(e["intensity"]["status"] for e in (before, after))
    assert before["key"] == after["key"]
    assert "supersedes" not in after
    both = merged([place for place, _ in places])
    assert {"k8s/u": "actual", "k8s/v": "actual", "k8s/w": "actual"} == {
        one["key"]: one["intensity"]["status"] for one in both
    }
    assert both == merged([place for place, _ in reversed(places)])
    assert known.records["u"].settled is not None
    assert known.records["u"].settled["saved_mg"] == after["saved_mg"]
    with Ledger(places[1][0]) as ledger:
        assert ledger.row_of("k8s/w") is not None


def test_a_leader_corrects_its_own_entry_once(places: list[tuple[Path, str]]) -> None:
    """Forecast, then actuals: two rows, the second of which supersedes; a crash adds none."""
    known = Known(records={"u": ended((2, 3, True))})
    _turn(known, places[0][0], LATER_MS)
    forecast = known.records["u"]
    known.series = ACTUALS
    for _ in range(2):  # the record of the first turn was never written
        known.records["u"] = forecast
        _turn(known, places[0][0], LATER_MS + H)
    first, second = _entries(*places[0])
    assert first["key"] == second["supersedes"]
    assert "actual" == second["intensity"]["status"]


def test_actuals_that_came_after_a_crash_correct_too(places: list[tuple[Path, str]]) -> None:
    """The forecast was entered, the record never written: actuals supersede the entry."""
    known = Known(records={"u": ended((2, 3, True))})
    _turn(known, places[0][0], LATER_MS)
    known.records["u"], known.series = ended((2, 3, True)), ACTUALS
    _turn(known, places[0][0], LATER_MS + H)
    assert ["forecast", "actual"] == [one["intensity"]["status"] for one in _entries(*places[0])]


def test_what_is_refused_holds_up_no_other(places: list[tuple[Path, str]]) -> None:
    """One entry that no ledger takes stays open, and is told; the others are entered."""
    odd = replace(ended((2, 3, True)), uid="v", job="\ud800")  # no text that can be written
    known = Known(ACTUALS, {"v": odd, "u": ended((2, 3, True))})
    _turn(known, places[0][0], LATER_MS)
    assert known.records["u"].is_final
    assert not known.records["v"].is_final
    assert 1 == len(_entries(*places[0]))
