"""Lists and watches one kind: what is there, then what changes; all anew where that is lost."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from greensched.controller.api import ApiError, pages
from greensched.units import MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.controller.api import Cluster, Json, Kind

log = logging.getLogger("greensched")
RESYNC_MS: Final = 10 * MS_PER_MIN  # after it everything is listed again, whatever was watched


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """All objects of a kind, by UID; what is not among them is gone."""

    kind: Kind
    objects: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One object as it is now, or `is_gone`: deleted, or no longer selected."""

    kind: Kind
    uid: str
    value: Any
    is_gone: bool = False


class Reflector:
    """Tells `sink` of one kind, `read` from JSON; each `turn` lasts until a stream ends."""

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind,
        read: Callable[[Json], Any],
        sink: Callable[[Listed | Changed], None],
        now_ms: Callable[[], int],
        *,
        namespace: str = "",
        label: str = "",
    ) -> None:
        """Begin with nothing known."""
        self._cluster, self._kind, self._read, self._sink = cluster, kind, read, sink
        self._now_ms, self._namespace, self._label = now_ms, namespace, label
        self._version: str | None = None  # of the last that was seen; None: list first
        self._listed_ms = 0
        self._known: dict[str, tuple[str | None, Any]] = {}  # version and value, by UID

    def turn(self) -> None:
        """List if that is due, then watch until the stream ends; raises ApiError.

        A kind of ours that is not installed has no objects; that it is not raises all the same.
        """
        if self._version is None or self._now_ms() - self._listed_ms >= RESYNC_MS:
            self._list()
        assert self._version is not None
        try:
            stream = self._cluster.watch(
                self._kind, version=self._version, namespace=self._namespace, label=self._label
            )
            for event in stream:
                self._take(event)
        except ApiError as error:
            if error.status in (HTTPStatus.GONE, HTTPStatus.NOT_FOUND):
                self._version = None
            if error.status != HTTPStatus.GONE:
                raise

    def _list(self) -> None:
        found: dict[str, Any] = {}
        version = ""
        for page in pages(self._cluster, self._kind, self._namespace, self._label):
            version = version or page["metadata"]["resourceVersion"]
            for raw in page["items"]:
                meta = raw.get("metadata") or {}
                uid = meta.get("uid") or ""
                before, value = self._known.get(uid, (None, None))
                if before is None or before != meta.get("resourceVersion"):
                    value = self._value(raw)  # most have not changed since
                if value is not None:
                    found[uid] = value
        self._known = {uid: one for uid, one in self._known.items() if uid in found}
        self._sink(Listed(kind=self._kind, objects=found))
        self._version, self._listed_ms = version or None, self._now_ms()
        if not version:
            what = f"the definition of {self._kind.name} is not installed"
            raise ApiError(f"list {self._kind.plural}", HTTPStatus.NOT_FOUND, what)

    def _take(self, event: Json) -> None:
        raw = event["object"]
        if event["type"] == "ERROR":
            code = raw.get("code") or 0
            raise ApiError(f"watch {self._kind.plural}", code, raw.get("message") or "")
        if event["type"] != "BOOKMARK":
            value = self._value(raw)
            if value is not None:
                is_gone = event["type"] == "DELETED"
                uid = raw["metadata"]["uid"]
                self._sink(Changed(kind=self._kind, uid=uid, value=value, is_gone=is_gone))
        self._version = raw["metadata"]["resourceVersion"]

    def _value(self, raw: Json) -> Any:
        """Return an object read; one that cannot be is left aside, told, and sinks no list."""
        meta = raw.get("metadata") or {}
        try:
            value = self._read(raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning(
                "%s %s cannot be read (%r): left alone", self._kind.name, meta.get("name"), error
            )
            return None
        self._known[meta["uid"]] = meta.get("resourceVersion"), value
        return value
