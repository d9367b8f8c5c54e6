"""Each source's own answers, as its documentation shows them, and what is asked of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from greensched import registry
from greensched.carbon import ACTUAL, ESTIMATED, FORECAST
from greensched.errors import DataError, OutsideError, UsageError
from greensched.providers.points import Query, Settings
from greensched.providers.web import Web
from tests.carbon.server import Reply, Request, Server, serving
from tests.carbon.worlds import HOUR_MS, NOW_MS, SECRET, with_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from greensched.providers.points import Points

DAY_MS = 24 * HOUR_MS


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return who asks a source whose server answers `body`, and gives points and server."""
    with_secrets(monkeypatch)
    with ExitStack() as stack:

        def asking(
            name: str,
            body: Any,
            kind: str = "forecast",
            query: Query | None = None,
            settings: Settings | None = None,
        ) -> tuple[Points, Server]:
            respond = body if callable(body) else lambda _: Reply(body=body)
            server = stack.enter_context(serving(respond))
            web = stack.enter_context(Web.open())
            source = registry.source(f"{name}:{server.url}", settings or Settings(signal=None))
            asked = query or around("DE")
            return getattr(source, kind)(asked, web), server

        yield asking


def around(zone: str, past_h: int = 2, ahead_h: int = 30) -> Query:
    """Return a question around `NOW_MS`."""
    return Query(
        zone=zone,
        from_ms=NOW_MS - past_h * HOUR_MS,
        until_ms=NOW_MS + ahead_h * HOUR_MS,
        now_ms=NOW_MS,
    )


def rows(points: Points) -> list[tuple[Any, ...]]:
    """Return start and end [h since NOW_MS], value and status of points."""
    return [
        ((a - NOW_MS) / HOUR_MS, (b - NOW_MS) / HOUR_MS, v, s)
        for a, b, v, s in zip(
            points.start_ms.tolist(),
            points.end_ms.tolist(),
            points.values_g_per_kwh.tolist(),
            points.status.tolist(),
            strict=True,
        )
    ]


def test_electricity_maps_history(ask: Any) -> None:
    """The last day is asked of `history` with the token in its header; estimates are marked."""
    hour = {
        "zone": "DE",
        "carbonIntensity": 322,
        "datetime": "2026-02-28T23:00:00.000Z",
        "updatedAt": "2026-02-28T23:30:00.000Z",
        "emissionFactorType": "lifecycle",
        "isEstimated": True,
        "estimationMethod": "TIME_SLICER_AVERAGE",
    }
    early = {**hour, "datetime": "2026-02-28T22:00:00.000Z", "isEstimated": False}
    points, server = ask("electricity-maps", {"zone": "DE", "history": [hour, early]}, "actual")
    assert [(-2, -1, 322.0, ACTUAL), (-1, 0, 322.0, ESTIMATED)] == rows(points)
    assert ("average", "lifecycle") == (points.labels.signal, points.labels.basis)
    (request,) = server.asked
    assert "/v3/carbon-intensity/history" == request.path
    assert SECRET == request.headers["auth-token"]
    assert {"zone": "DE", "shouldUseFallbackCallerLookup": "false"} == request.params


def test_electricity_maps_past_range(ask: Any) -> None:
    """Weeks of the past are asked in pieces of at most ten days that meet."""
    query = around("DE", past_h=25 * 24)
    points, server = ask("electricity-maps", {"zone": "DE", "data": []}, "actual", query)
    assert 0 == len(points)
    spans = [(r.params["start"], r.params["end"]) for r in server.asked]
    assert [
        ("2026-02-04T00:00:00Z", "2026-02-14T00:00:00Z"),
        ("2026-02-14T00:00:00Z", "2026-02-24T00:00:00Z"),
        ("2026-02-24T00:00:00Z", "2026-03-01T00:00:00Z"),
    ] == spans


def test_electricity_maps_forecast(ask: Any) -> None:
    """A forecast says when it was made, and the shortest horizon that is long enough is asked."""
    body = {
        "zone": "DE",
        "forecast": [{"carbonIntensity": 312, "datetime": "2026-03-01T00:00:00.000Z"}],
        "updatedAt": "2026-02-28T23:50:00.000Z",
    }
    points, server = ask("electricity-maps", body)
    assert [(0, 1, 312.0, FORECAST)] == rows(points)
    assert NOW_MS - 600_000 == points.labels.issued_at_ms
    assert "48" == server.asked[0].params["horizonHours"]


def watttime_body(units: str = "lbs_co2_per_mwh", signal: str = "co2_moer") -> dict[str, Any]:
    """Return the documentation's answer."""
    return {
        "meta": {
            "region": "CAISO_NORTH",
            "signal_type": signal,
            "units": units,
            "generated_at": "2026-03-01T00:00:00+00:00",
            "generated_at_period_seconds": 300,
            "data_point_period_seconds": 300,
            "model": {"date": "2026-03-01"},
        },
        "data": [{"point_time": "2026-03-01T00:00:00+00:00", "value": 870.0}],
    }


def logging_in(body: dict[str, Any], status: int = 200) -> Callable[[Request], Reply]:
    """Return a server that gives a token at /login and else `body`."""
    return lambda r: (
        Reply(body={"token": "abc"}) if r.path == "/login" else Reply(body=body, status=status)
    )


def test_watttime_forecast(ask: Any) -> None:
    """Pounds per MWh become grams per kWh (x 0.45359237), and are labelled marginal."""
    points, server = ask("watttime", logging_in(watttime_body()), query=around("CAISO_NORTH"))
    ((start, end, value, status),) = rows(points)
    assert (0, pytest.approx(1 / 12), pytest.approx(394.6253619), FORECAST) == (
        start,
        end,
        value,
        status,
    )
    assert "marginal" == points.labels.signal
    login, forecast = server.asked
    assert login.headers["authorization"].startswith("Basic ")
    assert "Bearer abc" == forecast.headers["authorization"]
    assert {"region": "CAISO_NORTH", "signal_type": "co2_moer", "horizon_hours": "30"} == (
        forecast.params
    )


def test_watttime_logs_in_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token of a login is used again for as long as it is valid."""
    with_secrets(monkeypatch)
    with serving(logging_in(watttime_body())) as server, Web.open() as web:
        source = registry.source(f"watttime:{server.url}", Settings())
        for _ in range(3):
            source.forecast(around("CAISO_NORTH"), web)
    assert 1 == [r.path for r in server.asked].count("/login")


def test_watttime_refuses_other_units(ask: Any) -> None:
    """A unit that is not known is refused, not guessed."""
    with pytest.raises(DataError, match="the unit 'percentile' is not known"):
        ask("watttime", logging_in(watttime_body("percentile")), query=around("CAISO_NORTH"))


def test_watttime_average_has_no_forecast(ask: Any) -> None:
    """The average signal is asked for by its name; of its forecast nobody is asked."""
    settings = Settings(signal="average")
    query = around("CAISO_NORTH", past_h=40 * 24)
    body = logging_in({**watttime_body(signal="co2_aoer"), "data": []})
    points, server = ask("watttime", body, "actual", query, settings)
    assert "average" == points.labels.signal
    assert ["co2_aoer"] * 2 == [r.params["signal_type"] for r in server.asked[1:]]
    points, server = ask("watttime", body, "forecast", query, settings)
    assert ((), "the average signal has no forecast") == (tuple(server.asked), points.notes[0])


def test_watttime_without_a_token(ask: Any) -> None:
    """A login that gives no token is told, whatever else it gives."""
    answers: list[Any] = [{}, {"token": 5}, {"token": "a\nb"}, []]
    for body in answers:
        with pytest.raises(OutsideError, match="the login gave no token"):
            ask("watttime", body, query=around("CAISO_NORTH"))


def test_uk_actual_and_forecast(ask: Any) -> None:
    """Half hours with times to the minute; an actual value that is null is not known."""
    body = {
        "data": [
            {
                "from": "2026-02-28T23:00Z",
                "to": "2026-02-28T23:30Z",
                "intensity": {"forecast": 266, "actual": 263, "index": "moderate"},
            },
            {
                "from": "2026-02-28T23:30Z",
                "to": "2026-03-01T00:00Z",
                "intensity": {"forecast": 270, "actual": None, "index": "moderate"},
            },
        ]
    }
    points, server = ask("uk-carbon-intensity", body, "actual", around("GB"))
    assert [(-1.0, -0.5, 263.0)] == [row[:3] for row in rows(points)][:1]
    assert points.values_g_per_kwh[1] != points.values_g_per_kwh[1]
    assert "/intensity/2026-02-28T22:00Z/2026-03-01T00:00Z" == server.asked[0].path
    points, server = ask("uk-carbon-intensity", body, "forecast", around("GB"))
    assert [266.0, 270.0] == points.values_g_per_kwh.tolist()
    assert "/intensity/2026-03-01T00:00Z/fw48h" == server.asked[0].path


def test_uk_regions(ask: Any) -> None:
    """A region is a number behind the zone: forecasts only, one level deeper in the answer."""
    half = {
        "from": "2026-03-01T00:00Z",
        "to": "2026-03-01T00:30Z",
        "intensity": {"forecast": 50, "index": "low"},
    }
    body = {"data": {"regionid": 16, "shortname": "Scotland", "data": [half]}}
    points, server = ask("uk-carbon-intensity", body, "forecast", around("GB-16"))
    assert [(0.0, 0.5, 50.0, FORECAST)] == rows(points)
    assert server.asked[0].path.endswith("/fw48h/regionid/16")
    points, server = ask("uk-carbon-intensity", body, "actual", around("GB-16"))
    assert ([], 0) == (server.asked, len(points))
    for zone in ("DE", "GB-0", "GB-18", "GB-1/../x"):
        with pytest.raises(UsageError, match="has no zone"):
            ask("uk-carbon-intensity", body, "forecast", around(zone))


def test_carbon_aware_sdk(ask: Any) -> None:
    """Spans are minutes in forecasts and [d.]hh:mm:ss in past values; the signal is the user's."""
    settings = Settings(signal="marginal")
    forecast = [
        {
            "generatedAt": "2026-02-28T23:50:00+00:00",
            "location": "northeurope",
            "windowSize": 10,
            "optimalDataPoint": {},
            "forecastData": [
                {"timestamp": "2026-03-01T00:00:00+00:00", "duration": 30, "value": 532.0}
            ],
        }
    ]
    points, server = ask("carbon-aware-sdk", forecast, "forecast", around("northeurope"), settings)
    assert [(0.0, 0.5, 532.0, FORECAST)] == rows(points)
    assert "marginal" == points.labels.signal
    assert {"location": "northeurope"} == server.asked[0].params
    past = [
        {
            "location": "x",
            "time": "2026-02-28T00:00:00+00:00",
            "rating": 65,
            "duration": "1.00:00:00",
        }
    ]
    points, _ = ask("carbon-aware-sdk", past, "actual", around("northeurope", 48), settings)
    assert [(-24.0, 0.0, 65.0, ACTUAL)] == rows(points)
    past[0]["duration"] = "PT1H"
    with pytest.raises(DataError, match="does not end after its start"):
        ask("carbon-aware-sdk", past, "actual", around("northeurope", 48), settings)


def matrix(*series: list[list[Any]]) -> dict[str, Any]:
    """Return an answer of Prometheus."""
    result = [{"metric": {}, "values": values} for values in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def test_prometheus(ask: Any) -> None:
    """The query is the user's with the zone in it; NaN is not known; the unit is as he says."""
    second = NOW_MS // 1000 - 3600
    body = matrix([[second, "100.5"], [second + 900, "NaN"]])
    settings = Settings(signal="average", unit="lb/MWh", query='ci{z="$zone"}')
    points, server = ask("prometheus", body, "actual", around('D"E'), settings)
    assert [(-1.0, -0.75, pytest.approx(45.586033185), ACTUAL)] == rows(points)[:1]
    assert points.values_g_per_kwh[1] != points.values_g_per_kwh[1]
    (request,) = server.asked
    assert 'ci{z="D\\"E"}' == request.params["query"]
    assert "900" == request.params["step"]
    assert f"Bearer {SECRET}" == request.headers["authorization"]


def test_prometheus_refusals(ask: Any) -> None:
    """Two series, a failed query and a matrix that is none are errors; no series is nothing."""
    settings = Settings(signal="average")
    two = matrix([[1, "1"]], [[1, "2"]])
    for body, error, match in (
        (two, DataError, "the query gives 2 series; narrow it to one"),
        ({"status": "error", "error": "parse error"}, OutsideError, "parse error"),
        ({"status": "success", "data": []}, DataError, "no matrix"),
        (matrix([["a", "1"]]), DataError, "no sample"),
        (matrix([[1, "x"]]), DataError, "no number"),
    ):
        with pytest.raises(error, match=match):
            ask("prometheus", body, "actual", around("DE"), settings)
    points, _ = ask("prometheus", matrix(), "actual", around("DE"), settings)
    assert 0 == len(points)


def test_what_cannot_be_named() -> None:
    """A source that needs an address or a signal says so; one of another signal names one."""
    for text, signal, match in (
        ("prometheus", "average", "needs its address; write prometheus:http://HOST:PORT"),
        ("prometheus:http://x", None, "--signal average or marginal"),
        ("carbon-aware-sdk:http://x", None, "--signal average or marginal"),
        ("electricity-maps", "marginal", "watttime is marginal"),
        ("uk-carbon-intensity", "marginal", "watttime is marginal"),
        ("constant:x", None, "'x' is no number; such as constant:530.6"),
        ("profile:530+x", None, "no whole hours"),
        ("nothing", None, "no such file or source"),
        ("bundled:nothing", None, "no bundled sample"),
    ):
        with pytest.raises(UsageError, match=match):
            registry.source(text, Settings(signal=signal))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="not above 0"):
        registry.source("constant:0", Settings())


def test_data_is_below_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`data:PATH` is a file below $GREENSCHED_DATA, which has to be set; nothing outside it."""
    (tmp_path / "data").mkdir()
    for name in ("DE.csv", "data/DE.csv"):
        (tmp_path / name).write_text("timestamp,carbon_intensity\n2026-01-01T00:00Z,1\n")
    monkeypatch.setenv("GREENSCHED_DATA", str(tmp_path / "data"))
    assert str(tmp_path / "data/DE.csv") == registry.source("data:DE.csv", Settings()).place
    with pytest.raises(UsageError, match=r"data:../DE.csv: lies outside \$GREENSCHED_DATA"):
        registry.source("data:../DE.csv", Settings())
    monkeypatch.delenv("GREENSCHED_DATA")
    with pytest.raises(UsageError, match="which is not set; set it to the data's folder"):
        registry.source("data:DE.csv", Settings())


def test_profile_is_synthetic_with_the_factor_as_its_mean() -> None:
    """A profile's day has the annual factor as mean, is cleanest after noon there, and flagged."""
    source = registry.source("profile:530.6+8", Settings())
    with Web.open() as web:
        points = source.forecast(around("CN", 0, 24), web)
    assert 530.6 == pytest.approx(points.values_g_per_kwh.mean(), rel=1e-12)
    assert points.labels.synthetic
    assert 13 == (int(points.values_g_per_kwh.argmin()) + 8) % 24
    assert 0.7 == pytest.approx(points.values_g_per_kwh.min() / 530.6 - 0.15, abs=1e-9)


def test_constant_is_estimated_before_now() -> None:
    """An annual factor measured no hour: its past is an estimate, its future a forecast."""
    source = registry.source("constant:0.5306", Settings(unit="t/MWh"))
    with Web.open() as web:
        (past,), (future,) = (rows(f(around("CN"), web)) for f in (source.actual, source.forecast))
    assert (-2, 0, pytest.approx(530.6), ESTIMATED) == past
    assert (0, 30, pytest.approx(530.6), FORECAST) == future
