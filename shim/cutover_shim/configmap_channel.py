"""A key of a ConfigMap, watched directly at the API server by the service account of the pod.

A mounted ConfigMap is refreshed by kubelet 60 to 90 s late, and with `subPath` never; a watch has the change within
milliseconds. The service account needs the rights `get` and `watch` on this one ConfigMap.
"""

from __future__ import annotations

import base64
import binascii
import random
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from cutover_shim import native
from cutover_shim.api_server import ApiError, ApiServer, ClosedError, refusal
from cutover_shim.channel import CONFIGMAP, DEFAULT_KEY, Receiver
from cutover_shim.cutover_file import MAX_BYTES
from cutover_shim.errors import CutoverFileError

WATCH_S = 30
"""How long the API server lets one watch last; the next one resumes where it ended."""
_GRACE_S = 10.0
_GET_S = 15.0
_STOP_S = 1.0
_AWAY_S = 5.0
_REFUSED_S = 30.0
"""The longest pauses between two tries: the API server is away, or it refuses."""
_WANTED = "is not the name of a ConfigMap: write configmap:NAMESPACE/NAME or configmap:NAMESPACE/NAME/KEY"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


class ConfigMapChannel:
    """Channel `configmap:NAMESPACE/NAME/KEY`: its first content by a get, every later one by a watch.

    `account` is the folder with the service account's `token` and `ca.crt`, `env` has the address of the API server;
    the defaults are those of a pod. Raises CutoverFileError for a name that Kubernetes does not allow.
    """

    def __init__(
        self,
        namespace: str,
        name: str,
        key: str = DEFAULT_KEY,
        *,
        account: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = f"{CONFIGMAP}{namespace}/{name}/{key}"
        if not (_NAME.fullmatch(namespace) and _NAME.fullmatch(name) and _KEY.fullmatch(key)):
            raise CutoverFileError(f"cutover.channel: {self.name!r} {_WANTED}")
        self._namespace, self._configmap, self._key = namespace, name, key
        self._server = ApiServer(account, env)
        self._wake = native.Event()
        self._calling = native.RLock()
        self._stopped = False
        self._receiver: Receiver | None = None
        self._content: bytes | None = None
        self._unusable = False  # what was read last has no document
        self._version: str | None = None  # where the next watch begins; None: the object is read first
        self._opened = 0.0  # when the watch of this round began, 0: it has not
        self._short = 0  # rounds without a watch that has lasted, one more than that
        self._trouble: tuple[str, bool] | None = None  # what the receiver was told last
        self._repeat = False  # a document has come since, so that trouble that is still there has to be told again
        self._completed = False

    @classmethod
    def named(cls, name: str) -> ConfigMapChannel:
        """Return the channel `configmap:NAMESPACE/NAME` or `configmap:NAMESPACE/NAME/KEY`. Raises CutoverFileError."""
        parts = name.removeprefix(CONFIGMAP).split("/")
        if not name.startswith(CONFIGMAP) or len(parts) not in {2, 3}:
            raise CutoverFileError(f"cutover.channel: {name!r} {_WANTED}")
        return cls(*parts)

    def start(self, receiver: Receiver) -> None:
        """Read on a thread of its own until `stop`."""
        self._receiver = receiver
        native.start_thread(self._run, "cutover-shim-configmap")

    def stop(self) -> None:
        """End the reading, also one that waits. A call of the receiver that runs is waited for, a second at most."""
        self._stopped = True
        self._server.close()
        self._wake.set()
        if self._calling.acquire(timeout=_STOP_S):
            self._calling.release()

    def _run(self) -> None:
        try:
            while not self._stopped:
                self._wake.wait(self._round())
        except ClosedError:
            pass
        finally:
            self._server.disconnect()

    def _round(self) -> float:
        """Read once and watch until that fails or ends, and return the pause before the next round."""
        self._opened = 0.0
        longest = _AWAY_S
        least = 0.0
        try:
            if self._version is None:
                self._version = self._get()
            self._version = self._watch(self._version)
        except ApiError as why:
            self._version = None
            if why.status != 410:  # which means that the API server no longer has what came after this version
                longest, least = _REFUSED_S if why.final else _AWAY_S, min(why.retry_after_s, _REFUSED_S)
                self._failed(str(why), final=why.final)
        except ClosedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever was received, the next one has to be read
            self._version = None
            self._failed(f"cannot be used: {type(error).__name__}", final=False)
        # After a watch that has lasted the first try is immediate.
        lasted = self._opened > 0 and time.monotonic() - self._opened > 1
        self._short = 1 if lasted else min(self._short + 1, 10)
        pause = min(longest, 0.125 * 2**self._short) if self._short > 1 else 0.0
        return max(least, pause * random.uniform(0.5, 1))  # noqa: S311 - so that a fleet does not come all together

    def _get(self) -> str:
        """Read the ConfigMap, and return its version, an empty one if there is none."""
        path = f"/api/v1/namespaces/{quote(self._namespace)}/configmaps/{quote(self._configmap)}"
        try:
            found = self._server.get(path, _GET_S)
        except ApiError as why:
            if why.status != 404:
                raise
            self._take(None)
            return ""  # a watch without a version begins with what has been created since
        self._take(found)
        return _version(found) or ""

    def _watch(self, version: str) -> str:
        """Read changes until the watch ends, and return the version that the next one begins with."""
        options = {
            "watch": "true",
            "fieldSelector": f"metadata.name={self._configmap}",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        }
        if version:
            options["resourceVersion"] = version
        path = f"/api/v1/namespaces/{quote(self._namespace)}/configmaps?{urlencode(options)}"
        with self._server.stream(path, WATCH_S + _GRACE_S) as events:
            self._opened = time.monotonic()
            if not self._unusable:
                self._works()
            for event in events:
                version = self._event(event) or version
        return version

    def _event(self, event: Any) -> str | None:
        kind, found = (event.get("type"), event.get("object")) if isinstance(event, dict) else (None, None)
        if kind == "ERROR":
            code = found.get("code") if isinstance(found, dict) else None
            raise refusal(code if isinstance(code, int) else 500, found)
        if kind in {"ADDED", "MODIFIED"}:
            self._take(found)
            if not self._unusable:
                self._works()
        elif kind == "DELETED":
            self._take(None)
        return _version(found)

    def _take(self, found: Any) -> None:
        """Pass the document of a ConfigMap to the receiver, or why there is none."""
        try:
            content = self._document(found)
        except ApiError as why:
            self._unusable = True
            self._failed(str(why), final=True)
            return
        self._unusable = False
        if content != self._content:
            self._content, self._repeat = content, True
            self._call(partial(self._to.document, self.name, content))
        if not self._completed:
            self._completed = True
            self._call(partial(self._to.complete, self.name))

    def _document(self, found: Any) -> bytes:
        if found is None:
            raise ApiError(f"the ConfigMap {self._namespace}/{self._configmap} does not exist")
        text = _entry(found, "data", self._key)
        encoded = _entry(found, "binaryData", self._key)
        try:
            if isinstance(text, str):
                content = text.encode()
            elif isinstance(encoded, str):
                content = base64.b64decode(encoded, validate=True)
            else:
                raise ApiError(f"the ConfigMap {self._namespace}/{self._configmap} has no key {self._key}")
        except (UnicodeEncodeError, binascii.Error):
            raise ApiError(f"the key {self._key} is neither text nor base64") from None
        if len(content) > MAX_BYTES:
            raise ApiError(f"the key {self._key} is larger than {MAX_BYTES >> 20} MiB")
        return content

    @property
    def _to(self) -> Receiver:
        assert self._receiver is not None  # noqa: S101 - the thread is started with it
        return self._receiver

    def _works(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            self._call(partial(self._to.works, self.name))

    def _failed(self, why: str, *, final: bool) -> None:
        if self._repeat or self._trouble != (why, final):
            self._trouble, self._repeat = (why, final), False
            self._call(partial(self._to.failed, self.name, why, final=final))

    def _call(self, call: Callable[[], None]) -> None:
        with self._calling:
            if not self._stopped:
                call()


def _entry(found: Any, field: str, key: str) -> Any:
    entries = found.get(field) if isinstance(found, dict) else None
    return entries.get(key) if isinstance(entries, dict) else None


def _version(found: Any) -> str | None:
    """Return the version of an object that the API server has sent."""
    version = _entry(found, "metadata", "resourceVersion")
    return version if isinstance(version, str) and version else None
