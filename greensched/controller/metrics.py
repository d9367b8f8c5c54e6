"""What the controller shows to Prometheus; names end in their unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.controller.reconcile import Standing
from greensched.controller.settle import totals
from greensched.errors import Finding, UsageError
from greensched.units import MG_PER_KG, MS_PER_S, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.controller.main import Controller

SHOWN: Final = {  # name -> what it says, and its labels
    "waiting_jobs": ("Jobs that wait because of us.", ("namespace",)),
    "overdue_jobs": ("Jobs that are suspended after their latest start.", ()),
    "forbidden_jobs": ("Jobs that the rights of this account forbid to patch.", ()),
    "leader": ("1 where this replica acts.", ()),
    "clock_skew_seconds": ("How far the API server's clock is ahead of ours.", ()),
    "plan_duration_seconds": ("How long the last plan took.", ()),
    "forecast_age_seconds": (
        "Since when no source knew the hours to come, while a plan needs them.",
        ("provider", "zone"),
    ),
    "settled_jobs": ("Jobs settled whose records are still there.", ("namespace",)),
    "saved_kilograms": ("CO2e that their waiting saved; below 0 it cost.", ("namespace",)),
    "energy_kilowatt_hours": ("What they took.", ("namespace",)),
    "ledger_info": ("The public key by which this replica's ledger is verified.", ("key",)),
}
LASTING: Final = ("leader", "clock_skew_seconds", "ledger_info")  # of a replica that stands by
COUNTED: Final = {
    "actions": ("Patches of Jobs, by what they do.", ("action",)),
    "api_refusals": ("Answers of the API server that were no success.", ("status",)),
}


class Metrics:
    """Gauges and counters of one process, in a registry of its own."""

    def __init__(self) -> None:
        """Make them; raises UsageError where the client is not installed."""
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError:
            remedy = "pip install 'greensched[k8s]'"
            what = "the Prometheus client is not installed"
            raise UsageError(Finding(where="--metrics-port", what=what, remedy=remedy)) from None
        self.registry: Any = CollectorRegistry()
        self._gauges: dict[str, Any] = {
            name: Gauge(f"greensched_{name}", told, labels, registry=self.registry)
            for name, (told, labels) in SHOWN.items()
        }
        self._counters: dict[str, Any] = {
            name: Counter(f"greensched_{name}", told, labels, registry=self.registry)
            for name, (told, labels) in COUNTED.items()
        }
        self._shown: dict[str, set[tuple[str, ...]]] = {}  # labels that have a value
        self._turn_s: Any = Histogram(
            "greensched_turn_duration_seconds", "How long a turn took.", registry=self.registry
        )

    def serve(self, port: int) -> None:
        """Answer on a port from now on; raises UsageError where it is taken."""
        from prometheus_client import start_http_server

        try:
            start_http_server(port, registry=self.registry)
        except OSError as error:
            what = f"{port}: {error.strerror}"
            raise UsageError(Finding(where="--metrics-port", what=what)) from None

    def acted(self, action: str) -> None:
        """Count a patch."""
        self._counters["actions"].labels(action).inc()

    def refused(self, status: int) -> None:
        """Count an answer that was no success; 0: none came."""
        self._counters["api_refusals"].labels(str(status)).inc()

    def show(self, controller: Controller, turn_s: float) -> None:
        """Show what a controller knows after a turn that took `turn_s`."""
        now_ms = controller.now_ms()
        self._turn_s.observe(turn_s)
        waiting = dict.fromkeys((job.namespace for job in controller.cache.jobs.values()), 0)
        overdue = 0
        for uid, one in controller.standing.items():
            if one.standing in (Standing.WAITING, Standing.RELEASE):
                waiting[controller.cache.jobs[uid].namespace] += 1
                overdue += one.terms is not None and one.terms.latest_start_ms < now_ms
        self._set("waiting_jobs", {(n,): count for n, count in waiting.items()})
        self._set("overdue_jobs", {(): overdue})
        self._set("forbidden_jobs", {(): controller.writes.forbidden})
        self._set("clock_skew_seconds", {(): controller.cluster.skew_ms / MS_PER_S})
        self._set("plan_duration_seconds", {(): controller.planner.took_s})
        known_ms = controller.planner.known_ms
        self._set(
            "forecast_age_seconds",
            {of: max(0, now_ms - known_ms[of]) / MS_PER_S for of in controller.planner.needed},
        )
        records = controller.cache.records.values()
        settled = totals(one for one in records if one.dry_run == controller.dry_run)
        self._set("settled_jobs", {(n,): jobs for n, (jobs, _, _) in settled.items()})
        self._set("saved_kilograms", {(n,): mg / MG_PER_KG for n, (_, mg, _) in settled.items()})
        self._set(
            "energy_kilowatt_hours",
            {(n,): spent / MWH_MILLI_PER_KWH for n, (_, _, spent) in settled.items()},
        )

    def _set(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """Show values by label, and no other ones."""
        gauge = self._gauges[name]
        for labels, value in values.items():
            (gauge.labels(*labels) if labels else gauge).set(value)
        for labels in self._shown.get(name, set()) - values.keys():
            gauge.remove(*labels)
        self._shown[name] = {labels for labels in values if labels}

    def lead(self, *, is_leader: bool) -> None:
        """Show whether this replica acts; one that does not tells nothing of Jobs."""
        self._set("leader", {(): int(is_leader)})
        if not is_leader:
            for name, (_, labels) in SHOWN.items():
                if name not in LASTING:
                    self._set(name, {} if labels else {(): 0})

    def tell_ledger(self, key: str) -> None:
        """Show the public key of this replica's ledger."""
        self._set("ledger_info", {(key,): 1})
