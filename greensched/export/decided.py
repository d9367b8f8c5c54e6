"""What a run decided, read from its result, and what an export is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from greensched.errors import Finding, UsageError
from greensched.units import MS_PER_S, S_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from greensched.model import IntArray
    from greensched.scenario import Scenario

Document: TypeAlias = dict[str, Any]

HOURS: Final = 24
SATURDAY: Final = 5
DNS_MAX: Final = 63
WEEKDAYS, WEEKEND, DAILY = "1-5", "0,6", "*"
_DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# What a scenario's other switches decide, that no manifest of another program says.
ELSEWHERE: Final = {
    "tidal": "tidal: lending whole machines to batch; no program that is known takes that from a"
    " manifest",
    "consolidation": "consolidation: moves of databases; they are the operator's own",
    "colocation": "colocation: see --to koordinator",
    "shifting": "shifting: see --to carbonpolicy",
    "elastic": "elastic: see --to hpa, keda-cron or kube-green",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The documents of one target, what they cannot say, and what to know of them."""

    target: str
    documents: tuple[dict[str, Any], ...]
    not_expressed: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A service as Kubernetes calls it, and its largest replicas by hour of the window."""

    namespace: str
    name: str
    replicas: IntArray  # [hours] the largest mean over a step of load, rounded up


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A run's switches and what they did to services; `jobs` as in `jobs.parquet`.

    `time_zone` is an IANA name, `provider` what the controller calls its source of intensity.
    """

    scenario: Scenario
    replicas: pd.DataFrame
    jobs: pd.DataFrame
    time_zone: str = ""
    provider: str = ""

    def policy(self, technology: str) -> Any:
        """Return the switch of a technology; raises UsageError where it is off."""
        for one in self.scenario.policies:
            if one.kind.partition("-")[0] == technology:
                return one
        on = ", ".join(p.kind for p in self.scenario.policies) or "none"
        what = f"the run has no switch '{technology}' (on: {on})"
        remedy = "run the scenario with it, or name another target"
        raise UsageError(Finding(where="RESULT", what=what, remedy=remedy))

    def others(self, own: str) -> list[str]:
        """Say where what the other switches decided goes."""
        kinds = [p.kind.partition("-")[0] for p in self.scenario.policies]
        return [ELSEWHERE[kind] for kind in kinds if kind != own and kind in ELSEWHERE]

    def workloads(self) -> tuple[tuple[Workload, ...], list[str]]:
        """Return the services, and in words those whose names are none of Kubernetes."""
        found, refused = [], []
        for service, rows in self.replicas.groupby("service", sort=True):
            space, _, name = str(service).rpartition("/")
            if not (_is_dns(name) and (not space or _is_dns(space))):
                refused.append(f"service {service!r}: not a name of Kubernetes")
                continue
            most = np.ceil(rows.sort_values("start_s")["replicas_max"].to_numpy() - 1e-9)
            found.append(
                Workload(namespace=space or "default", name=name, replicas=most.astype(np.int64))
            )
        return tuple(found), refused

    def documents(
        self, make: Callable[[Decided, Workload], Document | None], none: str = ""
    ) -> tuple[tuple[Document, ...], list[str]]:
        """Return what `make` makes of each service, and in words of which there is nothing.

        `none` says why where `make` returns None.
        """
        workloads, refused = self.workloads()
        made = [(one.name, make(self, one)) for one in workloads]
        without = [f"{name}: {none}" for name, document in made if document is None]
        return tuple(document for _, document in made if document), [*without, *refused]

    def hours(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return the window's hours, each with hour of the day and day of the week (0: Monday).

        By the clock of schedules; an hour that lies in two of that clock's counts in both.
        """
        zone, begin = _clock(self.zone), self.scenario.spec.window.start
        start_s = np.sort(self.replicas["start_s"].unique())
        found = set()
        for row, first_s in enumerate(start_s.tolist()):
            for seconds in (first_s, first_s + S_PER_H - 1):
                at = (begin + timedelta(seconds=seconds)).astimezone(zone)
                found.add((row, at.hour, at.weekday()))
        rows, hour, day = np.array(sorted(found), np.int64).T
        return rows, hour, day

    def profiles(self, one: Workload) -> dict[str, IntArray]:
        """Return the largest replicas of each hour of the day, by days in cron's words.

        Working days and weekends apart where the window has both and they differ. Hours that it
        does not have (`unseen`) have the most of all.
        """
        rows, hour, day = self.hours()
        replicas, free = one.replicas[rows], day >= SATURDAY
        whole = _by_hour(replicas, hour)
        whole = np.where(whole < 0, whole.max(), whole)
        parts = {
            name: _by_hour(replicas[own], hour[own])
            for name, own in ((WEEKDAYS, ~free), (WEEKEND, free))
        }
        if any((part < 0).any() for part in parts.values()):
            return {DAILY: whole}
        same = np.array_equal(parts[WEEKDAYS], parts[WEEKEND])
        return {DAILY: whole} if same else parts

    def unseen(self) -> list[str]:
        """Say which hours of the day the window does not have."""
        missing = HOURS - len(np.unique(self.hours()[1]))
        said = f"{missing} hours of the day that the window does not have: as at the most"
        return [said] if missing else []

    @property
    def zone(self) -> str:
        """Return the IANA time zone of schedules; raises UsageError where it has to be named."""
        if self.time_zone:
            return self.time_zone
        offset_s = self.scenario.spec.window.offset_ms // MS_PER_S
        if offset_s % S_PER_H:
            what = "the window's offset is no whole number of hours"
            remedy = "name its zone, such as Asia/Kolkata"
            raise UsageError(Finding(where="--time-zone", what=what, remedy=remedy))
        hours = offset_s // int(S_PER_H)
        # The sign of these zones is the other way round: POSIX counts hours behind.
        return "Etc/UTC" if hours == 0 else f"Etc/GMT{-hours:+d}"


def _clock(name: str) -> ZoneInfo:
    """Return a time zone; raises UsageError where none is called so."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        what, remedy = f"'{name}' is no time zone", "give an IANA name, such as Europe/Berlin"
        raise UsageError(Finding(where="--time-zone", what=what, remedy=remedy)) from None


def _is_dns(name: str) -> bool:
    """Say whether a name may be one of Kubernetes (RFC 1123 label)."""
    return len(name) <= DNS_MAX and _DNS.fullmatch(name) is not None


def _by_hour(replicas: IntArray, hour: IntArray) -> IntArray:
    """Return the largest replicas of each hour of the day; -1 where the window has none."""
    found = np.full(HOURS, -1, np.int64)
    np.maximum.at(found, hour, replicas)
    return found


def blocks(profile: IntArray) -> list[tuple[int, int, int]]:
    """Return (from, until, value) of equal hours of a day in a row; 24 is its end."""
    cuts = [0, *(np.flatnonzero(np.diff(profile)) + 1).tolist(), HOURS]
    return [(a, b, int(profile[a])) for a, b in pairwise(cuts)]


def metadata(one: Workload, scenario: Scenario) -> dict[str, Any]:
    """Return a document's metadata, which names the result it is from."""
    return {
        "name": one.name,
        "namespace": one.namespace,
        "annotations": {"greensched.io/result": scenario.result_name},
    }
