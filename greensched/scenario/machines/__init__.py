"""Machine types by name: cloud instances and servers of an age, as published, with their sources.

An instance is a part of a server: its watts are min and max watts per vCPU of the processor times
its vCPUs, its embodied emissions the server's times its share of the server's vCPUs (Cloud Carbon
Footprint, "Methodology"). A server of an age is the median of the SPECpower_ssj2008 results of its
years. Embodied emissions of one server are 1,000 to 4,300 kg by what is published, so that range
stands around each.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from functools import cache
from pathlib import Path
from typing import Final

SERVER_KGCO2E: Final = (1_000.0, 4_300.0)
LOADS: Final = range(0, 101, 10)
ALIKE: Final = 0.6  # of a name: less is hardly a slip of the pen


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownType:
    """What is published of a machine type; `watts` at 0, 10 .. 100 % load.

    `cloud` is the provider, empty for a server of one's own. Embodied emissions are low, middle
    and high.
    """

    name: str
    cloud: str
    cores: float
    memory_gib: float
    watts: tuple[float, ...]
    embodied_kg: tuple[float, float, float]
    source: str


def known_type(name: str) -> KnownType | None:
    """Return the type of that name, None where it is not in the table."""
    return _table().get(name)


def near_type(name: str) -> str:
    """Return what to say of a name that is no type: the nearest one, capitals or not."""
    names = {known.lower(): known for known in _table()}
    (nearest,) = get_close_matches(name.lower(), names, n=1, cutoff=0.0)
    if SequenceMatcher(None, nearest, name.lower()).ratio() >= ALIKE:
        return f"did you mean '{names[nearest]}'?"
    return (
        f"the nearest name of {len(names):,} is '{names[nearest]}'; there are types of AWS, "
        "Azure, Google and servers by year (server-2022); else give cores, memory and power"
    )


def sources() -> dict[str, tuple[str, str]]:
    """Return each source of the table: what was taken from where, and its licence."""
    return {row["source"]: (row["text"], row["licence"]) for row in _rows("sources")}


@cache
def _table() -> dict[str, KnownType]:
    instances = [one for row in _rows("families") for one in _family(row)]
    return {one.name: one for one in (*instances, *map(_archetype, _rows("archetypes")))}


def _rows(name: str) -> list[dict[str, str]]:
    path = Path(__file__).with_name(f"{name}.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _family(row: dict[str, str]) -> list[KnownType]:
    idle_w, peak_w = float(row["idle_w_per_vcpu"]), float(row["peak_w_per_vcpu"])
    kg, of = float(row["server_kgco2e"]), int(row["server_vcpus"])
    made = []
    for entry in row["sizes"].split():
        size, _, vcpus = entry.partition(":")
        cores = int(vcpus)
        watts = tuple(
            round(cores * (idle_w + (peak_w - idle_w) * load / 100), 4) for load in LOADS
        )
        made.append(
            KnownType(
                name=row["pattern"].format(size=size),
                cloud=row["provider"],
                cores=cores,
                memory_gib=float(row["gib_per_vcpu"]) * cores,
                watts=watts,
                embodied_kg=_around(kg, cores / of),
                source=row["source"],
            )
        )
    return made


def _archetype(row: dict[str, str]) -> KnownType:
    return KnownType(
        name=row["name"],
        cloud="",
        cores=float(row["cores"]),
        memory_gib=float(row["memory_gib"]),
        watts=tuple(float(row[f"w{load}"]) for load in LOADS),
        embodied_kg=_around(float(row["kgco2e"]), 1.0),
        source=row["source"],
    )


def _around(server_kg: float, share: float) -> tuple[float, float, float]:
    """Return low, middle and high embodied emissions [kg] of a share of a server."""
    low_kg, high_kg = SERVER_KGCO2E
    bounds = (min(low_kg, server_kg), server_kg, max(high_kg, server_kg))
    low, middle, high = (round(kg * share, 3) for kg in bounds)
    return low, middle, high
