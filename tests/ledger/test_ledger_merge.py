"""Several ledgers as one: which record stands where two have its key, and what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from greensched.errors import DataError
from greensched.ledger import Ledger
from greensched.ledger.merge import merged
from tests.ledger.cases import job, new_case
from tests.ledger.test_ledger_damage import changed

if TYPE_CHECKING:
    from pathlib import Path


def settled(number: int, status: str, by: str) -> dict[str, Any]:
    """Return a job as it was settled by an intensity of some status, by one of several."""
    return job(number, intensity={"status": status}, by=by)


def test_actual_intensity_stands(tmp_path: Path) -> None:
    """Of two settlements one by actual intensity stands, wherever; else the first; each once."""
    first = (settled(1, "forecast", "a"), settled(2, "actual", "a"), settled(3, "forecast", "a"))
    second = (settled(1, "actual", "b"), settled(2, "forecast", "b"), settled(3, "forecast", "b"))
    third = (settled(1, "actual", "c"), settled(2, "actual", "c"), job(4, intensity=0), job(5))
    cases = [new_case(tmp_path / name) for name in "abc"]
    for case, records in zip(cases, (first, second, third), strict=True):
        case.append(*records)
    expected = [second[0], first[1], first[2], third[2], third[3]]
    assert expected == merged([case.ledger for case in cases])


def test_rows_of_a_ledger_itself_are_left_out(tmp_path: Path) -> None:
    """Neither the opening nor a handing on of the key is a record of what was merged."""
    case = new_case(tmp_path, [2])
    with Ledger(case.ledger, case.key_file) as opened:
        opened.rotate(tmp_path / "new.key")
        opened.append([job(2)])
    assert [job(0), job(1), job(2)] == merged([case.ledger])


def test_the_ledger_of_another_kind_is_told(tmp_path: Path) -> None:
    """The ledger that is not of the first one's kind is named, and no other."""
    kinds = ("operated", "simulated", "operated")
    paths = [new_case(tmp_path / str(n), kind=k).ledger for n, k in enumerate(kinds)]
    with pytest.raises(DataError) as refused:
        merged(paths)
    assert [str(paths[1])] == [f.where for f in refused.value.findings]
    assert "holds simulated entries, " in refused.value.findings[0].what


def test_a_damaged_ledger_is_not_merged(tmp_path: Path) -> None:
    """Nothing comes of ledgers one of which is not what was appended to it."""
    good, bad = (new_case(tmp_path / name, [2]) for name in "ab")
    changed(bad, "UPDATE rows SET record = replace(record, 'hz', 'sh') WHERE row = 2")
    with pytest.raises(DataError, match="a row is not what was appended"):
        merged([good.ledger, bad.ledger])
