"""One true series, told in the form of every provider: servers that answer as the real ones do.

A provider without an entry in `TOLD` fails `tests/carbon/test_laws_carbon.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from greensched import registry
from greensched.providers.points import Query, Settings
from greensched.providers.web import Web
from tests.carbon.server import Reply, Request, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from greensched.carbon import Signal
    from greensched.providers.points import Provider

HOUR_MS = 3_600_000
NOW_MS = 1_772_323_200_000  # 2026-03-01T00:00Z
SECRET = "s3cret-T0ken"  # noqa: S105 made up


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Hours of intensity [g/kWh] around `now_ms`; None is null, "absent" is left out."""

    values: tuple[float | None, ...]
    now_ms: int = NOW_MS
    past_h: int = 0  # how many of the hours lie before now
    zone: str = "GB"
    turned: bool = False  # rows in reverse order

    @property
    def start_ms(self) -> int:
        """Return when the first hour begins."""
        return self.now_ms - self.past_h * HOUR_MS

    @property
    def query(self) -> Query:
        """Return the question for all of it."""
        return Query(
            zone=self.zone,
            from_ms=self.start_ms,
            until_ms=self.start_ms + len(self.values) * HOUR_MS,
            now_ms=self.now_ms,
        )

    def rows(self, *, future: bool) -> list[tuple[int, float | None]]:
        """Return (start [ms], value) of the hours before or after now."""
        all_rows = [(self.start_ms + i * HOUR_MS, v) for i, v in enumerate(self.values)]
        rows = [row for row in all_rows if (row[0] >= self.now_ms) == future]
        return rows[::-1] if self.turned else rows


def iso(time_ms: int, form: str = "%Y-%m-%dT%H:%M:%S.000Z") -> str:
    """Return an instant as text."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime(form)


def electricity_maps(world: World, request: Request) -> Reply:
    """Answer as Electricity Maps v3."""
    kind = request.path.rpartition("/")[2]
    if request.headers.get("auth-token") != SECRET:
        return Reply(status=401, body={"message": f"Invalid token {SECRET}"})
    rows = [
        {"zone": world.zone, "carbonIntensity": v, "datetime": iso(t), "isEstimated": False}
        for t, v in world.rows(future=kind == "forecast")
    ]
    key = {"history": "history", "past-range": "data", "forecast": "forecast"}[kind]
    return Reply(body={"zone": world.zone, key: rows, "updatedAt": iso(world.now_ms)})


def watttime(world: World, request: Request) -> Reply:
    """Answer as WattTime v3, in lb/MWh and by the hour."""
    if request.path == "/login":
        good = request.headers.get("authorization", "").startswith("Basic ")
        return Reply(body={"token": f"{SECRET}-bearer"}, status=200 if good else 401)
    if request.headers.get("authorization") != f"Bearer {SECRET}-bearer":
        return Reply(status=401, body={"error": "expired"})
    rows = [
        {
            "point_time": iso(t, "%Y-%m-%dT%H:%M:%S+00:00"),
            "value": None if v is None else v / 0.45359237,
        }
        for t, v in world.rows(future=request.path == "/v3/forecast")
    ]
    meta = {
        "region": request.params["region"],
        "signal_type": request.params["signal_type"],
        "units": "lbs_co2_per_mwh",
        "data_point_period_seconds": 3600,
        "generated_at": iso(world.now_ms, "%Y-%m-%dT%H:%M:%S+00:00"),
    }
    return Reply(body={"data": rows, "meta": meta})


def uk_carbon_intensity(world: World, request: Request) -> Reply:
    """Answer as NESO's API: minute-precision times, half hours given as hours here."""
    future = request.path.endswith("/fw48h")
    key = "forecast" if future else "actual"
    rows = [
        {
            "from": iso(t, "%Y-%m-%dT%H:%MZ"),
            "to": iso(t + HOUR_MS, "%Y-%m-%dT%H:%MZ"),
            "intensity": {"forecast": None, "actual": None, "index": "low", key: v},
        }
        for t, v in world.rows(future=future)
    ]
    return Reply(body={"data": rows})


def carbon_aware_sdk(world: World, request: Request) -> Reply:
    """Answer as the Carbon Aware SDK's WebApi."""
    place = request.params["location"]
    if request.path == "/emissions/bylocation":
        rows = [
            {"location": place, "time": iso(t), "rating": v, "duration": "01:00:00"}
            for t, v in world.rows(future=False)
        ]
        return Reply(body=rows) if rows else Reply(status=204, body=b"")
    data = [
        {"location": place, "timestamp": iso(t), "duration": 60, "value": v}
        for t, v in world.rows(future=True)
    ]
    forecast = {"generatedAt": iso(world.now_ms), "location": place, "forecastData": data}
    return Reply(body=[forecast])


def prometheus(world: World, request: Request) -> Reply:
    """Answer as Prometheus: one value every 15 minutes, nulls left out."""
    start, end = float(request.params["start"]), float(request.params["end"])
    values = [
        [t / 1000 + quarter * 900, repr(v)]
        for t, v in world.rows(future=False)
        for quarter in range(4)
        if v is not None and start <= t / 1000 + quarter * 900 <= end
    ]
    result = [{"metric": {"zone": world.zone}, "values": values}] if values else []
    return Reply(body={"status": "success", "data": {"resultType": "matrix", "result": result}})


# Provider -> who answers for it; None where nobody is asked.
TOLD: dict[str, Callable[[World, Request], Reply] | None] = {
    "carbon-aware-sdk": carbon_aware_sdk,
    "constant": None,
    "electricity-maps": electricity_maps,
    "files": None,
    "profile": None,
    "prometheus": prometheus,
    "uk-carbon-intensity": uk_carbon_intensity,
    "watttime": watttime,
}
LIVE = sorted(name for name, told in TOLD.items() if told is not None)
HOURLY = sorted({*LIVE, "files"})  # whose values by the hour are the world's
FORESEES = sorted({*HOURLY} - {"prometheus"})
VARIABLES = ("ELECTRICITY_MAPS_TOKEN", "WATTTIME_PASSWORD", "PROMETHEUS_TOKEN")


def with_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set every token and password to `SECRET`."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, SECRET)
    monkeypatch.setenv("WATTTIME_USER", "somebody")


def written(world: World, folder: Path) -> Path:
    """Write the world as a file and return it."""
    rows = [*world.rows(future=False), *world.rows(future=True)]
    lines = [f"{iso(t)},{'' if v is None else repr(v)}\n" for t, v in rows]
    path = folder / f"{world.zone}_{abs(hash((world.values, world.now_ms, world.turned)))}.csv"
    path.write_text("timestamp,carbon_intensity\n" + "".join(lines), encoding="utf-8")
    return path


class Told:
    """A provider and the world it tells of, which may be changed."""

    def __init__(self, name: str, world: World, folder: Path, web: Web) -> None:
        """Keep how the provider is asked."""
        self.name, self.world, self.folder, self.web, self.url = name, world, folder, web, ""

    @property
    def provider(self) -> Provider:
        """Return the provider as a user would name it."""
        argument = {"files": "", "constant": "constant:400", "profile": "profile:400"}
        text = argument.get(self.name, f"{self.name}:{self.url}")
        text = text or str(written(self.world, self.folder))
        signal: Signal | None = "marginal" if self.name == "watttime" else "average"
        return registry.source(text, Settings(signal=signal))


def telling(name: str, world: World, folder: Path) -> Iterator[Told]:
    """Yield a provider that tells of `world`, served on this machine where it is a live one."""
    answer = TOLD[name]
    with Web.open() as web:
        told = Told(name, world, folder, web)
        if answer is None:
            yield told
            return
        with serving(lambda request: answer(told.world, request)) as server:
            told.url = server.url
            yield told


def values_of(points: Any) -> list[tuple[int, float | None]]:
    """Return (start [ms], value) of points by the hour, None for NaN."""
    found: dict[int, float | None] = {}
    for start, value in zip(
        points.start_ms.tolist(), points.values_g_per_kwh.tolist(), strict=True
    ):
        found.setdefault(start // HOUR_MS * HOUR_MS, None if math.isnan(value) else value)
    return sorted(found.items())


def moved(world: World, by_h: int) -> World:
    """Return the same world so many hours later."""
    return replace(world, now_ms=world.now_ms + by_h * HOUR_MS)
