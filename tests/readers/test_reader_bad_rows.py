"""Each class of bad input, at each reader that can meet it: refused with its place, or dropped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.readers import canonical, jobs, openb, opendc, planetlab, series, swf
from greensched.readers.options import ReadOptions
from tests.readers.builders import JOBS_HEADER, POD_HEADER, refusal, write

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import Trace
    from greensched.readers.options import Reader

TASKS = "id,submission_time,duration,cpu_count,cpu_capacity,mem_capacity"
SWF_TAIL = "-1 -1 -1 -1 1 -1 -1 -1 -1 -1 -1 -1"  # after job, submit, wait, run, procs, cpu used


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A reader with a file of two good rows, and how to make a bad row from a number."""

    read: Reader
    name: str
    good: tuple[str, ...]
    bad: str  # {} is a cell that must be a number
    options: ReadOptions
    rows_of: str


FORMATS = {
    "canonical-jobs": Format(
        read=canonical.read, name="jobs.csv", good=(JOBS_HEADER, "a,0,10,1000", "b,5,10,2000"),
        bad="c,6,10,{}", options=ReadOptions(), rows_of="jobs",
    ),
    "canonical-services": Format(
        read=canonical.read, name="services.csv",
        good=("service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib", "w,0,10,500,64",
              "w,300,20,500,64"),
        bad="w,600,{},500,64", options=ReadOptions(step_ms=300_000), rows_of="services",
    ),
    "canonical-machines": Format(
        read=canonical.read, name="machines.csv",
        good=("machine,cpu_m,memory_mib", "m1,1000,64", "m2,1000,64"),
        bad="m3,1000,{}", options=ReadOptions(), rows_of="machines",
    ),
    "canonical-databases": Format(
        read=canonical.read, name="databases.csv",
        good=("database,time_s,cpu_m,memory_mib", "d,0,10,64", "d,300,20,64"),
        bad="d,600,{},64", options=ReadOptions(step_ms=300_000), rows_of="databases",
    ),
    "jobs": Format(
        read=jobs.read, name="list.csv", good=("arrival_time,length,cpus", "0,1,2", "1,1,2"),
        bad="2,1,{}", options=ReadOptions(time_unit="h"), rows_of="jobs",
    ),
    "openb": Format(
        read=openb.read, name="pods.csv",
        good=(POD_HEADER, "p0,1000,64,1,500,,LS,Running,0,9,0",
              "p1,1000,64,0,0,,BE,Running,0,9,0"),
        bad="p2,{},64,0,0,,BE,Running,0,9,0", options=ReadOptions(), rows_of="jobs",
    ),
    "opendc": Format(
        read=opendc.read, name="tasks.csv",
        good=(TASKS, "1,1000,1000,2,4000,100", "2,2000,1000,2,4000,100"),
        bad="3,3000,1000,2,{},100", options=ReadOptions(), rows_of="jobs",
    ),
    "planetlab": Format(
        read=planetlab.read, name="vm_a", good=("24", "34"), bad="{}", options=ReadOptions(),
        rows_of="databases",
    ),
    "series": Format(
        read=series.read, name="load.csv", good=("t_s,load", "0,1.5", "300,2.5"), bad="600,{}",
        options=ReadOptions(column="load", time_column="t_s", unit="cores"), rows_of="services",
    ),
    "swf": Format(
        read=swf.read, name="log.swf",
        good=("; Version: 2.2", f"1 0 -1 10 4 -1 {SWF_TAIL}", f"2 5 -1 10 4 -1 {SWF_TAIL}"),
        bad=f"3 6 -1 {{}} 4 -1 {SWF_TAIL}", options=ReadOptions(), rows_of="jobs",
    ),
}  # fmt: skip
HEADED = [n for n in FORMATS if n != "planetlab"]  # it has one cell a row and nothing else
CSV_FORMATS = [n for n in HEADED if n != "swf"]


UNREADABLE = {
    "text": ("abc", "text where a number belongs"),
    "hexadecimal": ("0x10", "text where a number belongs"),
    "underscore": ("1_000", "text where a number belongs"),
    "nan": ("NaN", "not a finite number"),
    "infinity": ("inf", "not a finite number"),
    "overflow-of-double": ("1e400", "not a finite number"),
    "huge-integer": ("123456789012345678901234567890", "the most that is held"),
}


def bad_file(name: str, row: str, folder: Path) -> tuple[Format, Path]:
    """Return the format and a file of it with two good rows and `row`."""
    about = FORMATS[name]
    return about, write(folder, about.name, *about.good, row)


def rows(trace: Trace, about: Format) -> int:
    """Return the number of rows of the kind that the format holds."""
    return len(getattr(trace, about.rows_of))


@pytest.mark.parametrize("cell", UNREADABLE)
@pytest.mark.parametrize("name", FORMATS)
def test_unreadable_number_is_refused_with_its_row(tmp_path: Path, name: str, cell: str) -> None:
    """A cell that is no finite number in range is refused, naming file, row, value and remedy."""
    text, what = UNREADABLE[cell]
    about, path = bad_file(name, FORMATS[name].bad.format(text), tmp_path)
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert f"{about.name} row 3: " in said
    assert what in said
    assert "(1 such row, 33.33 %)" in said
    assert "--on-bad=drop" in said


@pytest.mark.parametrize("name", FORMATS)
def test_unreadable_number_is_dropped_and_counted(tmp_path: Path, name: str) -> None:
    """With --on-bad=drop the bad row is left out and the trace says so."""
    about, path = bad_file(name, FORMATS[name].bad.format("abc"), tmp_path)
    dropping = replace(about.options, on_bad="drop")
    good = write(tmp_path, "good-" + about.name, *about.good)
    trace = about.read([path], dropping)
    assert rows(about.read([good], about.options), about) == rows(trace, about)
    assert any("1 row dropped (33.33 %), the first row 3" in f for f in trace.findings)


@pytest.mark.parametrize("name", HEADED)
def test_file_of_bad_rows_only_is_refused(tmp_path: Path, name: str) -> None:
    """Where dropping leaves no row the file is refused all the same."""
    about = FORMATS[name]
    path = write(tmp_path, about.name, about.good[0], about.bad.format("abc"))
    dropping = replace(about.options, on_bad="drop")
    assert "no row is left" in refusal(lambda: about.read([path], dropping), DataError)


@pytest.mark.parametrize("name", FORMATS)
def test_same_file_twice_is_refused(tmp_path: Path, name: str) -> None:
    """A reader given two files where one belongs, or two of one kind, refuses them."""
    about = FORMATS[name]
    path = write(tmp_path, about.name, *about.good)
    said = refusal(lambda: about.read([path, path], about.options), DataError)
    assert any(word in said for word in ("one file is needed", "a second file of", "or twice"))


@pytest.mark.parametrize("name", FORMATS)
def test_negative_value_is_refused(tmp_path: Path, name: str) -> None:
    """Resources, loads and run times below zero are refused."""
    about, path = bad_file(name, FORMATS[name].bad.format("-7"), tmp_path)
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert "row 3: " in said
    assert any(word in said for word in ("negative", "below"))


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "swf"])
def test_empty_required_cell_is_refused(tmp_path: Path, name: str) -> None:
    """A required value that is missing is refused, never taken as 0."""
    about, path = bad_file(name, FORMATS[name].bad.format(""), tmp_path)
    assert "empty (1 such row" in refusal(lambda: about.read([path], about.options), DataError)


@pytest.mark.parametrize("name", HEADED)
def test_short_and_long_rows_are_refused_together(tmp_path: Path, name: str) -> None:
    """Rows with too few and too many cells are refused, both classes in one error."""
    about = FORMATS[name]
    between = " " if name == "swf" else ","
    good = about.bad.format("9")
    short, long = good.rsplit(between, 1)[0], good + between + "1"
    path = write(tmp_path, about.name, *about.good, short, long)
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert f"{about.name} row 3: short row" in said
    assert f"{about.name} row 4: long row" in said


@pytest.mark.parametrize("name", [n for n in HEADED if n not in ("swf", "series")])
def test_row_numbers_count_malformed_rows_before_them(tmp_path: Path, name: str) -> None:
    """The row number of a bad cell counts the malformed rows that come before it."""
    about = FORMATS[name]
    path = write(tmp_path, about.name, about.good[0], "x", *about.good[1:],
                 about.bad.format("abc"))  # fmt: skip
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert "row 1: short row" in said
    assert "row 4: " in said


@pytest.mark.parametrize("name", CSV_FORMATS)
def test_missing_column_is_named(tmp_path: Path, name: str) -> None:
    """A file without a needed column is refused, naming the column."""
    about = FORMATS[name]
    header = about.good[0].split(",")
    renamed = ",".join([*header[:-1], "other"])
    last = "memory_mib" if name == "canonical-machines" else header[-1]
    path = write(tmp_path, about.name, renamed, *about.good[1:])
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert f"no column '{last}'" in said


@pytest.mark.parametrize("name", HEADED)
def test_file_without_rows_is_refused(tmp_path: Path, name: str) -> None:
    """A header alone is no trace."""
    about = FORMATS[name]
    path = write(tmp_path, about.name, about.good[0])
    assert "no data rows" in refusal(lambda: about.read([path], about.options), DataError)


@pytest.mark.parametrize("name", FORMATS)
def test_empty_and_absent_files_are_refused(tmp_path: Path, name: str) -> None:
    """An empty file and one that is not there are refused."""
    about = FORMATS[name]
    path = tmp_path / about.name
    assert "no such file" in refusal(lambda: about.read([path], about.options), DataError)
    path.touch()
    assert "the file is empty" in refusal(lambda: about.read([path], about.options), DataError)


@pytest.mark.parametrize("name", CSV_FORMATS)
def test_byte_order_mark_and_windows_lines_are_read(tmp_path: Path, name: str) -> None:
    """A byte order mark and CR LF lines change nothing."""
    about = FORMATS[name]
    path = tmp_path / about.name
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*about.good, ""]).encode())
    plain = write(tmp_path, "plain-" + about.name, *about.good)
    assert rows(about.read([plain], about.options), about) == rows(
        about.read([path], about.options), about
    )


@pytest.mark.parametrize("name", CSV_FORMATS)
def test_bytes_that_are_not_text_are_refused(tmp_path: Path, name: str) -> None:
    """A row with bytes that are not UTF-8 is refused with its number."""
    about = FORMATS[name]
    path = write(tmp_path, about.name, *about.good)
    with path.open("ab") as stream:
        stream.write(about.bad.format("9").encode() + b"\xff\n")
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert "row 3: bytes that are not UTF-8" in said


NAMED = {
    "canonical-jobs": "{},6,10,1000",
    "canonical-services": "{},0,10,500,64",
    "canonical-machines": "{},1000,64",
    "canonical-databases": "{},0,10,64",
    "openb": "{},1000,64,0,0,,BE,Running,0,9,0",
    "opendc": "{},3000,1000,2,4000,100",
}


@pytest.mark.parametrize("name", NAMED)
def test_name_beyond_253_bytes_is_refused(tmp_path: Path, name: str) -> None:
    """A name of 254 bytes is refused, whatever the number of characters; 253 bytes are kept."""
    about, path = bad_file(name, NAMED[name].format("é" * 127), tmp_path)
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert "a name longer than 253 bytes" in said


@pytest.mark.parametrize("name", NAMED)
def test_control_characters_are_escaped_in_errors(tmp_path: Path, name: str) -> None:
    """A hostile name reaches no terminal: an error shows its control characters escaped."""
    about = FORMATS[name]
    hostile = NAMED[name].format("\x1b[31m" + "x" * 260)
    path = write(tmp_path, about.name, *about.good, hostile)
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert "\x1b" not in said
    assert "x1b[31m" in said


TWICE = {
    "canonical-jobs": ("a,0,10,1000", "a,1,10,1000"),
    "canonical-services": ("w,0,10,500,64", "w,0,11,500,64"),
    "canonical-machines": ("m1,1000,64", "m1,1000,65"),
    "canonical-databases": ("d,0,10,64", "d,0,11,64"),
    "openb": ("p1,1000,64,0,0,,BE,Running,0,9,0", "p1,1000,64,0,0,,BE,Running,0,8,0"),
    "opendc": ("1,1000,1000,2,4000,100", "1,1000,2000,2,4000,100"),
    "series": ("0,1.5", "0,1.6"),
    "swf": (f"1 0 -1 10 4 -1 {SWF_TAIL}", f"1 0 -1 11 4 -1 {SWF_TAIL}"),
}


@pytest.mark.parametrize("name", TWICE)
def test_exact_copy_is_dropped_and_counted(tmp_path: Path, name: str) -> None:
    """A row that is there twice is kept once, and the trace says so."""
    about, path = bad_file(name, TWICE[name][0], tmp_path)
    trace = about.read([path], about.options)
    good = write(tmp_path, "good-" + about.name, *about.good)
    assert rows(about.read([good], about.options), about) == rows(trace, about)
    assert any("1 exact copy of a row dropped, the first row 3" in f for f in trace.findings)


@pytest.mark.parametrize("name", TWICE)
def test_conflicting_copies_are_refused(tmp_path: Path, name: str) -> None:
    """Two rows with one identifier and different values are refused; neither wins."""
    about, path = bad_file(name, TWICE[name][1], tmp_path)
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert "given again with other values" in said
    assert "(2 such rows, 66.67 %)" in said


ZERO = {
    "canonical-jobs": "c,6,0,1000",
    "jobs": "2,0,1",
    "openb": "p2,1000,64,0,0,,BE,Running,5,5,5",
    "opendc": "3,3000,0,2,4000,100",
    "swf": f"3 6 -1 0 4 -1 {SWF_TAIL}",
}


@pytest.mark.parametrize("name", ZERO)
def test_length_zero_needs_allow_instant(tmp_path: Path, name: str) -> None:
    """A job of length 0 is refused, and kept only where instants are allowed."""
    about, path = bad_file(name, ZERO[name], tmp_path)
    said = refusal(lambda: about.read([path], about.options), DataError)
    assert "row 3: a job of length 0" in said
    assert "--allow-instant" in said
    trace = about.read([path], replace(about.options, allow_instant=True))
    assert trace.jobs is not None
    assert 0 == trace.jobs.duration_ms.min()


UNSORTED = {
    "canonical-jobs": "c,1,10,1000",
    "jobs": "0.5,1,1",
    "opendc": "3,1500,1000,2,4000,100",
    "swf": f"3 2 -1 10 4 -1 {SWF_TAIL}",
}


@pytest.mark.parametrize("name", UNSORTED)
def test_rows_out_of_order_are_sorted_and_counted(tmp_path: Path, name: str) -> None:
    """Rows whose time goes back are sorted, and the trace says how many."""
    about, path = bad_file(name, UNSORTED[name], tmp_path)
    trace = about.read([path], about.options)
    assert trace.jobs is not None
    assert (trace.jobs.submit_ms[1:] >= trace.jobs.submit_ms[:-1]).all()
    assert any("1 row out of order, sorted; the first row 3" in f for f in trace.findings)


def test_file_of_another_format_is_refused(tmp_path: Path) -> None:
    """A file whose columns fit no part of the format is refused, and so is an empty folder."""
    path = write(tmp_path, "a.csv", "x,y", "1,2")
    for read in (canonical.read, openb.read, opendc.read):
        said = refusal(lambda r=read: r([path], ReadOptions()), DataError)  # type: ignore[misc]
        assert "a.csv" in said
    folder = tmp_path / "empty"
    folder.mkdir()
    for read in (canonical.read, opendc.read):
        said = refusal(lambda r=read: r([folder], ReadOptions()), DataError)  # type: ignore[misc]
        assert "in this folder" in said


def test_end_before_start_is_refused(tmp_path: Path) -> None:
    """Jobs that end before they start are refused at the readers that have both times."""
    path = write(tmp_path, "batch.csv", "job,submit_s,end_s,cpu_m", "a,5,10,1000", "b,5,3,1000")
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "batch.csv row 2: end before start (1 such row, 50.00 %); drop them with" in said
    pods = write(tmp_path, "pods.csv", POD_HEADER, "p,1000,64,0,0,,BE,Running,0,4,5")
    said = refusal(lambda: openb.read([pods], ReadOptions()), DataError)
    assert "pods.csv row 1: end before start" in said


def test_identifiers_stay_text(tmp_path: Path) -> None:
    """Identifiers with leading zeros or an exponent are kept letter by letter."""
    path = write(
        tmp_path, "jobs.csv", JOBS_HEADER, "00123,0,1,1", "1e5,0,1,1", "9" * 40 + ",0,1,1"
    )
    trace = canonical.read([path], ReadOptions())
    assert trace.jobs is not None
    assert trace.jobs.ids is not None
    assert ["00123", "1e5", "9" * 40] == list(trace.jobs.ids)


def test_all_classes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    """One error lists every class of bad rows of all files, each with its first row and count."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,-1,1", "b,0,x,1", "c,0,-1,1", "d,0,1,1")
    other = write(tmp_path, "machines.csv", "machine,cpu_m,memory_mib", "m,nan,64")
    said = refusal(lambda: canonical.read([path, other], ReadOptions()), DataError)
    assert "jobs.csv row 1: duration_s: negative ('-1') (2 such rows, 50.00 %)" in said
    assert "jobs.csv row 2: duration_s: text where a number belongs ('x')" in said
    assert "machines.csv row 1: cpu_m: not a finite number ('nan')" in said
