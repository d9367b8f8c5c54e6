"""Saved answers of `query_range`: JSON files to series of samples, each row judged.

A file's name up to its first dot says which series it is (`cpu_use.2026-03-02.json`); several
files of one series are its chunks.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from greensched.errors import DataError, Finding
from greensched.readers.cells import INT32_MAX
from greensched.readers.cluster.metrics import QUERIES
from greensched.readers.cluster.quantities import MIB
from greensched.readers.files import plain
from greensched.readers.loading import Bad
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Labels: TypeAlias = tuple[tuple[str, str], ...]
Samples: TypeAlias = dict[int, float]  # time [Unix ms] -> value

TIME_MAX_S: Final = 1e11
COUNT_MAX: Final = float(INT32_MAX)
# The most of a value that is held, by how its series is called; of others CPU and GPUs.
VALUE_MAX: Final = {
    "memory": COUNT_MAX * MIB,
    "job": TIME_MAX_S,
    "replicas": COUNT_MAX,
    "hpa": COUNT_MAX,
}
CORES_MAX: Final = COUNT_MAX / CPU_M_PER_CORE
SAMPLE: Final = 2  # a time and a value


@dataclass(slots=True, kw_only=True)
class Matrix:
    """The samples of each named series by labels, and what is wrong with others."""

    bad: Bad
    series: dict[str, dict[Labels, Samples]] = field(default_factory=dict)
    copies: int = 0
    nans: int = 0
    warnings: list[str] = field(default_factory=list)

    def of(self, name: str) -> dict[Labels, Samples]:
        """Return the samples of a series by labels, empty where there is none."""
        return self.series.get(name, {})


def matrix_of(
    files: Sequence[Path], renamed: Mapping[str, str], member: str = ""
) -> tuple[Matrix, list[Path]]:
    """Return the samples in `files` and the files used; others of a folder are not answers.

    `renamed`: series -> how its files are called. Raises DataError where a file is no answer.
    """
    called = {renamed.get(name, name): name for name in QUERIES}
    named = [(called.get(path.name.split(".")[0], ""), path) for path in files]
    used = [(name, path) for name, path in named if name]
    label = files[0].parent.name if len(files) > 1 else files[0].name
    if not used:
        remedy = f"call them after their series: {', '.join(QUERIES)}; or --map cpu_use=NAME"
        raise DataError(Finding(where=label, what="no file is named as a series", remedy=remedy))
    found = Matrix(bad=Bad(label=label))
    errors = [f for name, path in used for f in _add(found, name, path, member)]
    if errors:
        raise DataError(*errors)
    return found, [path for _, path in used]


def _add(found: Matrix, name: str, path: Path, member: str) -> list[Finding]:
    """Add the samples of one file; return what makes it no answer."""
    try:
        with plain(path, member) as contents:
            answer = json.loads(contents.read_bytes())
    except (ValueError, RecursionError) as error:
        return [Finding(where=path.name, what=f"is no JSON ({str(error)[:80]})")]
    result = _result(answer)
    if isinstance(result, str):
        return [Finding(where=path.name, what=result)]
    for warning in answer.get("warnings") or ():
        found.warnings.append(f"{path.name}: the server warned: {str(warning)[:200]}")
    into: dict[Labels, Samples] = found.series.setdefault(name, defaultdict(dict))
    rows = _Rows(found, path.name, most_of(name))
    for one in result:
        labels = one.get("metric") if isinstance(one, dict) else None
        values = one.get("values") if isinstance(one, dict) else None
        if not isinstance(labels, dict) or not isinstance(values, list):
            return [Finding(where=path.name, what="a series has no labels or no values")]
        key = tuple(sorted((str(k), str(v)) for k, v in labels.items()))
        rows.take(values, into[key])
    return []


def _result(answer: Any) -> list[Any] | str:
    """Return the series of an answer, or what it is instead."""
    if not isinstance(answer, dict):
        return "is no answer of Prometheus"
    if answer.get("status") != "success":
        return f"the query had failed: {str(answer.get('error', answer.get('status')))[:200]}"
    data = answer.get("data")
    if not isinstance(data, dict) or data.get("resultType") != "matrix":
        return "is no matrix: ask with query_range, not with query"
    result = data.get("result")
    return result if isinstance(result, list) else "has no result"


class _Rows:
    """Takes samples of one file into series; rows count through all files."""

    def __init__(self, found: Matrix, file: str, most: float) -> None:
        self.found, self.file, self.most = found, file, most

    def take(self, values: Sequence[Any], into: Samples) -> None:
        """Add samples; a bad one is noted with its row, NaN is no sample."""
        for sample in values:
            self.found.bad.rows += 1
            time_ms, value, what = _sample(sample, self.most)
            if what:
                self._note(what, str(sample))
            elif math.isnan(value):
                self.found.nans += 1
            elif time_ms not in into:
                into[time_ms] = value
            elif into[time_ms] == value:
                self.found.copies += 1
            else:
                self._note("a series and time given again with another value", str(sample))

    def _note(self, what: str, cell: str) -> None:
        said = f"{self.file}: {what}"
        for i, (known, count, first, shown, remedy) in enumerate(self.found.bad.classes):
            if known == said:
                self.found.bad.classes[i] = (known, count + 1, first, shown, remedy)
                return
        self.found.bad.add(said, 1, self.found.bad.rows, cell)


def most_of(name: str) -> float:
    """Return the largest value that a series of this name may have."""
    kinds = (most for part, most in VALUE_MAX.items() if part in name.split("_"))
    return next(kinds, CORES_MAX)


def _sample(sample: Any, most: float) -> tuple[int, float, str]:
    """Return time [Unix ms], value, and what is wrong."""
    if not isinstance(sample, list) or len(sample) != SAMPLE:
        return 0, 0.0, "no pair of time and value"
    time_s, text = sample
    if (
        not isinstance(time_s, int | float)
        or isinstance(time_s, bool)
        or not 0 <= time_s < TIME_MAX_S
    ):
        return 0, 0.0, "no time"
    try:
        value = float(text) if isinstance(text, str) and "_" not in text else math.inf
    except ValueError:
        value = math.inf
    if math.isnan(value):
        return round(time_s * 1000), value, ""
    if not 0 <= value <= most:
        what = "more than is held" if value > most else "negative"
        return 0, 0.0, what if math.isfinite(value) else "no finite number"
    return round(time_s * 1000), value, ""
