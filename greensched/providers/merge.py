"""Layers of points laid over each other: at each time the first layer that has a value counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.carbon import Labels
    from greensched.model import FloatArray, Int8Array, IntArray
    from greensched.providers.points import Points


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Values [g/kWh] on intervals that rise and do not overlap."""

    start_ms: IntArray
    end_ms: IntArray
    values_g_per_kwh: FloatArray
    status: Int8Array
    labels: Labels


def layer_of(points: Points, labels: Labels) -> Layer:
    """Return points that passed the gates as a layer."""
    return Layer(
        start_ms=points.start_ms,
        end_ms=points.end_ms,
        values_g_per_kwh=points.values_g_per_kwh,
        status=points.status,
        labels=labels,
    )


def merged(
    layers: Sequence[Layer], from_ms: int, until_ms: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Return edges [steps + 1], and of each step the layer (-1: none) and its row there."""
    bounds = [np.array([from_ms, until_ms], np.int64)]
    bounds += [np.concatenate([layer.start_ms, layer.end_ms]) for layer in layers]
    edges = np.unique(np.clip(np.concatenate(bounds), from_ms, until_ms))
    origin = np.full(len(edges) - 1, -1, np.int64)
    rows = np.zeros(len(edges) - 1, np.int64)
    for k, layer in enumerate(layers):
        if not len(layer.start_ms):
            continue
        row = np.searchsorted(layer.start_ms, edges[:-1], side="right") - 1
        holds = (row >= 0) & (edges[:-1] < layer.end_ms[row]) & (origin < 0)
        origin[holds], rows[holds] = k, row[holds]
    return edges, origin, rows
