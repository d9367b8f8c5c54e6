"""Erlang C and the response of the M/M/c queue.

All functions are scalar, call nothing of ours and stay in the subset that the engine compiles.
`servers` is the number of cores c, `offered_load` the work wanted a = arrival rate x mean service
time [erlang, that is cores]. The queue is stable for a < c only.

Source: L. Kleinrock, Queueing Systems, vol. 1 (1975), section 3.5; the recursion for Erlang B is
D. L. Jagerman, Bell System Technical Journal 53 (1974) 525-551, which is stable for any c.
"""

from __future__ import annotations

import math
from typing import Final

P99_TAIL: Final = 0.01
NOTHING: Final = 1e-18  # of a sum: what follows is less
CLOSE: Final = 1e-9  # of a step of Newton's: the error after it is the square


def erlang_b(servers: int, offered_load: float) -> float:
    """Return the share of requests lost by `servers` cores without a queue."""
    if offered_load <= 0.0:
        return 1.0 if servers <= 0 else 0.0
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = offered_load * blocked / (n + offered_load * blocked)
    return blocked


def erlang_c(servers: int, offered_load: float) -> float:
    """Return the probability that a request has to wait; 1.0 where the queue is not stable."""
    if offered_load >= servers:
        return 1.0
    if offered_load <= 0.0:
        return 0.0
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = offered_load * blocked / (n + offered_load * blocked)
    return blocked * servers / (servers - offered_load * (1.0 - blocked))


def wait_mean_ms(servers: int, offered_load: float, service_time_ms: float) -> float:
    """Return the mean wait [ms] before service; inf where the queue is not stable."""
    if offered_load >= servers:
        return math.inf
    if offered_load <= 0.0:
        return 0.0
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = offered_load * blocked / (n + offered_load * blocked)
    waits = blocked * servers / (servers - offered_load * (1.0 - blocked))
    return waits * service_time_ms / (servers - offered_load)


def wait_tail(servers: int, offered_load: float, service_time_ms: float, wait_ms: float) -> float:
    """Return the probability of a wait longer than `wait_ms`; 1.0 where not stable."""
    if offered_load >= servers:
        return 1.0
    if offered_load <= 0.0:
        return 0.0
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = offered_load * blocked / (n + offered_load * blocked)
    waits = blocked * servers / (servers - offered_load * (1.0 - blocked))
    return waits * math.exp(-(servers - offered_load) * wait_ms / service_time_ms)


def response_tail(
    servers: int, offered_load: float, service_time_ms: float, response_ms: float
) -> float:
    """Return the probability of a response (wait and service) longer than `response_ms`.

    With t in mean service times, g = c - a - 1 and C the Erlang C probability:
    P(T > t) = exp(-t) (1 + C (1 - exp(-g t)) / g), and exp(-t) (1 + C t) where g = 0.
    """
    if offered_load >= servers:
        return 1.0
    t = response_ms / service_time_ms
    if t <= 0.0:
        return 1.0
    if offered_load <= 0.0:
        return math.exp(-t)
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = offered_load * blocked / (n + offered_load * blocked)
    waits = blocked * servers / (servers - offered_load * (1.0 - blocked))
    gap = servers - offered_load - 1.0
    if gap == 0.0:
        return math.exp(-t) * (1.0 + waits * t)
    if gap * t > -1.0:
        return math.exp(-t) * (1.0 - waits * math.expm1(-gap * t) / gap)
    # far from gap = 0 the two exponentials are taken apart, as exp(-gap t) would overflow
    return math.exp(-t) * (1.0 - waits / -gap) + waits * math.exp(-(1.0 + gap) * t) / -gap


def response_p99_ms(servers: int, offered_load: float, service_time_ms: float) -> float:
    """Return the 99th percentile of the response [ms]; inf where `offered_load >= servers`.

    Newton's steps on log P(T > t) (see `response_tail`), which is nearly a straight line of slope
    C exp(-(c - a) t) / P(T > t) - 1; kept between the response without any wait and ln(200) (1 +
    1 / (c - a)), where wait and service each exceed their share with probability at most 0.005.
    """
    if offered_load >= servers:
        return math.inf
    low = -math.log(P99_TAIL)
    if offered_load <= 0.0:
        return low * service_time_ms
    # 1 / B is the sum of c! / (n! a^(c - n)) over n = 0 .. c: without a division a step
    term, total, each = 1.0, 1.0, 1.0 / offered_load
    for n in range(servers, 0, -1):
        term *= n * each
        total += term
        if term < NOTHING * total:
            break
    blocked = 1.0 / total
    waits = blocked * servers / (servers - offered_load * (1.0 - blocked))
    spare = servers - offered_load
    gap = spare - 1.0
    high = -math.log(P99_TAIL / 2.0) * (1.0 + 1.0 / spare)
    t = low
    for _ in range(200):
        if gap == 0.0:
            tail = math.exp(-t) * (1.0 + waits * t)
        elif gap * t > -1.0:
            tail = math.exp(-t) * (1.0 - waits * math.expm1(-gap * t) / gap)
        else:
            tail = math.exp(-t) * (1.0 + waits / gap) - waits * math.exp(-spare * t) / gap
        if tail > P99_TAIL:
            low = t
        else:
            high = t
        before = t
        t += math.log(tail / P99_TAIL) / (1.0 - waits * math.exp(-spare * t) / tail)
        t = min(max(t, low), high)
        if abs(t - before) <= CLOSE * t:
            break
    return t * service_time_ms
