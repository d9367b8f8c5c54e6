"""What the controller asks of an API server: a few verbs on raw JSON, and how they fail."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from greensched.controller.names import GROUP, VERSION
from greensched.errors import Finding, OutsideError

if TYPE_CHECKING:
    from collections.abc import Iterator

Json: TypeAlias = dict[str, Any]
PAGE: Final = 500  # objects of one answer to a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object, as it stands in addresses; `group` is empty for the core."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return what objects say in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version


JOBS: Final = Kind(name="Job", group="batch", version="v1", plural="jobs")
CRON_JOBS: Final = Kind(name="CronJob", group="batch", version="v1", plural="cronjobs")
PODS: Final = Kind(name="Pod", group="", version="v1", plural="pods")
NODES: Final = Kind(name="Node", group="", version="v1", plural="nodes", namespaced=False)
EVENTS: Final = Kind(name="Event", group="events.k8s.io", version="v1", plural="events")
LEASES: Final = Kind(name="Lease", group="coordination.k8s.io", version="v1", plural="leases")
POLICIES: Final = Kind(
    name="CarbonPolicy", group=GROUP, version=VERSION, plural="carbonpolicies", namespaced=False
)
DEFERRALS: Final = Kind(name="Deferral", group=GROUP, version=VERSION, plural="deferrals")


class ApiError(OutsideError):
    """The API server refused, or did not answer (`status` 0).

    `after_s` is how long it asks to wait, None where it does not say.
    """

    def __init__(self, where: str, status: int, what: str, after_s: float | None = None) -> None:
        """Keep the status beside the words."""
        told = f"answered {status}: {what}" if status else f"no answer: {what}"
        super().__init__(Finding(where=where, what=told, remedy=_REMEDIES.get(status, "")))
        self.status, self.after_s = status, after_s

    @property
    def is_passing(self) -> bool:
        """Tell whether the same call may succeed later: overload, failure, no answer."""
        passing = (0, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
        return self.status in passing or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


_REMEDIES: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "check the kubeconfig: its credentials are missing or expired",
    HTTPStatus.FORBIDDEN: "give the account the rights of the shipped role",
    HTTPStatus.NOT_FOUND: "check the name; custom kinds need their definitions installed",
}


class Cluster(Protocol):
    """An API server; every method raises ApiError where it refuses."""

    @property
    def skew_ms(self) -> int:
        """Return how far the server's clock is ahead of ours, as last seen [ms]."""
        ...

    def page(self, kind: Kind, *, namespace: str = "", label: str = "", more: str = "") -> Json:
        """Return up to `PAGE` objects as a list; `more` is the `continue` of the page before."""
        ...

    def watch(
        self, kind: Kind, *, version: str, namespace: str = "", label: str = ""
    ) -> Iterator[Json]:
        """Yield events after `version`, bookmarks too, until the server ends the stream.

        A stream on which nothing arrives for 75 s is given up (ApiError of status 0).
        """
        ...

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Return one object."""
        ...

    def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """Return the object made."""
        ...

    def patch_job(self, namespace: str, name: str, body: Json) -> Json:
        """Return the Job after a strategic merge patch; 409 where its version is stale."""
        ...

    def replace(
        self, kind: Kind, namespace: str, name: str, body: Json, *, part: str = ""
    ) -> Json:
        """Return the object put in place, or its `part` (`status`); 409 where it is stale."""
        ...


def pages(cluster: Cluster, kind: Kind, namespace: str = "", label: str = "") -> Iterator[Json]:
    """Yield all pages of a list; none for a kind of ours whose definition is not installed."""
    more = ""
    while True:
        try:
            page = cluster.page(kind, namespace=namespace, label=label, more=more)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND and kind.group == GROUP:
                return
            raise
        yield page
        more = page["metadata"].get("continue") or ""
        if not more:
            return
