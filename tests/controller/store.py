"""An API server in memory: versions, preconditions, pages, watches, and a model of Jobs that run.

Objects are never changed in place: what was handed out stays as it was.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from greensched.controller.names import GROUP
from greensched.providers.points import utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Json = dict[str, Any]
    Key = tuple[str, str, str]  # plural, namespace, name

PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<part>status))?"
)
KINDS = {
    "jobs": "Job",
    "cronjobs": "CronJob",
    "pods": "Pod",
    "nodes": "Node",
    "events": "Event",
    "leases": "Lease",
    "carbonpolicies": "CarbonPolicy",
    "deferrals": "Deferral",
}
SPARSE = ("events",)  # written by the thousand and never watched: kept out of the history


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        """Keep status and words."""
        super().__init__(message)
        self.status, self.message = int(status), message

    def body(self) -> Json:
        """Return it as the API's Status."""
        return {"kind": "Status", "status": "Failure", "code": self.status, "message": str(self)}


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the object after it (None: deleted) and before it (None: made)."""

    version: int
    key: Key
    before: Json | None
    after: Json | None
    who: str


@dataclass
class Store:
    """Objects by plural, namespace and name; `hooks` hear of every change."""

    now_ms: Callable[[], int]
    objects: dict[Key, Json] = field(default_factory=dict)
    version: int = 1
    compacted: int = 0
    history: dict[str, list[Change]] = field(default_factory=dict)
    hooks: list[Callable[[Change], None]] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)  # when each version was made
    listings: dict[Key, tuple[str, list[Key]]] = field(default_factory=dict)
    made: int = 0
    alive: set[str] = field(default_factory=set)  # UIDs
    keys: dict[str, set[Key]] = field(default_factory=dict)  # by plural
    unknown: set[str] = field(default_factory=set)  # plurals whose definition is not installed

    # -- verbs ---------------------------------------------------------------------------------

    def handle(
        self, method: str, path: str, query: dict[str, str], body: Json | None, who: str
    ) -> Json:
        """Return the answer to a request; raises RefusedError."""
        match = PATH.fullmatch(path)
        if match is None or match["plural"] not in KINDS.keys() - self.unknown:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"{path} is not served")
        plural, namespace = match["plural"], match["namespace"] or ""
        verb = method if match["name"] or method != "GET" else "LIST"
        self.calls[f"{verb} {plural}"] = self.calls.get(f"{verb} {plural}", 0) + 1
        if method == "GET" and not match["name"]:
            return self._page(plural, namespace, query)
        if method == "POST":
            assert body is not None
            return self._create(plural, namespace, body, who)
        key = (plural, namespace, match["name"])
        known = self.objects.get(key)
        if known is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"{plural} {match['name']!r} not found")
        if method == "GET":
            return known
        if method == "DELETE":
            return self.delete(key, who)
        assert body is not None
        return self._update(method, key, known, body, match["part"] or "", who)

    def _create(self, plural: str, namespace: str, body: Json, who: str) -> Json:
        key = (plural, namespace, body["metadata"]["name"])
        if key in self.objects:
            raise RefusedError(HTTPStatus.CONFLICT, f"{key} already exists")
        self.made += 1
        meta = {
            **body["metadata"],
            "uid": f"00000000-0000-4000-8000-{self.made:012d}",
            "creationTimestamp": utc(self.now_ms()),
            "generation": 1,
        }
        if namespace:
            meta["namespace"] = namespace
        return self._put(key, None, {**body, "metadata": meta}, who)

    def _update(self, method: str, key: Key, known: Json, body: Json, part: str, who: str) -> Json:
        given = body.get("metadata") or {}
        version = given.get("resourceVersion")
        if version is not None and version != known["metadata"]["resourceVersion"]:
            raise RefusedError(HTTPStatus.CONFLICT, f"{key} has been modified")
        if given.get("uid", known["metadata"]["uid"]) != known["metadata"]["uid"]:
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "uid cannot be changed")
        if method == "PATCH":
            after = merged(known, body)
        elif part == "status":
            after = {**known, "status": body.get("status")}
        else:
            kept = {n: known["metadata"][n] for n in ("uid", "creationTimestamp", "generation")}
            after = {**body, "metadata": {**given, **kept}}
            if "status" in known:
                after["status"] = known["status"]
        if after.get("spec") != known.get("spec"):
            generation = known["metadata"]["generation"] + 1
            after = {**after, "metadata": {**after["metadata"], "generation": generation}}
        return self._put(key, known, after, who)

    def delete(self, key: Key, who: str) -> Json:
        """Delete an object and, as the garbage collector does, the record that belongs to it."""
        known = self.objects.pop(key)
        self.keys[key[0]].discard(key)
        uid = known["metadata"]["uid"]
        self.alive.discard(uid)
        self._note(Change(self._next(), key, known, None, who))
        record = self.objects.get(("deferrals", key[1], f"job-{uid}"))
        if record is not None and record["metadata"].get("ownerReferences"):
            self.delete(("deferrals", key[1], f"job-{uid}"), "garbage-collector")
        return known

    # -- lists and watches ---------------------------------------------------------------------

    def _page(self, plural: str, namespace: str, query: dict[str, str]) -> Json:
        label, limit = query.get("labelSelector", ""), int(query.get("limit", "0"))
        version, first = str(self.version), 0
        if "continue" in query:
            version, _, place = query["continue"].partition("/")
            first = int(place)
            if int(version) < self.compacted:
                raise RefusedError(HTTPStatus.GONE, "the continue token is too old")
        keys = self._selected(plural, namespace, label, version)
        stop = first + limit if limit else len(keys)
        meta = {"resourceVersion": version}
        if stop < len(keys):
            meta["continue"] = f"{version}/{stop}"
        items = [self.objects[k] for k in keys[first:stop] if k in self.objects]
        return {"kind": f"{KINDS[plural]}List", "metadata": meta, "items": items}

    def _selected(self, plural: str, namespace: str, label: str, version: str) -> list[Key]:
        """Return the keys of a list as it was at a version; those of its first page are kept."""
        listing = (plural, namespace, label)
        kept = self.listings.get(listing)
        if kept is None or kept[0] != version:
            keys = sorted(
                k
                for k in self.keys.get(plural, ())
                if (not namespace or k[1] == namespace) and selects(self.objects[k], label)
            )
            self.listings[listing] = kept = (version, keys)
        return kept[1]

    def events(
        self, plural: str, since: int, namespace: str = "", label: str = ""
    ) -> Iterator[Json]:
        """Yield what changed after a version, as a watch tells it; raises RefusedError (410)."""
        if since < self.compacted:
            raise RefusedError(HTTPStatus.GONE, "too old resource version")
        changes = self.history.get(plural, [])
        for one in changes[bisect_right(changes, since, key=lambda c: c.version) :]:
            if namespace and one.key[1] != namespace:
                continue
            told = _told(one, label)
            if told is not None:
                yield told

    def compact(self) -> None:
        """Forget what changed: who watches from an older version has to list again."""
        self.compacted = self.version
        self.history.clear()

    def bookmark(self, plural: str) -> Json:
        """Return a bookmark at the version of now."""
        meta = {"resourceVersion": str(self.version)}
        return {"type": "BOOKMARK", "object": {"kind": KINDS[plural], "metadata": meta}}

    # -- inside --------------------------------------------------------------------------------

    def write(self, key: Key, after: Json, who: str) -> Json:
        """Put an object in the place of one, as the cluster's own controllers do."""
        return self._put(key, self.objects[key], after, who)

    def _put(self, key: Key, before: Json | None, after: Json, who: str) -> Json:
        meta = {**after["metadata"], "resourceVersion": str(self._next())}
        kept = {"apiVersion": after.get("apiVersion") or GROUP, "kind": KINDS[key[0]]}
        made = {**kept, **after, "metadata": meta}
        self.objects[key] = made
        self.keys.setdefault(key[0], set()).add(key)
        self.alive.add(meta["uid"])
        self._note(Change(self.version, key, before, made, who))
        owners = meta.get("ownerReferences") or []
        if key[0] == "deferrals" and owners and owners[0]["uid"] not in self.alive:
            self.delete(key, "garbage-collector")
        return made

    def _next(self) -> int:
        self.version += 1
        return self.version

    def _note(self, change: Change) -> None:
        if change.key[0] not in SPARSE:
            self.times[str(change.version)] = self.now_ms()
            self.history.setdefault(change.key[0], []).append(change)
        for hook in self.hooks:
            hook(change)


def _told(one: Change, label: str) -> Json | None:
    """Return a change as it looks to who selects by `label`: leaving the selection is a delete."""
    was = one.before is not None and selects(one.before, label)
    if one.after is not None and selects(one.after, label):
        return {"type": "MODIFIED" if was else "ADDED", "object": one.after}
    if not was:
        return None
    assert one.before is not None
    meta = {**one.before["metadata"], "resourceVersion": str(one.version)}
    return {"type": "DELETED", "object": {**one.before, "metadata": meta}}


def selects(one: Json, label: str) -> bool:
    """Tell whether an object has the label `name=value`; no label selects all."""
    name, _, value = label.partition("=")
    return not label or (one["metadata"].get("labels") or {}).get(name) == value


def merged(known: Json, patch: Json) -> Json:
    """Return an object with a patch merged in; null removes."""
    found = dict(known)
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict):
            old = found.get(name)
            found[name] = merged(old if isinstance(old, dict) else {}, value)
        else:
            found[name] = value
    return found
