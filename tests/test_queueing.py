"""Erlang formulas against published figures, exact sums and integration."""

from __future__ import annotations

import math
from fractions import Fraction

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched import queueing
from greensched.queueing import (
    erlang_b,
    erlang_c,
    response_p99_ms,
    response_tail,
    wait_mean_ms,
    wait_tail,
)


def _erlang_c_exact(servers: int, load: Fraction) -> Fraction:
    """Return Erlang C by its definition (Kleinrock 1975, 3.41), in rational arithmetic."""
    term, states = Fraction(1), Fraction(0)
    for k in range(servers):
        states += term
        term = term * load / (k + 1)
    waiting = term * servers / (servers - load)
    return waiting / (states + waiting)


def test_published_blocking() -> None:
    """15 lines offered 8.108 erlang lose 1 % of calls (Westbay Engineers, Erlang B manual)."""
    assert 0.01 == pytest.approx(erlang_b(15, 8.108), abs=5e-7)


def test_published_call_centre() -> None:
    """The worked example of Tanner, The Call-Center Response Book: 55 agents, 48 erlang, 240 s."""
    assert 0.239 == pytest.approx(erlang_c(55, 48.0), abs=5e-4)
    assert 8.2 == pytest.approx(wait_mean_ms(55, 48.0, 240_000.0) / 1_000, abs=0.05)
    assert 0.846 == pytest.approx(1 - wait_tail(55, 48.0, 240_000.0, 15_000.0), abs=5e-4)


def test_two_and_three_servers_by_hand() -> None:
    """M/M/2 at 1 erlang waits with probability 1/3, M/M/3 at 2 erlang with 4/9."""
    assert 1 / 3 == pytest.approx(erlang_c(2, 1.0), rel=1e-15)
    assert 4 / 9 == pytest.approx(erlang_c(3, 2.0), rel=1e-15)


@given(servers=st.integers(1, 60), share=st.fractions(Fraction(1, 100), Fraction(99, 100)))
def test_recursion_equals_definition(servers: int, share: Fraction) -> None:
    """The recursion gives the definition's exact value to 1e-11."""
    load = share * servers
    assert float(_erlang_c_exact(servers, load)) == pytest.approx(
        erlang_c(servers, float(load)), rel=1e-11
    )


def test_thousands_of_servers() -> None:
    """Erlang C stays exact at 1,500 servers, where factorials would overflow."""
    assert float(_erlang_c_exact(1_500, Fraction(1_470))) == pytest.approx(
        erlang_c(1_500, 1_470.0), rel=1e-9
    )


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9, 0.999])
def test_single_server_percentile(load: float) -> None:
    """The response of M/M/1 is exponential: its 99th percentile is ln(100) / (1 - load)."""
    assert 50.0 * math.log(100) / (1 - load) == pytest.approx(
        response_p99_ms(1, load, 50.0), rel=1e-12
    )


@given(
    servers=st.integers(1, 2_000),
    share=st.floats(0.001, 0.9999),
    service_ms=st.floats(0.01, 1e6),
)
def test_percentile_solves_tail(servers: int, share: float, service_ms: float) -> None:
    """One in a hundred responses is longer than the 99th percentile, at any size and load."""
    p99_ms = response_p99_ms(servers, share * servers, service_ms)
    assert 0.01 == pytest.approx(
        response_tail(servers, share * servers, service_ms, p99_ms), rel=1e-9
    )


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (2, 1.0), (2, 1.5), (5, 4.0), (5, 3.2)])
@pytest.mark.parametrize("time", [0.3, 2.0, 9.0])
def test_tail_equals_convolution(servers: int, load: float, time: float) -> None:
    """The response's tail is that of wait plus service, integrated numerically (c - a = 1 too)."""
    waits, spare, n = erlang_c(servers, load), servers - load, 20_000
    # P(T > t) = P(S > t) + integral over s < t of exp(-s) P(W > t - s) ds, by Simpson's rule
    width = time / n
    values = [
        math.exp(-i * width) * waits * math.exp(-spare * (time - i * width)) for i in range(n + 1)
    ]
    integral = (
        width / 3 * (values[0] + values[-1] + 4 * sum(values[1::2]) + 2 * sum(values[2:-1:2]))
    )
    assert math.exp(-time) + integral == pytest.approx(
        response_tail(servers, load, 1.0, time), rel=1e-9
    )


@given(servers=st.integers(2, 300), step=st.floats(-1e-6, 1e-6))
def test_tail_is_smooth_where_its_formula_is_singular(servers: int, step: float) -> None:
    """Close to c - a = 1 the percentile changes as little as the load does."""
    at = response_p99_ms(servers, servers - 1.0, 1.0)
    assert at == pytest.approx(response_p99_ms(servers, servers - 1.0 + step, 1.0), rel=1e-5)


@given(servers=st.integers(1, 200), a=st.floats(0.0, 0.999), b=st.floats(0.0, 0.999))
def test_more_load_never_faster(servers: int, a: float, b: float) -> None:
    """The 99th percentile does not fall as load rises."""
    low, high = sorted((a, b))
    assert response_p99_ms(servers, low * servers, 1.0) <= (
        response_p99_ms(servers, high * servers, 1.0) * (1 + 1e-12)
    )


@given(servers=st.integers(1, 200), load=st.floats(0.0, 250.0))
def test_more_servers_never_slower(servers: int, load: float) -> None:
    """One more server never makes the 99th percentile longer."""
    more = response_p99_ms(servers + 1, load, 1.0)
    assert more <= response_p99_ms(servers, load, 1.0) * (1 + 1e-12)


def test_unstable_queue_never_answers() -> None:
    """At a load of all servers or more everything waits, for ever."""
    assert math.inf == response_p99_ms(4, 4.0, 50.0)
    assert math.inf == wait_mean_ms(4, 5.0, 50.0)
    assert (1.0, 1.0, 1.0) == (
        erlang_c(4, 4.0),
        wait_tail(4, 4.0, 50.0, 1e9),
        response_tail(4, 4.0, 50.0, 1e9),
    )
    assert math.inf == response_p99_ms(0, 0.0, 50.0)


def test_no_load_no_wait() -> None:
    """Without load nothing waits and the response is the service alone."""
    assert (0.0, 0.0, 0.0) == (
        erlang_c(3, 0.0),
        wait_mean_ms(3, 0.0, 5.0),
        wait_tail(3, 0.0, 5.0, 0.0),
    )
    assert (0.0, 1.0) == (erlang_b(3, 0.0), erlang_b(0, 0.0))
    assert 50.0 * math.log(100) == pytest.approx(response_p99_ms(3, 0.0, 50.0), rel=1e-15)
    assert 0.5 == pytest.approx(response_tail(3, 0.0, 1.0, math.log(2)))
    assert 1.0 == response_tail(3, 1.0, 1.0, 0.0)


@pytest.mark.parametrize("name", ["erlang_c", "response_p99_ms"])
def test_compiled_equals_plain(name: str) -> None:
    """What the engine compiles compiles unchanged and agrees to the last bits."""
    plain = getattr(queueing, name)
    compiled = numba.njit(plain)
    extra = (50.0,) if name == "response_p99_ms" else ()
    for servers, load in ((1, 0.5), (2, 1.0), (10, 8.0), (3, 3.0), (2_000, 1_990.0), (4, 0.0)):
        assert plain(servers, load, *extra) == pytest.approx(
            compiled(servers, load, *extra), rel=1e-12
        )
