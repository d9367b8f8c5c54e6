"""What the controller shows to Prometheus; names end in their unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.controller.reconcile import Standing
from greensched.controller.settle import totals
from greensched.errors import Finding, UsageError
from greensched.units import MG_PER_KG, MS_PER_S, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from greensched.controller.main import Controller

SHOWN: Final = {  # name -> what it says, and its labels
    "waiting_jobs": ("Jobs that wait because of us.", ("namespace",)),
    "overdue_jobs": ("Jobs that are suspended after their latest start.", ()),
    "forbidden_jobs": ("Jobs that the rights of this account forbid to patch.", ()),
    "leader": ("1 where this replica acts.", ()),
    "clock_skew_seconds": ("How far the API server's clock is ahead of ours.", ()),
    "plan_duration_seconds": ("How long the last plan took.", ()),
    "forecast_age_seconds": ("Since when no source knew the hours to come.", ("provider", "zone")),
    "settled_jobs": ("Jobs settled whose records are still there.", ("namespace",)),
    "saved_kilograms": ("CO2e that their waiting saved; below 0 it cost.", ("namespace",)),
    "energy_kilowatt_hours": ("What they took.", ("namespace",)),
}
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
        gauges, now_ms = self._gauges, controller.now_ms()
        self._turn_s.observe(turn_s)
        waiting = dict.fromkeys((job.namespace for job in controller.cache.jobs.values()), 0)
        overdue = 0
        for uid, one in controller.standing.items():
            if one.standing in (Standing.WAITING, Standing.RELEASE):
                waiting[controller.cache.jobs[uid].namespace] += 1
                overdue += one.terms is not None and one.terms.latest_start_ms < now_ms
        for namespace, count in waiting.items():
            gauges["waiting_jobs"].labels(namespace).set(count)
        gauges["overdue_jobs"].set(overdue)
        gauges["forbidden_jobs"].set(controller.writes.forbidden)
        gauges["clock_skew_seconds"].set(controller.cluster.skew_ms / MS_PER_S)
        gauges["plan_duration_seconds"].set(controller.planner.took_s)
        for (provider, zone), known_ms in controller.planner.known_ms.items():
            age_s = max(0, now_ms - known_ms) / MS_PER_S
            gauges["forecast_age_seconds"].labels(provider, zone).set(age_s)
        records = controller.cache.records.values()
        settled = totals(one for one in records if one.dry_run == controller.dry_run)
        for namespace, (jobs, saved_mg, spent) in settled.items():
            gauges["settled_jobs"].labels(namespace).set(jobs)
            gauges["saved_kilograms"].labels(namespace).set(saved_mg / MG_PER_KG)
            gauges["energy_kilowatt_hours"].labels(namespace).set(spent / MWH_MILLI_PER_KWH)

    def lead(self, *, is_leader: bool) -> None:
        """Show whether this replica acts."""
        self._gauges["leader"].set(int(is_leader))
