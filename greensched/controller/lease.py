"""Which replica acts: a Lease that is renewed, taken over, and let go of on the way out.

Whether another's lease has expired is judged by how long its record has not changed on our own
steady clock; no clock is compared with another.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from greensched.controller.api import LEASES, ApiError

if TYPE_CHECKING:
    from greensched.controller.api import Cluster, Json
    from greensched.controller.main import Clocks

DURATION_S: Final = 15.0
DEADLINE_S: Final = 10.0  # without a renewal for so long, nothing is done any more
RETRY_S: Final = 2.0
NAME: Final = "greensched-controller"


class Lease:
    """One replica's part in the election; `turn` every `RETRY_S`, `holds` before acting."""

    def __init__(self, cluster: Cluster, clocks: Clocks, namespace: str, identity: str) -> None:
        """Begin as one that does not hold it."""
        self._cluster, self._clocks = cluster, clocks
        self._namespace, self._identity = namespace, identity
        self._renewed_s: float | None = None  # when our last renewal was begun
        self._seen: tuple[Any, Any] | None = None  # another's record, and
        self._seen_s = 0.0  # since when it is as it is

    def holds(self) -> bool:
        """Tell whether we may act: for less time than others wait before they take over."""
        return self._renewed_s is not None and self._steady_s() - self._renewed_s < DEADLINE_S

    def turn(self) -> None:
        """Take the lease, renew it, or see that another has it; raises ApiError."""
        began_s = self._steady_s()
        try:
            raw = self._cluster.get(LEASES, self._namespace, NAME)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raw = None
        if raw is not None and not self._is_free(raw["spec"]):
            self._renewed_s = None
            return
        try:
            self._write(raw, self._identity, DURATION_S)
        except ApiError as error:
            if error.status == HTTPStatus.CONFLICT:
                self._renewed_s = None  # another was faster
                return
            raise
        self._renewed_s = began_s

    def release(self) -> None:
        """Let go of the lease, so that another need not wait; raises ApiError."""
        if not self.holds():
            return
        self._renewed_s = None
        raw = self._cluster.get(LEASES, self._namespace, NAME)
        if raw["spec"].get("holderIdentity") == self._identity:
            self._write(raw, "", 1.0)

    def _is_free(self, spec: Json) -> bool:
        """Tell whether a record is ours, nobody's, or of one that has not renewed it for long."""
        if spec.get("holderIdentity") in (self._identity, "", None):
            return True
        record = (spec["holderIdentity"], spec.get("renewTime"))
        if record != self._seen:
            self._seen, self._seen_s = record, self._steady_s()
        length_s = float(spec.get("leaseDurationSeconds") or DURATION_S)
        return self._steady_s() - self._seen_s > length_s

    def _write(self, raw: Json | None, identity: str, length_s: float) -> None:
        now = datetime.fromtimestamp(self._clocks.wall_ms() / 1_000, UTC)
        before = (raw or {}).get("spec") or {}
        spec = {
            "holderIdentity": identity,
            "leaseDurationSeconds": round(length_s),
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "leaseTransitions": before.get("leaseTransitions", 0)
            + (before.get("holderIdentity") != identity),
        }
        meta: Json = {"name": NAME, "namespace": self._namespace}
        body: Json = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.name,
            "metadata": meta,
            "spec": spec,
        }
        if raw is None:
            self._cluster.create(LEASES, self._namespace, body)
        else:
            meta["resourceVersion"] = raw["metadata"]["resourceVersion"]
            self._cluster.replace(LEASES, self._namespace, NAME, body)

    def _steady_s(self) -> float:
        return self._clocks.steady_s()
