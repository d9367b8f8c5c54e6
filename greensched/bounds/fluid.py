"""Fewest servers for services and jobs with deadlines, where work is a fluid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greensched.bounds.linear import Program, certificate, certified, solve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Fluid:
    """The bound: servers (whole), its exact value before rounding up, and the certificate."""

    servers: int
    exact: Fraction
    certificate: dict[str, Any]


def fluid_servers(
    online: Sequence[float],
    jobs: Sequence[tuple[float, int, int]],
    capacity: float,
) -> Fluid:
    """Return the least N with sum_j y_jt + x_t <= N c for all steps t, and all work done.

    `online` x_t [T]: work of services in each step; `jobs`: (work w_j, first step r_j, step
    before which it is done d_j), sum over r_j <= t < d_j of y_jt >= w_j; `capacity` c: what a
    server does in a step. All in one unit of work, such as [core h]. Raises ValueError where a
    job has no step.

    Source: the fluid LP of simulation.md ("tidal"), a transport problem; by max-flow min-cut its
    value is the largest mean over a set of steps of the work that must be done in them (Hall).
    Loose because work is split at will, over steps and servers, sees no memory, no switching
    and no interference, and the future is known.
    """
    if any(not 0 <= r < d <= len(online) for _, r, d in jobs):
        message = "a job needs at least one step within the horizon"
        raise ValueError(message)
    column, cells = 1, []
    for work, first, before in jobs:
        cells.append(range(column, column + before - first))
        column += before - first
        assert work >= 0
    rows: list[list[tuple[int, float]]] = [[(0, float(capacity))] for _ in online]
    for (_, first, _), cell in zip(jobs, cells, strict=True):
        for t, j in enumerate(cell, first):
            rows[t].append((j, -1.0))
    rows += [[(j, 1.0) for j in cell] for cell in cells]
    most = [math.ceil((sum(online) + sum(w for w, _, _ in jobs)) / capacity) + 1.0]
    most += [float(w) for (w, _, _), cell in zip(jobs, cells, strict=True) for _ in cell]
    program = Program(
        names=("servers", *(f"y{i}_{t}" for i, (_, r, d) in enumerate(jobs) for t in range(r, d))),
        cost=(1.0, *[0.0] * (column - 1)),
        most=tuple(most),
        rows=tuple(tuple(row) for row in rows),
        least=(*(float(x) for x in online), *(float(w) for w, _, _ in jobs)),
        row_names=(
            *(f"step {t}" for t in range(len(online))),
            *(f"job {i}" for i in range(len(jobs))),
        ),
    )
    _, _, dual = solve(program)
    proof = certificate(program, dual)
    exact = certified(proof)
    return Fluid(servers=max(0, math.ceil(exact)), exact=exact, certificate=proof)
