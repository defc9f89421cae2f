"""A key of a ConfigMap as a channel: one writer wins, by the version that it has read.

The rights `get` and `patch` (or `update`) on this one ConfigMap are enough.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from cutover_shim.channel import DEFAULT_KEY
from cutover_shim.cutover_file import MAX_BYTES

from cutover_harness.channels.base import ChannelError, OvertakenError
from cutover_harness.channels.kubernetes_api import CONFLICT, FORBIDDEN, NOT_FOUND, KubernetesApi, Object, RefusedError

ANNOTATION = "kafka-cutover/document"
"""Annotation of pods: the beginning of the document's SHA-256. Its change makes kubelet refresh mounted files."""
_TRIES = 5
_ENDED = {"Succeeded", "Failed"}


class ConfigMapWriter:
    """Writes the key of a ConfigMap.

    kubeconfig, context: as for `KubernetesApi`. touch: a label selector; the annotation of these pods of the namespace
    is changed after a write, so that kubelet refreshes their mounted files immediately and not after 60 to 90 s. That
    needs the rights `list` and `patch` on pods, and is not required: `untouched` has a line for each pod, or for all of
    them, that this failed for. Raises UsageError without the extra, and for a kubeconfig that cannot be used.
    """

    def __init__(
        self,
        namespace: str,
        name: str,
        key: str = DEFAULT_KEY,
        *,
        kubeconfig: Path | None = None,
        context: str | None = None,
        touch: str | None = None,
    ) -> None:
        self.name = f"configmap:{namespace}/{name}/{key}"
        self.untouched: list[str] = []
        self._key, self._touch = key, touch
        self._configmap = name
        self._namespace = f"/api/v1/namespaces/{namespace}"
        self._path = f"{self._namespace}/configmaps/{name}"
        self._api = KubernetesApi(self.name, kubeconfig, context)

    def read(self) -> str | None:
        """Return the document, None if there is no ConfigMap or it has no such key. Raises ChannelError."""
        found = self._get()
        return None if found is None else self._text(found)

    def write(self, text: str, *, replaces: str | None) -> None:
        """Replace the document; refused with OvertakenError if another one is there. Raises ChannelError.

        A ConfigMap that is missing is created, if that is allowed.
        """
        if len(text.encode(errors="surrogateescape")) > MAX_BYTES:
            raise ChannelError(f"{self.name}: the document is larger than {MAX_BYTES >> 20} MiB", final=True)
        for _ in range(_TRIES):
            found = self._get()
            there = None if found is None else self._text(found)
            if there == text:
                break
            if there != replaces:
                raise OvertakenError(f"{self.name}: its content has changed since it was read")
            try:
                self._create(text) if found is None else self._replace(found, text)
            except RefusedError as why:
                if why.status != CONFLICT:
                    raise
                continue  # another version is there, perhaps with this content: only a label has changed
            if self.read() != text:
                raise OvertakenError(f"{self.name}: another writer has replaced the document")
            break
        else:
            raise ChannelError(f"{self.name}: is changed all the time by another writer: find and stop it")
        if self._touch is not None:
            self.untouched = self._touch_pods(self._touch, text)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _get(self) -> Object | None:
        try:
            return self._api.get(self._path)
        except RefusedError as why:
            if why.status == NOT_FOUND:
                return None
            raise

    def _text(self, found: Object) -> str | None:
        text = (found.get("data") or {}).get(self._key)
        if isinstance(text, str):
            return text
        encoded = (found.get("binaryData") or {}).get(self._key)
        if not isinstance(encoded, str):
            return None
        try:
            return base64.b64decode(encoded, validate=True).decode(errors="surrogateescape")
        except binascii.Error:
            raise ChannelError(f"{self.name}: is not base64") from None

    def _create(self, text: str) -> None:
        entries = {field: found for field, found in self._entries(text).items() if None not in found.values()}
        body: Object = {"metadata": {"name": self._configmap}, **entries}
        try:
            self._api.post(f"{self._namespace}/configmaps", body)
        except RefusedError as why:
            if why.status != FORBIDDEN:
                raise
            command = f"kubectl create configmap {self._configmap} --namespace={self._namespace.rpartition('/')[2]}"
            raise ChannelError(
                f"{self.name}: the ConfigMap does not exist, and creating it is not allowed: {command}", final=True
            ) from None

    def _replace(self, found: Object, text: str) -> None:
        version = {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}}
        try:
            self._api.patch(self._path, {**version, **self._entries(text)})
        except RefusedError as why:
            if why.status != FORBIDDEN:
                raise
            whole = dict(found)
            for field, entries in self._entries(text).items():
                merged = {**(found.get(field) or {}), **entries}
                whole[field] = {key: value for key, value in merged.items() if value is not None}
            try:
                self._api.put(self._path, whole)  # perhaps `update` is allowed and `patch` is not
            except RefusedError as second:
                raise (why if second.status == FORBIDDEN else second) from None

    def _entries(self, text: str) -> Object:
        """Return both fields of a ConfigMap with this document; None stands for no entry."""
        content = text.encode(errors="surrogateescape")
        try:
            content.decode()
        except UnicodeDecodeError:
            return {"data": {self._key: None}, "binaryData": {self._key: base64.b64encode(content).decode()}}
        return {"data": {self._key: text}, "binaryData": {self._key: None}}

    def _touch_pods(self, selector: str, text: str) -> list[str]:
        """Change the annotation of pods, and return a line for each failure."""
        mark = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
        failures: list[str] = []
        try:
            pods = self._api.get(f"{self._namespace}/pods", labelSelector=selector).get("items") or []
        except ChannelError as why:
            return [f"no pod of {selector} is refreshed early: {why}"]
        for pod in pods:
            metadata = pod["metadata"]
            if (metadata.get("annotations") or {}).get(ANNOTATION) == mark or pod.get("status", {}).get(
                "phase"
            ) in _ENDED:
                continue
            try:
                path = f"{self._namespace}/pods/{metadata['name']}"
                self._api.patch(path, {"metadata": {"annotations": {ANNOTATION: mark}}})
            except RefusedError as why:
                if why.status != NOT_FOUND:  # it has ended since
                    failures.append(f"pod {metadata['name']} is not refreshed early: {why}")
            except ChannelError as why:
                return [*failures, f"pod {metadata['name']} and those behind it are not refreshed early: {why}"]
        return failures
