"""Connectors of Connect clusters by REST: sink connectors read as groups, source connectors write topics."""

from __future__ import annotations

import re
from collections import Counter
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from cutover_harness.errors import UsageError
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.model import ConnectCluster, Connector, GapKind
from cutover_harness.masking import masked

_TIMEOUT_S = 15.0
CONNECTORS = "connectors"
_FORBIDDEN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def read_connect(url: str, gaps: Gaps) -> ConnectCluster:
    """Return the connectors of the Connect cluster at `url`, which may contain a user and a password.

    Raises UsageError if nothing answers there, or not Connect.
    """
    shown = shown_address(url)
    try:
        address = httpx.URL(url)
        is_local = address.host in {"127.0.0.1", "localhost", "::1"}
        client = httpx.Client(base_url=address, timeout=_TIMEOUT_S, trust_env=not is_local)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise UsageError(f"--connect {shown}: not the address of a Connect REST interface") from None
    with client:
        cluster = ConnectCluster(url=shown)
        root = _get(client, "/", shown)
        if root is None:
            gaps.add(CONNECTORS, "forbidden", f"{shown} refuses the login")
            return cluster
        if not isinstance(root, dict) or "version" not in root:
            raise UsageError(f"--connect {shown}: answers, but not as Kafka Connect: check the address")
        cluster.version, cluster.kafka_cluster_id = str(root["version"]), root.get("kafka_cluster_id")
        listed = _get(client, "/connectors?expand=info&expand=status", shown)
        if not isinstance(listed, dict):
            kind: GapKind = "forbidden" if listed is None else "unsupported"
            gaps.add(CONNECTORS, kind, f"{shown} does not list its connectors with their status")
            return cluster
        cluster.connectors = []
        workers = set()
        for name, parts in sorted(listed.items()):
            try:
                connector, places = _connector(name, parts)
            except (KeyError, TypeError, AttributeError):
                gaps.add(CONNECTORS, "failed", f"{shown} answered without its state", names=[name])
                continue
            workers |= places
            connector.topics = _topics(client, name, shown)
            if connector.topics is None:
                why = f"{shown} does not report the topics that it uses"
                gaps.add("topics of connectors", "unsupported", why, names=[name])
            cluster.connectors.append(connector)
        cluster.workers = sorted(workers)
    return cluster


def shown_address(url: str) -> str:
    """Return the address without all that may be a secret, also if it is not encoded as it has to be."""
    scheme, separator, rest = masked(url).partition("://")
    return f"{scheme}{separator}{re.split('[?#]', rest.rpartition('@')[2])[0]}"


def _connector(name: str, parts: dict[str, Any]) -> tuple[Connector, set[str]]:
    info, status = parts["info"], parts["status"]
    config, tasks = info["config"], status.get("tasks", [])
    kind = str(info.get("type") or status.get("type") or "unknown").lower()
    places = {str(each["worker_id"]) for each in [status["connector"], *tasks] if each.get("worker_id")}
    group = config.get("consumer.override.group.id") or f"connect-{name}"
    return Connector(
        name=name,
        type=kind,
        class_name=str(config.get("connector.class", "")),
        state=str(status["connector"]["state"]),
        tasks=dict(Counter(str(each["state"]) for each in tasks)),
        group=group if kind == "sink" else None,
    ), places


def _topics(client: httpx.Client, name: str, shown: str) -> list[str] | None:
    answer = _get(client, f"/connectors/{quote(name, safe='')}/topics", shown)
    try:
        return sorted(str(topic) for topic in answer[name]["topics"])
    except (KeyError, TypeError):
        return None


def _get(client: httpx.Client, path: str, shown: str) -> Any:
    """Return the content of an answer, None if it is a refusal. Raises UsageError if there is no answer."""
    try:
        answer = client.get(path)
    except httpx.HTTPError as why:
        raise UsageError(f"--connect {shown}: no answer ({type(why).__name__}): check the address") from None
    if answer.status_code in _FORBIDDEN:
        return None
    try:
        return answer.json()
    except ValueError:
        return ""
