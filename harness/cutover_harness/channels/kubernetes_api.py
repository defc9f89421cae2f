"""Requests to the API server of Kubernetes with the official client, and its errors in one line.

The client is an extra (`kafka-cutover[kubernetes]`) and takes a second to import, so it is imported when it is used.
"""

from __future__ import annotations

import json
import os
import re
import ssl
from pathlib import Path
from typing import Any

from cutover_harness.channels.base import ChannelError
from cutover_harness.errors import UsageError

Object = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
JSON = "application/json"
NOT_FOUND, CONFLICT, FORBIDDEN = 404, 409, 403
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where kubelet mounts the token and the certificate authority of a pod's service account."""
_ANSWER_S = (3.0, 10.0)
"""To connect, and to wait for an answer."""
_FINAL = {400, 401, FORBIDDEN, NOT_FOUND, 405, 413, 422}
_REMEDY = {
    401: "log in again, or check the kubeconfig",
    FORBIDDEN: "grant this right",
    NOT_FOUND: "check the name, or create it",
}


class RefusedError(ChannelError):
    """The API server has answered with an error; `status` is its HTTP code."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, final=status in _FINAL)
        self.status = status


class KubernetesApi:
    """The API server of a kubeconfig, or of the cluster that this pod is in.

    place: begins each message. kubeconfig: a file; None: that of KUBECONFIG, otherwise in a pod its service account,
    otherwise `~/.kube/config`. context: of the kubeconfig, None for its current one. Raises UsageError.
    """

    def __init__(self, place: str, kubeconfig: Path | None = None, context: str | None = None) -> None:
        self.place = place
        try:
            from kubernetes import client  # noqa: PLC0415
        except ImportError:
            raise UsageError(
                f"{place}: the client of Kubernetes is not installed: pip install 'kafka-cutover[kubernetes]'"
            ) from None
        configuration = client.Configuration()
        self._configure(configuration, kubeconfig, context)
        configuration.retries = False  # neither another try nor a redirect
        self._client = client.ApiClient(configuration)

    def close(self) -> None:
        """Close the connections."""
        self._client.rest_client.pool_manager.clear()
        self._client.close()

    def get(self, path: str, **query: str) -> Object:
        """Return an object. Raises ChannelError, RefusedError with its status if the API server has answered."""
        return self._call("GET", path, query=query)

    def patch(self, path: str, body: Object) -> Object:
        """Merge a part of an object into it, and return it; with a resourceVersion only into that version."""
        return self._call("PATCH", path, body, kind=MERGE_PATCH)

    def put(self, path: str, body: Object) -> Object:
        """Replace an object of the version that `body` has, and return it."""
        return self._call("PUT", path, body)

    def post(self, path: str, body: Object) -> Object:
        """Create an object, and return it."""
        return self._call("POST", path, body)

    def _configure(self, configuration: Any, kubeconfig: Path | None, context: str | None) -> None:
        import yaml  # noqa: PLC0415
        from kubernetes import config  # noqa: PLC0415
        from kubernetes.config.incluster_config import InClusterConfigLoader  # noqa: PLC0415

        file = str(kubeconfig) if kubeconfig is not None else os.environ.get("KUBECONFIG", "")
        what = f"kubeconfig {file or '~/.kube/config'}"
        try:
            if not file and context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
                what = f"service account {ACCOUNT}"
                loader = InClusterConfigLoader(str(ACCOUNT / "token"), str(ACCOUNT / "ca.crt"))
                loader.load_and_set(configuration)
            else:
                path = file or str(Path("~/.kube/config").expanduser())
                config.load_kube_config(path, context, configuration, persist_config=False)
        except config.ConfigException as why:
            raise UsageError(f"{self.place}: {what}: {_line(str(why))}") from None
        except OSError as why:
            raise UsageError(f"{self.place}: {what}: {why.strerror or type(why).__name__}") from None
        except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError):  # their texts quote the file
            raise UsageError(f"{self.place}: {what}: is not a valid kubeconfig") from None

    def _call(
        self, method: str, path: str, body: Object | None = None, *, kind: str = JSON, query: Object | None = None
    ) -> Object:
        from kubernetes.client import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            found = self._client.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": JSON, "Content-Type": kind},
                body=body,
                response_type="object",
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _request_timeout=_ANSWER_S,
            )
        except ApiException as why:
            raise self._error(why) from None
        except (HTTPError, OSError, ValueError) as why:
            raise ChannelError(f"{self.place}: the API server does not answer: {_cause(why)}") from None
        if not isinstance(found, dict):
            raise ChannelError(f"{self.place}: the answer of the API server is not an object of Kubernetes")
        return found

    def _error(self, why: Any) -> ChannelError:
        if not why.status:
            return ChannelError(f"{self.place}: the API server does not answer: {_cause(why)}")
        try:
            message = json.loads(why.body)["message"]
        except (ValueError, TypeError, KeyError):
            message = ""
        text = f"{self.place}: the API server refuses: {why.status} {_line(str(message or why.reason or ''))}".rstrip()
        return RefusedError(f"{text}: {remedy}" if (remedy := _REMEDY.get(why.status)) else text, why.status)


def _line(text: str) -> str:
    return " ".join(re.sub(r"[^\x20-\x7e]+", " ", text).split())[:300]


def _cause(why: BaseException) -> str:
    """Return the cause in the words of the system; the client's own words contain addresses and objects."""
    found: BaseException | None = why
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {found.verify_message}"
        if isinstance(found, TimeoutError):
            return "timed out"
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    return "timed out" if "Timeout" in type(why).__name__ else type(why).__name__
