"""Linear programs whose bound anybody can compute again from the dual values.

A program is `min c x` with `A x >= b` and `0 <= x <= u`, all numbers finite. For any y >= 0

    c x  >=  y b - sum_j u_j max(0, (A' y - c)_j)                       (weak duality)

so a vector y is a certificate, whoever found it. The right-hand side is computed in rational
arithmetic (`fractions`): a float is a fraction, so rounding inside the solver can make the bound
a little smaller and never too large.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`min cost x` with `rows x >= least`, `0 <= x <= most`; a row is (column, value) pairs."""

    names: tuple[str, ...]
    cost: tuple[float, ...]
    most: tuple[float, ...]
    rows: tuple[tuple[tuple[int, float], ...], ...]
    least: tuple[float, ...]
    row_names: tuple[str, ...]


def solve(program: Program) -> tuple[float, list[float], list[float]]:
    """Return the least value, x and the dual values y >= 0 of the rows, by HiGHS on one thread.

    The value is inf (x and y empty) where nothing satisfies the rows. Raises InternalError where
    the solver fails.

    Source: Huangfu and Hall, Mathematical Programming Computation 10 (2018) 119, doi
    10.1007/s12532-017-0130-5.
    """
    import highspy

    model = highspy.HighsLp()
    n, m = len(program.cost), len(program.rows)
    model.num_col_, model.num_row_ = n, m
    model.col_cost_ = np.array(program.cost, np.float64)
    model.col_lower_, model.col_upper_ = np.zeros(n), np.array(program.most, np.float64)
    model.row_lower_ = np.array(program.least, np.float64)
    model.row_upper_ = np.full(m, highspy.kHighsInf)
    ends = np.cumsum([0, *(len(row) for row in program.rows)])
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = ends.astype(np.int32)
    model.a_matrix_.index_ = np.array([j for row in program.rows for j, _ in row], np.int32)
    model.a_matrix_.value_ = np.array([v for row in program.rows for _, v in row], np.float64)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)  # noqa: FBT003 highspy's own signature
    solver.setOptionValue("threads", 1)
    solver.passModel(model)
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return float("inf"), [], []
    if status != highspy.HighsModelStatus.kOptimal:
        message = f"HiGHS: {solver.modelStatusToString(status)}"
        raise InternalError(message)
    solution = solver.getSolution()
    dual = [max(0.0, float(v)) for v in solution.row_dual]
    return float(solver.getObjectiveValue()), [float(v) for v in solution.col_value], dual


def certificate(program: Program, dual: list[float]) -> dict[str, Any]:
    """Return all that is needed to compute the bound again, as plain values (JSON keeps them)."""
    return {
        "form": "min cost x; rows x >= least; 0 <= x <= most; dual >= 0",
        "names": list(program.names),
        "cost": list(program.cost),
        "most": list(program.most),
        "rows": [[[j, v] for j, v in row] for row in program.rows],
        "least": list(program.least),
        "row_names": list(program.row_names),
        "dual": dual,
    }


def certified(given: Mapping[str, Any]) -> Fraction:
    """Return the bound that a certificate proves, exactly: the right-hand side above."""
    dual = [Fraction(y) for y in given["dual"]]
    assert all(y >= 0 for y in dual)
    value = sum((y * Fraction(b) for y, b in zip(dual, given["least"], strict=True)), Fraction(0))
    gain = [-Fraction(c) for c in given["cost"]]
    for y, row in zip(dual, given["rows"], strict=True):
        for j, a in row:
            gain[j] += y * Fraction(a)
    most = [Fraction(u) for u in given["most"]]
    return value - sum((u * g for u, g in zip(most, gain, strict=True) if g > 0), Fraction(0))
