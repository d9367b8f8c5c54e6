"""Every reader that is registered is tried with bad cells, in the tables or beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from greensched import registry
from greensched.errors import DataError
from greensched.readers.options import ReadOptions
from greensched.registry import READERS
from tests.readers import public_cases as cases
from tests.readers.builders import refusal, write
from tests.readers.test_reader_bad_rows import FORMATS, UNREADABLE

# Formats of objects, samples and steps: modules and tests of their own.
BESIDE = {
    "kubernetes": "test_odd_objects_are_refused_or_dropped",
    "prometheus": "test_bad_samples_are_refused_or_dropped",
    "sacct": "test_bad_rows",
}
WHOLE = ReadOptions(cpu_m=32_000, memory_mib=65_536)
# Tables of published clusters: the file, a row with {} where a number belongs, what must be said.
PUBLIC = {
    "google-2011": (
        cases.GOOGLE_2011, "task_events.csv", cases.task_2011(1, 0, 0, cpus="{}"), WHOLE
    ),
    "google-2019": (
        cases.GOOGLE_2019, "instance_events-1.csv", "600000000,0,12,3,0,0,200,0,0,0,{},0.05", WHOLE
    ),
    "azure-2017": (
        cases.AZURE_2017, "vmtable.csv", "d,s,d,0,60,1,{},1,Unknown,1,1", ReadOptions()
    ),
    "azure-2019": (
        cases.AZURE_2019, "vmtable.csv", "d,s,d,0,60,1,{},1,Unknown,1,1", WHOLE
    ),
    "alibaba-2017": (
        cases.ALIBABA_2017, "batch_task.csv", "100,400,9,1,3,Terminated,{},0.01", WHOLE
    ),
    "alibaba-2018": (
        cases.ALIBABA_2018, "batch_task.csv", "M1,1,j_9,1,Terminated,100,400,{},0.5", WHOLE
    ),
}  # fmt: skip


def test_every_registered_reader_is_tried() -> None:
    """A reader that is registered is tried with each class of bad cells, or has tests beside."""
    here = {f"{f.read.__module__}:read" for f in FORMATS.values()}
    assert {r for n, r in READERS.items() if n not in PUBLIC and n not in BESIDE} == here
    assert {*PUBLIC, *BESIDE} < set(READERS)
    for name, test in BESIDE.items():
        path = Path(__file__).with_name(f"test_reader_{name}.py")
        assert f"def {test}(" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("cell", UNREADABLE)
@pytest.mark.parametrize("name", PUBLIC)
def test_unreadable_number_of_a_published_table(tmp_path: Path, name: str, cell: str) -> None:
    """A cell that is no finite number in range is refused with its file and row."""
    tables, file, row, options = PUBLIC[name]
    text, what = UNREADABLE[cell]
    files = {**tables, file: (*tables[file], row.replace("{}", text))}
    paths = [write(tmp_path, each, *lines) for each, lines in files.items()]
    said = refusal(lambda: registry.load("reader", name)(paths, options), DataError)
    assert f"{file} row " in said
    assert what in said
    assert "--on-bad=drop" in said
