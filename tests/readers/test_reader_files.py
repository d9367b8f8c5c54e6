"""Compressed, archived, cut and hostile files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.readers import canonical, files, series, swf
from greensched.readers.options import ReadOptions
from tests.readers.builders import JOBS_HEADER, parquet, refusal, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CSV = f"{JOBS_HEADER}\na,0,10,1000\nb,5,10,2000\n".encode()
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
LOAD = ReadOptions(column="load", time_column="t_s", unit="cores")


def packed(folder: Path, suffix: str, contents: bytes = CSV) -> Path:
    """Write `contents` compressed as `suffix` says."""
    path = folder / f"jobs.csv{suffix}"
    path.write_bytes(PACK[suffix](contents))
    return path


@pytest.mark.parametrize("suffix", PACK)
def test_compressed_file_is_read(tmp_path: Path, suffix: str) -> None:
    """A compressed CSV is read as the plain one."""
    trace = canonical.read([packed(tmp_path, suffix)], ReadOptions())
    assert trace.jobs is not None
    assert [1000, 2000] == trace.jobs.cpu_m.tolist()


@pytest.mark.parametrize("suffix", PACK)
def test_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    """A compressed file that ends too early is refused, not read as far as it goes."""
    path = packed(tmp_path, suffix)
    path.write_bytes(path.read_bytes()[:-6])
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "damaged or cut short" in said


@pytest.mark.parametrize("suffix", PACK)
def test_bytes_after_the_end_are_refused(tmp_path: Path, suffix: str) -> None:
    """Bytes after the end of the compressed data are refused."""
    path = packed(tmp_path, suffix)
    path.write_bytes(path.read_bytes() + b"garbage")
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "damaged or cut short" in said


@pytest.mark.parametrize("suffix", PACK)
def test_joined_compressed_files_are_one(tmp_path: Path, suffix: str) -> None:
    """Two compressed streams after each other are one file, as their tools say."""
    path = packed(tmp_path, suffix)
    path.write_bytes(path.read_bytes() + PACK[suffix](b"c,7,1,1\n"))
    trace = canonical.read([path], ReadOptions())
    assert trace.jobs is not None
    assert 3 == len(trace.jobs)


@pytest.mark.parametrize("suffix", PACK)
def test_bomb_is_refused_by_its_ratio(tmp_path: Path, suffix: str) -> None:
    """A file that expands to more than 200 times its size is refused."""
    path = packed(tmp_path, suffix, CSV + b" " * (4 * 2**20))
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "expands to more than 200 times its size" in said


def test_bomb_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that expands beyond the limit in bytes is refused, whatever its ratio."""
    monkeypatch.setattr(files, "BYTES_MAX", len(CSV) - 1)
    said = refusal(lambda: canonical.read([packed(tmp_path, ".gz")], ReadOptions()), DataError)
    assert f"expands to more than {len(CSV) - 1:,} bytes" in said
    assert 8 * 2**30 == 8_589_934_592


def test_zip_bomb_is_refused(tmp_path: Path) -> None:
    """A zip member that expands to more than 200 times its size is refused."""
    path = tmp_path / "log.swf.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.swf", b";\n" * 2**22)
    said = refusal(lambda: swf.read([path], ReadOptions()), DataError)
    assert "expands to more than 200 times its size" in said


def archive_of(folder: Path, *names: str) -> Path:
    """Write a .tar.gz with one series under each of `names`."""
    path = folder / "load.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            contents = b"t_s,load\n0,1\n60,2\n"
            entry = tarfile.TarInfo(name)
            entry.size = len(contents)
            archive.addfile(entry, io.BytesIO(contents))
    return path


def archives(folder: Path) -> dict[str, Path]:
    """Write the series as a .tar.gz, a .tar and a .zip."""
    packed_tar = archive_of(folder, "a.csv")
    plain = folder / "load.tar"
    plain.write_bytes(gzip.decompress(packed_tar.read_bytes()))
    zipped = folder / "load.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.csv", "t_s,load\n0,1\n60,2\n")
        archive.comment = b"of a cluster"
    return {"tar.gz": packed_tar, "tar": plain, "zip": zipped}


@pytest.mark.parametrize("kind", ["tar.gz", "tar", "zip"])
def test_archive_with_other_bytes_is_refused(tmp_path: Path, kind: str) -> None:
    """An archive is the whole file: other bytes after it, or before it, are refused."""
    path = archives(tmp_path)[kind]
    whole = path.read_bytes()
    assert series.read([path], LOAD).services is not None
    inside = gzip.decompress(whole) if kind == "tar.gz" else whole
    for junk in (b"junk", b"junk" * 600, inside):
        after = inside + junk
        path.write_bytes(gzip.compress(after) if kind == "tar.gz" else after)
        assert "damaged or cut" in refusal(lambda: series.read([path], LOAD), DataError)
    path.write_bytes(b"junk" + whole)
    assert "damaged or cut" in refusal(lambda: series.read([path], LOAD), DataError)


def test_member_of_a_tar_is_read(tmp_path: Path) -> None:
    """The only file in a .tar.gz is read; resource forks of macOS do not count."""
    trace = series.read([archive_of(tmp_path, "./._a.csv", "x/a.csv")], LOAD)
    assert trace.services is not None
    assert [[1000, 2000]] == trace.services.load_cpu_m.tolist()


def test_archive_with_several_files_needs_a_member(tmp_path: Path) -> None:
    """An archive with two files is refused until one is named."""
    path = archive_of(tmp_path, "a.csv", "b.csv")
    said = refusal(lambda: series.read([path], LOAD), DataError)
    assert "several files inside (a.csv, b.csv)" in said
    assert "--member" in said
    named = ReadOptions(column="load", time_column="t_s", unit="cores", member="b.csv")
    assert series.read([path], named).services is not None


def test_truncated_tar_is_refused(tmp_path: Path) -> None:
    """A .tar.gz that ends too early is refused."""
    path = archive_of(tmp_path, "a.csv")
    path.write_bytes(path.read_bytes()[:-20])
    assert "damaged" in refusal(lambda: series.read([path], LOAD), DataError)


def test_damaged_parquet_has_one_message(tmp_path: Path) -> None:
    """A Parquet file whose footer is gone is refused with one plain sentence."""
    path = parquet(tmp_path, "jobs.parquet", "SELECT 'a' AS job, 0 AS submit_s")
    path.write_bytes(path.read_bytes()[:-9])
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "jobs.parquet: not a readable Parquet file (damaged or cut short)" == said


def test_floating_point_ids_of_parquet_are_refused(tmp_path: Path) -> None:
    """Identifiers that a typed file holds as floats have lost their letters: refused."""
    path = parquet(
        tmp_path,
        "jobs.parquet",
        "SELECT 1e5::DOUBLE AS job, 0 AS submit_s, 1 AS duration_s, 1 AS cpu_m",
    )
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "job is a floating-point number" in said


def test_nan_in_parquet_is_refused(tmp_path: Path) -> None:
    """A NaN in a typed column is refused as in a text file."""
    path = parquet(
        tmp_path,
        "jobs.parquet",
        "SELECT 'a' AS job, 0 AS submit_s, 'nan'::DOUBLE AS duration_s, 1 AS cpu_m",
    )
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "jobs.parquet row 1: duration_s: not a finite number" in said


def test_semicolons_are_refused_with_a_remedy(tmp_path: Path) -> None:
    """A file whose cells are apart by semicolons is refused, naming the reason."""
    path = write(tmp_path, "a.csv", "t_s;load", "0;1")
    said = refusal(lambda: series.read([path], LOAD), DataError)
    assert "cells are not separated by commas" in said


def test_column_names_twice_are_refused(tmp_path: Path) -> None:
    """Two columns of one name are refused: neither can be meant."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER + ",cpu_m", "a,0,1,1,2")
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "column names empty or twice (capitals do not count): ['cpu_m']" in said
