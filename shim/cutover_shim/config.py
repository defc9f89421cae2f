"""The client properties that the shim adds, and a handle's configuration for one cluster."""

from __future__ import annotations

import itertools
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover_shim.cutover_file import Cluster, CutoverFile

FILE, STATUS, INSTANCE, ROUTE = "cutover.file", "cutover.status", "cutover.instance", "cutover.route"
OWN_OFFSETS = "cutover.own.offsets"
_OWN = frozenset({FILE, STATUS, INSTANCE, ROUTE, OWN_OFFSETS})
_ADDRESS = frozenset({"bootstrap.servers", "metadata.broker.list"})
# What the client refuses, or fails by, where the cluster's login or group protocol is another one.
_TOKENS = ("oauth_cb", "sasl.oauthbearer.", "enable.sasl.oauthbearer.")
_CLASSIC = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy", "group.protocol.type")
_CONNECTION = re.compile(
    r"bootstrap\.|metadata\.broker\.|broker\.address\.|client\.|socket\.|security\.|sasl\.|oauth_cb|(enable\.)?s(sl|asl)\."
)
_count = itertools.count(1)


@dataclass(frozen=True)
class Settings:
    """What the shim itself is told by a client's properties or the environment."""

    file: str | None
    status: str | None
    instance: str
    route: str | None
    conf: dict[str, Any]  # the application's own properties, without the shim's
    own_offsets: bool = False  # the application keeps offsets itself, and tells those of the two clusters apart


def cutover_path(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
    """Find the cutover file that a client built with these arguments follows; None: the plain client."""
    given = args[0].get(FILE) if args and isinstance(args[0], dict) else None
    path = kwargs.get(FILE, given)
    return (os.environ.get("CUTOVER_FILE") if path is None else str(path)) or None


def plain(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Take the shim's own properties out of a constructor's arguments and leave all else, mistakes included."""
    rest = {k: v for k, v in kwargs.items() if k not in _OWN}
    if args and isinstance(args[0], dict) and not _OWN.isdisjoint(args[0]):
        args = ({k: v for k, v in args[0].items() if k not in _OWN}, *args[1:])
    return args, rest


def settings(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Settings:
    """Read the shim's properties. Raises TypeError for a configuration that the client refuses in the same words."""
    if len(args) > 1:
        raise TypeError("expected tuple containing single dict")
    if not (args or kwargs) or (args and not isinstance(args[0], dict)):
        raise TypeError("expected configuration dict")
    conf: dict[str, Any] = {**(args[0] if args else {}), **kwargs}
    own = {k: conf.pop(k, None) for k in _OWN}
    instance = own[INSTANCE] or f"{socket.gethostname()}-{os.getpid()}-{next(_count)}"
    return Settings(
        file=cutover_path(args, kwargs),
        status=own[STATUS] or os.environ.get("CUTOVER_STATUS") or None,
        instance=str(instance),
        route=own[ROUTE],
        conf=conf,
        own_offsets=flag({OWN_OFFSETS: own[OWN_OFFSETS] or False}, OWN_OFFSETS, default=False),
    )


def for_cluster(conf: Mapping[str, Any], cluster: Cluster | None) -> dict[str, Any]:
    """Merge: the application's properties without its address, then the cluster's, which win (None: no cutover file).

    The cluster's come last, because librdkafka applies properties in their order: an alias of the same property that
    the application set cannot win. The application's properties of a login or group protocol that this cluster does not
    use are left out. The client waits 10 s for a token whenever it has `oauth_cb`, and then fails
    (confluent-kafka >= 2.13), and refuses the classic group protocol's properties under the new one (KIP-848).
    """
    if cluster is None:
        return dict(conf)
    topic_defaults = conf.get("default.topic.config")
    own = {**topic_defaults, **conf} if isinstance(topic_defaults, dict) else dict(conf)
    own.pop("default.topic.config", None)  # the client applies these after all others, also after the cluster's
    merged = {k: v for k, v in own.items() if k not in _ADDRESS and k not in cluster.properties}
    merged |= cluster.properties
    useless: tuple[str, ...] = _TOKENS if _mechanism(merged) != "OAUTHBEARER" else ()
    if str(cluster.properties.get("group.protocol", "")).strip().lower() == "consumer":
        useless += _CLASSIC
    return {k: v for k, v in merged.items() if k in cluster.properties or not k.startswith(useless)}


def _mechanism(conf: Mapping[str, Any]) -> str | None:
    """Return the SASL mechanism that a client with these properties logs in by; None: it does not log in.

    librdkafka's default is GSSAPI (CONFIGURATION.md, `sasl.mechanisms`); of two aliases the later one counts.
    """
    protocol = str(conf.get("security.protocol", "plaintext")).strip().upper()
    if not protocol.startswith("SASL"):
        return None
    names = [str(v) for k, v in conf.items() if k in {"sasl.mechanism", "sasl.mechanisms"}]
    return names[-1].strip().upper() if names else "GSSAPI"


def of_source(conf: Mapping[str, Any], file: CutoverFile) -> dict[str, Any]:
    """Give the properties of a client of the source cluster."""
    return for_cluster(conf, file.clusters["source"])


def connection(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client of ours needs to reach the same cluster in the same role: address, login, encryption."""
    return {name: value for name, value in conf.items() if _CONNECTION.match(name)}


def group_of(conf: Mapping[str, Any], file: CutoverFile | None) -> str | None:
    """Name the consumer group, which the cutover file may set; it is the same on both clusters (`parse` sees to it)."""
    group = for_cluster(conf, None if file is None else file.clusters["source"]).get("group.id")
    return None if group is None else str(group)


def number(conf: Mapping[str, Any], names: tuple[str, ...], default: int) -> int:
    """Read a numeric property under any of its aliases; of several the last one counts, as for librdkafka."""
    found = default
    for name, value in conf.items():
        if name in names:
            try:
                found = int(value)
            except (TypeError, ValueError):
                found = default
    return found


def flag(conf: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Read a boolean property the way librdkafka does."""
    value = conf.get(name, default)
    return value if isinstance(value, bool) else str(value).strip().lower() in {"true", "t", "1"}
