"""What the controller shows to Prometheus; names end in their unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.controller.reconcile import Standing
from greensched.controller.settle import totals
from greensched.errors import Finding, UsageError
from greensched.units import MS_PER_S, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from greensched.controller.main import Controller

MG_PER_G: Final = 1_000
PREFIX: Final = "greensched_controller"
SHOWN: Final = {  # name -> what it says, and its labels
    "jobs": ("Jobs by where they stand.", ("standing",)),
    "overdue_jobs": ("Jobs that are suspended after their latest start.", ()),
    "leader": ("1 where this replica acts.", ()),
    "clock_skew_seconds": ("How far the API server's clock is ahead of ours.", ()),
    "last_plan_timestamp_seconds": ("When the last plan was made.", ()),
    "plan_duration_seconds": ("How long the last plan took.", ()),
    "forecast_end_timestamp_seconds": ("Until when intensity is known.", ("policy",)),
    "settled_jobs": ("Jobs settled whose records are still there.", ("namespace",)),
    "saved_co2e_grams": ("What their waiting saved; negative where it cost.", ("namespace",)),
    "energy_kilowatt_hours": ("What they took.", ("namespace",)),
}


class Metrics:
    """Gauges of one process, in a registry of its own."""

    def __init__(self) -> None:
        """Make the gauges; raises UsageError where the client is not installed."""
        try:
            from prometheus_client import CollectorRegistry, Gauge
        except ImportError:
            remedy = "pip install 'greensched[k8s]'"
            what = "the Prometheus client is not installed"
            raise UsageError(Finding(where="--metrics-port", what=what, remedy=remedy)) from None
        self.registry: Any = CollectorRegistry()
        self._gauges: dict[str, Any] = {
            name: Gauge(f"{PREFIX}_{name}", told, labels, registry=self.registry)
            for name, (told, labels) in SHOWN.items()
        }

    def serve(self, port: int) -> None:
        """Answer on a port from now on."""
        from prometheus_client import start_http_server

        start_http_server(port, registry=self.registry)

    def show(self, controller: Controller, *, is_leader: bool) -> None:
        """Show what a controller knows after a turn."""
        gauges, now_ms = self._gauges, controller.now_ms()
        counts = dict.fromkeys(Standing, 0)
        overdue = 0
        for one in controller.standing.values():
            counts[one.standing] += 1
            is_suspended = one.standing in (Standing.WAITING, Standing.RELEASE)
            if is_suspended and one.terms is not None and one.terms.latest_start_ms < now_ms:
                overdue += 1
        for standing, count in counts.items():
            gauges["jobs"].labels(standing.value).set(count)
        gauges["overdue_jobs"].set(overdue)
        gauges["leader"].set(int(is_leader))
        gauges["clock_skew_seconds"].set(controller.cluster.skew_ms / MS_PER_S)
        if controller.planned_ms is not None:
            gauges["last_plan_timestamp_seconds"].set(controller.planned_ms / MS_PER_S)
        gauges["plan_duration_seconds"].set(controller.plan_s)
        for policy, until_ms in controller.known_until_ms.items():
            gauges["forecast_end_timestamp_seconds"].labels(policy).set(until_ms / MS_PER_S)
        for namespace, (jobs, saved_mg, spent) in totals(
            controller.cache.records.values()
        ).items():
            gauges["settled_jobs"].labels(namespace).set(jobs)
            gauges["saved_co2e_grams"].labels(namespace).set(saved_mg / MG_PER_G)
            gauges["energy_kilowatt_hours"].labels(namespace).set(spent / MWH_MILLI_PER_KWH)
