"""What no row is behind: what the scenario says, who a result is, what other commands keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report.explain.figure import Figure, shown

if TYPE_CHECKING:
    from greensched.report.explain.source import Source

GIVEN: Final = "as the scenario says (its text is in manifest.json)"
RE_RUN: Final = (
    "found by running the scenario anew with fewer machines; sizing.json keeps what was tried, "
    "no rows of those runs"
)
SOLVED: Final = (
    "solved for by working out responses anew, hour by hour; the hours are not kept, only "
    "their sums by service"
)
FITTED: Final = (
    "fitted on the history of the traces, and tried on what came; both are in the trace, no rows "
    "are kept of forecasts"
)
WORDS: Final[dict[str, str]] = {
    "schema": "of this file",
    "name": GIVEN,
    "scenario_sha256": "SHA-256 of the scenario's checked values as canonical JSON",
    "seed": GIVEN,
    "version": "of the greensched that ran it",
    "stamp": "synthetic where any input was made; modelled; calibrated where `calibrate` says so",
    "window": GIVEN,
    "currency": "of the scenario's prices",
    "kind": GIVEN,
    "text": "what the baseline is, in words",
    "id": "the baseline's kind and the head of its SHA-256",
    "sha256": "SHA-256 of the baseline's setting as canonical JSON",
    "baseline_id": "the baseline's kind and the head of its SHA-256",
    "baseline_sha256": "SHA-256 of the baseline's setting as canonical JSON",
    "policies": GIVEN,
    "findings": "what readers dropped, filled or assumed",
    "machines_needed": RE_RUN,
    "sizing": RE_RUN,
    "machines_bound": "peak of sums over the databases' series, which are in the trace",
    "interference": SOLVED,
    "check": "what is compared",
    "unit": "of the number beside it",
    "ok": "whether the difference is within its tolerance",
    "attribution": "see the numbers in it",
}
OBJECTIVES: Final = {
    "latency_factor_p99": "latency_factor_p99",
    "shortage_share": "shortage_share",
    "deadline_miss": "deadline_miss_share",
    "wait_p95": "wait_p95_s",
}


def given(value: Any, path: list[str]) -> Figure:
    """Return what is to be said of a value that no row is behind."""
    words = next((WORDS[step] for step in reversed(path) if step in WORDS), GIVEN)
    if path[0] == "forecasts":
        words = FITTED
    return Figure(value=value, formula=words, with_values=shown(value), known=False)


def judged(source: Source, run: str, path: list[str]) -> Figure | None:
    """Return a limit, or whether it is held; None where the path is neither."""
    told: Any = source.summary[run][path[0]]
    name = path[-1]
    if "_limit" in name:
        words = "an objective (slo) of the scenario; none: not judged"
        value = told[name]
        return Figure(value=value, formula=words, with_values=shown(value), known=False)
    kind = name.removesuffix("_ok")
    if kind == name or kind not in OBJECTIVES:
        return None
    limit = told.get(f"{kind}_limit", told.get(f"{kind}_limit_s"))
    value = told[OBJECTIVES[kind]]
    if limit is None or value is None or (told.get("databases") == 0):
        return Figure(value=None, notes=("not judged: no objective, or nothing to judge",))
    return Figure(
        value=value <= limit,
        formula=f"{OBJECTIVES[kind]} <= limit",
        with_values=f"{shown(value)} <= {shown(limit)}",
    )
