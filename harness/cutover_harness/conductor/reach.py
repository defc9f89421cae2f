"""Check that both clusters and Connect answer and are those that the run began on, before anything is written."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin, connect
from cutover_harness.conductor.journal import Entry
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_access import OPEN, ConnectAccess
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.errors import MirrorError

_CONNECT_S = 3.0
_DEFAULT_PORT = 9092


def refuse_unreachable(
    clusters: Mapping[str, Mapping[str, str]],
    connect_urls: Sequence[str],
    entries: Sequence[Entry],
    *,
    access: ConnectAccess = OPEN,
    probe: Callable[[str], str | None] | None = None,
) -> None:
    """Raise UsageError, in one line, for the first cluster or Connect that does not answer or is another one.

    `clusters`: librdkafka properties of source and target. `access`: to the Connects. `probe`: connects to an address;
    returns the error, if any.
    """
    known = {name: str(found) for e in entries if e.kind == "clusters" for name, found in e.detail.items()}
    for name, properties in clusters.items():
        servers = properties["bootstrap.servers"]
        if why := unreachable(servers, probe or _connect_to):
            raise UsageError(f"{name} {servers}: {why}")
        try:
            connect(properties)
            found = Admin(properties).cluster_id()
        except KafkaException as error:
            raise UsageError(f"{name} {servers}: does not answer: {error.args[0].str()}") from None
        if known.get(name, found) != found:
            raise UsageError(
                f"{name} {servers}: is cluster {found}, and the run began on {known[name]}: give the folder of a run "
                f"on this cluster"
            )
    for url in connect_urls:
        client = Connect(url, patience_s=0.0, access=access)
        try:
            client.status("kafka-cutover-is-it-there")
        except MirrorError as why:
            raise UsageError(str(why)) from None
        finally:
            client.close()


def unreachable(servers: str, probe: Callable[[str], str | None]) -> str | None:
    """Return why none of these bootstrap servers accepts a connection; None if one does."""
    reasons = [probe(server.strip()) for server in servers.split(",") if server.strip()]
    return None if None in reasons else "; ".join(str(reason) for reason in reasons) or "no address"


def _connect_to(server: str) -> str | None:
    host, colon, port = server.rpartition("://")[2].rpartition(":")
    if not colon:
        host, port = port, str(_DEFAULT_PORT)
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S):
            return None
    except (OSError, ValueError) as why:
        return f"does not answer ({getattr(why, 'strerror', None) or why})"
