"""Every zone of files and folders at once, as the limits of shifting want them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from greensched.carbon import Labels, from_samples
from greensched.errors import DataError, Finding, UsageError
from greensched.providers.file_bulk import bulk
from greensched.providers.file_layout import layout_of, no_zone
from greensched.providers.files import files_in, header_of, read, zone_of_file, zones_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.carbon import CarbonIntensity, Fill
    from greensched.model import FloatArray, IntArray
    from greensched.providers.file_layout import Layout

# Zone -> the file that it is in.
Places = dict[str, Path]
Rows = dict[str, "tuple[IntArray, FloatArray]"]


def read_all(
    paths: Sequence[Path],
    *,
    wanted: Sequence[str] = (),
    time_zone: str | None = None,
    fill: Fill | None = None,
) -> dict[str, CarbonIntensity]:
    """Return every zone of files and folders, or those `wanted`, in the order of their names.

    A file alone whose rows name no zone is the one zone `wanted`; of several files, as in a
    folder, each is the zone that its name begins with. Raises DataError with the findings of all
    zones, UsageError where a zone is not said.
    """
    files = [f for path in paths for f in (files_in(path) if path.is_dir() else [path])]
    if not files:
        what, remedy = "holds no .csv and no .parquet", "name a folder that does"
        raise DataError(Finding(where=", ".join(map(str, paths)), what=what, remedy=remedy))
    alone = len(paths) == 1 and not paths[0].is_dir()
    layouts = _layouts(files)
    places = _places(layouts, wanted if alone else None)
    if wanted:
        missing = [no_zone("zones", zone, list(places)) for zone in wanted if zone not in places]
        if missing:
            raise DataError(*(finding for error in missing for finding in error.findings))
        places = {zone: places[zone] for zone in wanted}
    rows = _bulk_rows(layouts, places, time_zone)
    found: dict[str, CarbonIntensity] = {}
    findings: list[Finding] = []
    for zone in sorted(places):
        try:
            if zone in rows:
                labels = Labels(source=places[zone].name, basis=layouts[places[zone]].basis)
                found[zone] = from_samples(zone, *rows[zone], fill=fill, labels=labels)
            else:
                found[zone] = read(places[zone], zone, time_zone=time_zone, fill=fill)
        except DataError as error:
            findings += error.findings
    if findings:
        raise DataError(*findings)
    return found


def _layouts(files: Sequence[Path]) -> dict[Path, Layout]:
    """Return the layout of each file; raises DataError with the findings of all."""
    found: dict[Path, Layout] = {}
    findings: list[Finding] = []
    headers = _parquet_headers([f for f in files if f.suffix == ".parquet" and f.is_file()])
    for file in files:
        try:
            found[file] = layout_of(file.name, headers.get(file) or header_of(file))
            found[file].factor(file.name, "g/kWh")  # refuses another that a column states
        except DataError as error:
            findings += error.findings
    if findings:
        raise DataError(*findings)
    return found


def _parquet_headers(files: Sequence[Path]) -> dict[Path, list[str]]:
    """Return the columns of all Parquet files, asked in one go; none where one is damaged."""
    import duckdb

    headers: dict[Path, list[str]] = {}
    if files:
        with duckdb.connect(":memory:") as connection, contextlib.suppress(duckdb.Error):
            # The first row of each file is the root of its schema, which has children.
            asked = (
                "SELECT file_name, name FROM parquet_schema(?) WHERE num_children IS NULL "
                "OR num_children = 0"
            )
            for name, column in connection.execute(asked, [list(map(str, files))]).fetchall():
                headers.setdefault(Path(name), []).append(column)
    return headers


def _places(layouts: Mapping[Path, Layout], alone: Sequence[str] | None) -> Places:
    """Return which file each zone is in; `alone`: what the user calls a single file."""
    places: Places = {}
    findings = []
    for file, layout in layouts.items():
        for zone in _zones(file, layout, alone):
            if zone in places:
                what = f"zone {zone!r} is also in {places[zone].name}"
                findings.append(Finding(where=file.name, what=what, remedy="give one of them"))
            places[zone] = file
    if findings:
        raise DataError(*findings)
    return places


def _zones(file: Path, layout: Layout, alone: Sequence[str] | None) -> list[str]:
    if not layout.names_no_zone:
        return sorted(zones_in(file, layout))
    if alone is None:
        return [zone_of_file(file)]
    if len(alone) != 1:
        what, remedy = "its rows do not say which zone they are", "name it with --zone"
        raise UsageError(Finding(where=file.name, what=what, remedy=remedy))
    return list(alone)


def _bulk_rows(layouts: Mapping[Path, Layout], places: Places, time_zone: str | None) -> Rows:
    """Return the rows of the zones whose files can be read together; the others are left out."""
    if time_zone not in {None, "UTC"}:
        return {}
    groups: dict[tuple[str, Layout], list[Path]] = {}
    for file in dict.fromkeys(places.values()):
        if layouts[file].zone_column is None:
            groups.setdefault((file.suffix, layouts[file]), []).append(file)
    rows: Rows = {}
    for (_, layout), files in groups.items():
        naive_is_utc = time_zone == "UTC" or layout.says_utc
        read_rows = bulk(files, header_of(files[0]), layout, naive_is_utc=naive_is_utc)
        of_file = dict(zip(files, read_rows or [], strict=False))
        for zone, file in places.items():
            if file in of_file:
                times_ms, columns = of_file[file]
                rows[zone] = (times_ms, columns[layout.column_of(file.name, zone)])
    return rows
