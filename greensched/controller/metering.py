"""The power of a Job that ended: asked of a meter where the policy has a query, else by its nodes.

What cannot be known (no data, no Pods any more) leaves the power that was assumed. A meter is
asked when a Job can be settled, after all else of a turn; once it does not answer, no more in it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from greensched.controller.api import NODES, PODS, ApiError, pages
from greensched.controller.energy import MEASURED, assumed_power, measured_power
from greensched.controller.names import INSTANCE_TYPE, JOB_UID
from greensched.errors import GreenschedError
from greensched.providers.web import PassingError, Web
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.controller.api import Cluster
    from greensched.controller.deferral import Deferral
    from greensched.controller.job import Job
    from greensched.controller.policy import Energy

log = logging.getLogger("greensched")
ANSWER_S: Final = 3.0  # a meter has for one answer
TURN_S: Final = 5.0  # are spent on meters in one turn, and one answer more


class LaterError(Exception):
    """A meter is not asked any more in this turn."""


def short_web() -> Web:
    """Return who asks once, and waits for a short time."""
    return Web.open(timeout_s=ANSWER_S, attempts=1)


class Metering:
    """Asks `prometheus`, an address that only who starts the controller can name, and nodes."""

    def __init__(
        self,
        cluster: Cluster,
        steady_s: Callable[[], float],
        prometheus: str = "",
        web: Callable[[], Web] = short_web,
    ) -> None:
        """Begin with no node known."""
        self._cluster, self._prometheus, self._web = cluster, prometheus, web
        self._steady_s, self._until_s = steady_s, 0.0
        self._types: dict[str, str] = {}  # by node

    def on_nodes(self, one: Deferral, job: Job, energy: Energy) -> Deferral:
        """Return a record of a Job that ended with the power of the type of its nodes.

        Raises ApiError where the API server refuses for now.
        """
        if not energy.instance_types:
            return one
        return replace(one, power=assumed_power(job, energy, self._instance_type(job)))

    def begin_turn(self) -> None:
        """Be ready to ask again."""
        self._until_s = self._steady_s() + TURN_S

    def metered(self, one: Deferral, energy: Energy) -> Deferral:
        """Return a record with its power as a meter says, as it is where the meter does not know.

        Raises LaterError where it did not answer in this turn, or was asked for long enough.
        """
        is_asked = energy.promql and self._prometheus and one.runs and not one.dry_run
        if not is_asked or (one.power is not None and one.power.quality == MEASURED):
            return one
        if self._steady_s() >= self._until_s:
            raise LaterError
        joules = self._joules(one, energy.promql)
        if joules is None:
            return one
        active_ms = sum(b - a for a, b, _ in one.runs)
        return replace(one, power=measured_power(joules, active_ms, energy.pue))

    def _joules(self, one: Deferral, promql: str) -> float | None:
        """Return the energy [J] from the begin of the first run to the end of the last."""
        first_ms, last_ms = one.runs[0][0], one.runs[-1][1]
        span_s = max(1, (last_ms - first_ms) // MS_PER_S)
        query = promql.replace("$namespace", one.namespace).replace("$job", one.job)
        query = query.replace("$span", f"{span_s}s")
        params: dict[str, str | int] = {"query": query, "time": last_ms // MS_PER_S}
        try:
            with self._web() as web:
                answer: Any = web.get(f"{self._prometheus.rstrip('/')}/api/v1/query", params)
            values = [float(row["value"][1]) for row in answer["data"]["result"]]
        except PassingError as error:
            log.warning("energy of %s/%s is asked for later: %s", one.namespace, one.job, error)
            self._until_s = self._steady_s()
            raise LaterError from None
        except (GreenschedError, KeyError, TypeError, ValueError, IndexError) as error:
            log.warning("energy of %s/%s is assumed: %s", one.namespace, one.job, error)
            return None
        joules = sum(values)
        return joules if values and 0.0 < joules < float("inf") else None

    def _instance_type(self, job: Job) -> str:
        """Return the type of the node of one of a Job's Pods, empty where none is left."""
        try:
            for page in pages(self._cluster, PODS, job.namespace, f"{JOB_UID}={job.uid}"):
                for pod in page["items"]:
                    name = (pod.get("spec") or {}).get("nodeName")
                    if name:
                        return self._type_of(name)
        except ApiError as error:
            if error.is_passing:
                raise
            log.warning("the nodes of %s cannot be read: %s", job.key, error)
        return ""

    def _type_of(self, node: str) -> str:
        if node not in self._types:
            try:
                labels = self._cluster.get(NODES, "", node)["metadata"].get("labels") or {}
            except ApiError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                labels = {}
            self._types[node] = labels.get(INSTANCE_TYPE, "")
        return self._types[node]
