"""The modelled 99th-percentile response of every service in every load step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.compiling import entry, inner
from greensched.queueing import response_p99_ms as _response_p99_ms

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

response_p99_ms = inner(_response_p99_ms)


@entry
def fill(
    load: Table,
    online_ms: Table,
    lengths: Table,
    cpu_m: Table,
    service_ms: Table,
    slow: Table,
    out: Table,
) -> None:
    """Fill `out` [steps, services]: c whole cores of the mean replicas, at least one.

    Requests take `slow` times as long, and so ask for as much more; 0: not asked for.
    """
    steps = load.shape[1]
    for s in range(load.shape[0]):
        for k in range(out.shape[0]):
            if lengths[k] <= 0 or slow[k, s] <= 0.0:
                continue
            want = load[s, min(k, steps - 1)] / 1000.0 * slow[k, s]
            cores = online_ms[k, s] * cpu_m[s] // (lengths[k] * 1000)
            if online_ms[k, s] > 0:
                cores = max(cores, 1)
            out[k, s] = response_p99_ms(cores, want, service_ms[s] * slow[k, s])


def response_table(
    load: NDArray[np.int64],
    online_ms: NDArray[np.int64],
    lengths: NDArray[np.int64],
    cpu_m: NDArray[np.int64],
    service_ms: NDArray[np.float64],
    slow: NDArray[np.float64],
) -> NDArray[Any]:
    """Return the response [ms] at [step, service]; inf where load reaches capacity.

    `load` [services, steps] millicores; `online_ms` [steps + 1, services] replica-milliseconds;
    `lengths` [steps + 1] of the steps and the drain; `cpu_m` and `service_ms` by service; `slow`
    [steps + 1, services] times as long as alone, 0 where no response is wanted.
    """
    out = np.zeros(online_ms.shape)
    fill(load, online_ms, lengths, cpu_m, service_ms, slow, out)
    return out
