"""Kafka Connect's REST interface, as far as a mirror needs it."""

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from cutover_harness.mirror.connect_access import OPEN, ConnectAccess
from cutover_harness.mirror.connect_messages import one_line, secrets_of, trace_reason
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.secret_files import SecretFiles
from cutover_harness.properties_file import resolved

# Temporary answers of a worker that has just started, or whose group rebalances.
_NOT_YET = frozenset({HTTPStatus.CONFLICT, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE})
_RETRY_S = 0.1
# Connect answers a request that changes something within 90 s. It carries out a request that the client has given up
# before that, so that a repeated one would be carried out twice.
_CHANGE_TIMEOUT_S = 95.0


@dataclass(frozen=True)
class Status:
    """A connector's state and its tasks' states, each RUNNING, PAUSED, STOPPED, FAILED, UNASSIGNED or RESTARTING."""

    connector: str
    tasks: tuple[str, ...]
    # The reason of the first one that FAILED, with all causes, in one line.
    failure: str | None


class Connect:
    """One Connect cluster. Methods repeat a request after a temporary error, for `patience_s` seconds at most.

    Then, and after other errors, they raise MirrorError. `secrets`, and those of configurations that are sent, are
    masked in everything that Connect answers. With `files` secrets of configurations stay in files that the worker
    reads. `access`: TLS and the login.
    """

    def __init__(
        self,
        url: str,
        *,
        patience_s: float = 20.0,
        timeout_s: float = 5.0,
        secrets: Collection[str] = (),
        files: SecretFiles | None = None,
        access: ConnectAccess = OPEN,
    ) -> None:
        self._files = files
        self.url = httpx.URL(resolved(url, "address of Connect", os.environ))
        self._secrets = frozenset(secrets) | access.secrets()
        self.patience_s = patience_s
        # Proxies of the environment cannot reach a Connect on this machine.
        is_local = self.url.host in {"127.0.0.1", "localhost", "::1"}
        self._client = httpx.Client(
            base_url=self.url, timeout=timeout_s, trust_env=not is_local, **access.client_options()
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def put_config(self, name: str, config: Mapping[str, str]) -> None:
        """Create the connector, or change its configuration; a configuration that it already has is not sent.

        Each PUT restarts the connector and its tasks, even if it changes nothing.
        """
        config, changed = self._without_secrets(name, config)
        path, wanted = f"{_of(name)}/config", {**config, "name": name}
        # The group's leader answers 404 and 500 in the first second of its life.
        self._change(
            "PUT",
            path,
            dict(config),
            done=lambda: not changed and self._call("GET", path, missing_is_fine=True) == wanted,
            passing=_NOT_YET | {HTTPStatus.NOT_FOUND},
        )

    def create_stopped(self, name: str, config: Mapping[str, str]) -> None:
        """Create the connector in state STOPPED (KIP-980, Kafka 3.7), or stop and configure it if it exists."""
        if self.status(name) is None:
            content, _ = self._without_secrets(name, config)
            body = {"name": name, "config": content, "initial_state": "STOPPED"}
            self._change(
                "POST",
                "/connectors",
                body,
                done=lambda: self.status(name) is not None,
                passing=_NOT_YET | {HTTPStatus.NOT_FOUND},
            )
        else:
            self.set_state(name, "stop")
            self.put_config(name, config)

    def delete(self, name: str) -> None:
        """Delete the connector if it exists."""
        self._change("DELETE", _of(name), missing_is_fine=True)
        if self._files is not None:
            self._files.remove(name)

    def set_state(self, name: str, action: str) -> None:
        """Request a state, which the connector reaches later: `action` is pause, resume or stop (KIP-875)."""
        self._change("PUT", f"{_of(name)}/{action}")

    def restart_failed(self, name: str) -> None:
        """Restart the connector and its tasks if they have FAILED (KIP-745)."""
        self._change("POST", f"{_of(name)}/restart?includeTasks=true&onlyFailed=true")

    def status(self, name: str) -> Status | None:
        """Return the states, None if there is no such connector (or if the worker has not learned of it yet)."""
        answer = self._call("GET", f"{_of(name)}/status", missing_is_fine=True)
        if answer is None:
            return None
        try:
            parts = [answer["connector"], *answer.get("tasks", ())]
            states = [str(part["state"]) for part in parts]
            traces = [str(part.get("trace") or "") for part in parts if part["state"] == "FAILED"]
        except (KeyError, TypeError, AttributeError):
            raise self._error("GET", f"{_of(name)}/status", "answered with no state") from None
        failure = trace_reason(traces[0], self._secrets) if traces else None
        return Status(states[0], tuple(states[1:]), failure)

    def kind(self, name: str) -> str | None:
        """Return whether a connector is a `source` or a `sink`, None if there is no such connector."""
        answer = self._call("GET", _of(name), missing_is_fine=True)
        return None if answer is None else str(answer.get("type")).lower()

    def config(self, name: str) -> dict[str, str] | None:
        """Return a connector's configuration, None if there is no such connector. Messages mask its secrets later."""
        answer = self._call("GET", f"{_of(name)}/config", missing_is_fine=True)
        if answer is None:
            return None
        found = {str(key): str(value) for key, value in answer.items() if value is not None}
        self._secrets |= secrets_of([found])
        return found

    def root(self) -> dict[str, Any]:
        """Return what Connect says of itself: its version and the id of the cluster that it keeps its state on."""
        return self._object("/")

    def names(self) -> list[str]:
        """Return the names of all connectors."""
        return [str(name) for name in self._array("/connectors")]

    def plugins(self) -> list[str]:
        """Return the class names of the connectors that its workers have."""
        return [str(each.get("class")) for each in self._array("/connector-plugins") if isinstance(each, dict)]

    def validate(self, config: Mapping[str, str]) -> list[str]:
        """Return the errors that Connect finds in a connector's configuration; creates nothing."""
        self._secrets |= secrets_of([config])
        plugin = config["connector.class"]
        path = f"/connector-plugins/{plugin}/config/validate"
        answer = self._call("PUT", path, {**config, "name": "validated"})
        try:
            values = [each["value"] for each in answer["configs"]]
            return [one_line(f"{each['name']}: {error}", self._secrets) for each in values for error in each["errors"]]
        except (KeyError, TypeError):
            raise self._error("PUT", path, "answered with no validation") from None

    def delete_offsets(self, name: str) -> None:
        """Delete the stored offsets of a stopped source connector (Kafka 3.6)."""
        self._change("DELETE", f"{_of(name)}/offsets", missing_is_fine=True)

    def _object(self, path: str) -> dict[str, Any]:
        answer = self._call("GET", path)
        if not isinstance(answer, dict):
            raise self._error("GET", path, "answered with something that is not Connect's")
        return answer

    def _array(self, path: str) -> list[Any]:
        answer = self._call("GET", path)
        if not isinstance(answer, list):
            raise self._error("GET", path, "answered with something that is not Connect's")
        return answer

    def offsets(self, name: str) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
        """Return a source connector's stored (partition, offset) pairs (KIP-875), empty if it has none."""
        answer = self._call("GET", f"{_of(name)}/offsets", missing_is_fine=True) or {}
        try:
            return [(dict(each["partition"]), each["offset"]) for each in answer.get("offsets", ())]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._error("GET", f"{_of(name)}/offsets", "answered with no offsets") from None

    def patch_offsets(self, name: str, offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]]) -> None:
        """Set stored offsets of a stopped source connector (KIP-875); None removes the offset of a partition."""
        body = {"offsets": [{"partition": partition, "offset": offset} for partition, offset in offsets]}
        self._change("PATCH", f"{_of(name)}/offsets", body)

    def _without_secrets(self, name: str, config: Mapping[str, str]) -> tuple[dict[str, str], bool]:
        """Return the configuration as it is sent, and whether a secret that it refers to has changed."""
        self._secrets |= secrets_of([config])
        return (dict(config), False) if self._files is None else self._files.moved(name, config)

    def _change(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        passing: Collection[int] = _NOT_YET,
        missing_is_fine: bool = False,
        done: Callable[[], bool] = lambda: False,
    ) -> None:
        """Send a request that changes something; `done` is checked before it is sent and before it is repeated."""
        if done():
            return
        patient = httpx.Timeout(_CHANGE_TIMEOUT_S, connect=self._client.timeout.connect)
        self._call(method, path, body, passing=passing, missing_is_fine=missing_is_fine, done=done, timeout=patient)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        passing: Collection[int] = _NOT_YET,
        missing_is_fine: bool = False,
        done: Callable[[], bool] = lambda: False,
        timeout: httpx.Timeout | None = None,
    ) -> Any:
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                answer = self._client.request(method, path, json=body, timeout=timeout or self._client.timeout)
            except httpx.TransportError as error:
                problem = f"does not answer ({type(error).__name__}: {error})"
            else:
                if answer.is_success:
                    if (content := _content(answer)) is not None:
                        return content
                    problem = f"answered {answer.status_code} with something that is not Connect's: is it a proxy's?"
                elif missing_is_fine and answer.status_code == HTTPStatus.NOT_FOUND:
                    return None
                else:
                    problem = f"answered {answer.status_code} ({one_line(_message(answer), self._secrets)})"
                    if answer.status_code not in passing:
                        raise self._error(method, path, problem)
            if done():
                return {}
            if time.monotonic() > deadline:
                raise self._error(method, path, problem)
            time.sleep(_RETRY_S)

    def _error(self, method: str, path: str, problem: str) -> MirrorError:
        address = self.url.copy_with(username=None, password=None)
        return MirrorError(f"Connect at {address} {problem} to {method} {path}")


def _of(name: str) -> str:
    return f"/connectors/{quote(name, safe='')}"


def _content(answer: httpx.Response) -> dict[str, Any] | list[Any] | None:
    """Return what an answer contains, None if Connect cannot have sent it."""
    try:
        found = answer.json() if answer.content else {}
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text
