"""A cluster through the official client: raw JSON both ways, patience limited, clocks compared.

Only generated methods are called, which are the same in client versions 35 and 37, and nothing of
their models: one odd object would sink a whole list.
"""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from greensched.controller.api import NODES, PAGE, PODS, ApiError
from greensched.controller.names import FIELD_MANAGER
from greensched.errors import Finding, UsageError
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from greensched.controller.api import Json, Kind

CONNECT_S: Final = 10.0
ANSWER_S: Final = 30.0
STILL_S: Final = 75.0  # bookmarks come every 60 s: a stream that is silent for longer is dead
STREAM_S: Final = 300  # after which the server ends a stream
MESSAGE_MAX: Final = 300  # characters of the server's own words
SKEW_MIN_MS: Final = 2_000  # `Date` has whole seconds, and answers take time


def connect(kubeconfig: Path | None = None, context: str | None = None) -> OfficialCluster:
    """Return the cluster of a kubeconfig, or the one that this Pod runs in.

    Raises UsageError where the client is not installed or nothing says which cluster.
    """
    try:
        from kubernetes import client, config
    except ImportError:
        remedy = "pip install 'greensched[k8s]'"
        what = "the Kubernetes client is not installed"
        raise UsageError(Finding(where="controller", what=what, remedy=remedy)) from None
    settings: Any = client.Configuration()
    try:
        if kubeconfig is None and context is None:
            try:
                config.load_incluster_config(settings)
                return OfficialCluster(settings)
            except config.ConfigException:
                pass  # not in a Pod
        config.load_kube_config(
            str(kubeconfig) if kubeconfig else None, context, client_configuration=settings
        )
    except (config.ConfigException, OSError, TypeError) as error:
        where = str(kubeconfig or "~/.kube/config")
        remedy = "name one with --kubeconfig, or set $KUBECONFIG"
        raise UsageError(Finding(where=where, what=str(error), remedy=remedy)) from None
    return OfficialCluster(settings)


class OfficialCluster:
    """A `Cluster` over the official client; safe for several threads."""

    def __init__(self, configuration: Any) -> None:
        """Take a `kubernetes.client.Configuration`, which says where the server is."""
        from kubernetes.client import ApiClient, BatchV1Api, CoreV1Api, CustomObjectsApi

        configuration.retries = False  # ours to decide, with what the server says
        client = ApiClient(configuration)
        self._custom, self._core = CustomObjectsApi(client), CoreV1Api(client)
        self._batch = BatchV1Api(client)
        self._skew_ms = 0
        self.calls = 0

    @property
    def skew_ms(self) -> int:
        """Return how far the server's clock is ahead of ours, as last seen [ms]."""
        return self._skew_ms

    def page(self, kind: Kind, *, namespace: str = "", label: str = "", more: str = "") -> Json:
        """Return up to `PAGE` objects as a list."""
        options: dict[str, Any] = {"limit": PAGE}
        options |= {"label_selector": label} if label else {}
        options |= {"_continue": more} if more else {}
        return self._json(*self._list(kind, namespace), options)

    def watch(
        self, kind: Kind, *, version: str, namespace: str = "", label: str = ""
    ) -> Iterator[Json]:
        """Yield events until the server ends the stream, or nothing came for 75 s."""
        options: dict[str, Any] = {
            "watch": True,
            "resource_version": version,
            "allow_watch_bookmarks": True,
            "timeout_seconds": STREAM_S,
            "_request_timeout": (CONNECT_S, STILL_S),
        }
        options |= {"label_selector": label} if label else {}
        method, where = self._list(kind, namespace)
        answer = self._answer(method, where, options)
        try:
            rest = b""
            for part in answer.stream(amt=None, decode_content=False):
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield json.loads(line)
        except Exception as error:  # noqa: BLE001 - of three libraries, by version
            raise _failure(f"watch {kind.plural}", error) from None
        finally:
            answer.close()  # it was read in part: the connection is of no use
            answer.release_conn()

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Return one object."""
        if kind == PODS:
            return self._json(self._core.read_namespaced_pod, (name, namespace))
        if kind == NODES:
            return self._json(self._core.read_node, (name,))
        scope, where = self._scope(kind, namespace)
        return self._json(getattr(self._custom, f"get_{scope}_custom_object"), (*where, name))

    def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """Return the object made."""
        scope, where = self._scope(kind, namespace)
        method = getattr(self._custom, f"create_{scope}_custom_object")
        return self._json(method, (*where, body), {"field_manager": FIELD_MANAGER})

    def patch_job(self, namespace: str, name: str, body: Json) -> Json:
        """Return the Job after a strategic merge patch."""
        options = {"field_manager": FIELD_MANAGER}
        return self._json(self._batch.patch_namespaced_job, (name, namespace, body), options)

    def replace(
        self, kind: Kind, namespace: str, name: str, body: Json, *, part: str = ""
    ) -> Json:
        """Return the object put in place."""
        scope, where = self._scope(kind, namespace)
        method = getattr(self._custom, f"replace_{scope}_custom_object{part and '_'}{part}")
        options = {"field_manager": FIELD_MANAGER}
        return self._json(method, (*where, name, body), options)

    # -- inside --------------------------------------------------------------------------------

    def _list(self, kind: Kind, namespace: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Return the method that lists a kind, and its arguments."""
        if kind == PODS:
            if namespace:
                return self._core.list_namespaced_pod, (namespace,)
            return self._core.list_pod_for_all_namespaces, ()
        if kind == NODES:
            return self._core.list_node, ()
        scope, where = self._scope(kind, namespace)
        return getattr(self._custom, f"list_{scope}_custom_object"), where

    def _scope(self, kind: Kind, namespace: str) -> tuple[str, tuple[str, ...]]:
        if namespace and kind.namespaced:
            return "namespaced", (kind.group, kind.version, namespace, kind.plural)
        return "cluster", (kind.group, kind.version, kind.plural)

    def _json(
        self,
        method: Callable[..., Any],
        where: tuple[Any, ...],
        options: dict[str, Any] | None = None,
    ) -> Json:
        options = {"_request_timeout": (CONNECT_S, ANSWER_S), **(options or {})}
        answer = self._answer(method, where, options)
        try:
            found: Json = json.loads(answer.read())
        except Exception as error:  # noqa: BLE001 - as above
            raise _failure(method.__name__, error) from None
        finally:
            answer.release_conn()
        return found

    def _answer(
        self, method: Callable[..., Any], where: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        """Return the server's answer, its body not read; raises ApiError."""
        self.calls += 1
        try:
            answer = method(*where, _preload_content=False, **options)
        except Exception as error:  # noqa: BLE001 - as above
            raise _failure(method.__name__, error) from None
        answer = getattr(answer, "response", answer)  # of urllib3, in every version
        self._compare_clocks(answer.headers.get("date"))
        if answer.status >= HTTPStatus.BAD_REQUEST:
            told = _refusal(method.__name__, answer.status, answer.read(), answer.headers)
            answer.release_conn()
            raise told
        return answer

    def _compare_clocks(self, date: str | None) -> None:
        if date:
            theirs = parsedate_to_datetime(date).timestamp() * MS_PER_S
            skew_ms = round(theirs - time.time() * MS_PER_S)
            self._skew_ms = skew_ms if abs(skew_ms) >= SKEW_MIN_MS else 0


def _failure(where: str, error: Exception) -> ApiError:
    """Return what an exception of the client means."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and status:
        return _refusal(where, status, getattr(error, "body", ""), getattr(error, "headers", None))
    words = " ".join(str(error).split())[:MESSAGE_MAX]
    return ApiError(where, 0, words or type(error).__name__)


def _refusal(where: str, status: int, body: Any, headers: Any) -> ApiError:
    """Return an answer that is no success, with the server's words and its `Retry-After`."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, TypeError, KeyError):
        message = str(body or "")
    after = (headers or {}).get("retry-after", "")
    after_s = float(after) if str(after).isdecimal() else None
    return ApiError(where, status, str(message)[:MESSAGE_MAX], after_s)
