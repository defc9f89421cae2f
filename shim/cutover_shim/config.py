"""The client properties that the shim adds, and a client's configuration for one cluster."""

from __future__ import annotations

import itertools
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover_shim import codes
from cutover_shim.cutover_file import Cluster, CutoverFile

FILE, STATUS, INSTANCE, ROUTE = "cutover.file", "cutover.status", "cutover.instance", "cutover.route"
OWN_OFFSETS = "cutover.own.offsets"
CHANNEL, KEY, UNSIGNED, APP = "cutover.channel", "cutover.key", "cutover.unsigned", "cutover.app"
_OWN = frozenset({FILE, STATUS, INSTANCE, ROUTE, OWN_OFFSETS, CHANNEL, KEY, UNSIGNED, APP})
ADDRESS = frozenset({"bootstrap.servers", "metadata.broker.list"})
# Properties that the client refuses, or fails with, if the cluster's login or group protocol is another one.
_TOKENS = ("oauth_cb", "sasl.oauthbearer.", "enable.sasl.oauthbearer.")
_CLASSIC = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy", "group.protocol.type")
HEARTBEAT_MS = 250
"""Heartbeat interval of a consumer that has switched cluster, unless the application or the cluster sets one."""
_CONNECTION = re.compile(
    r"bootstrap\.|metadata\.broker\.|broker\.address\.|client\.|socket\.|security\.|sasl\.|oauth_cb|(enable\.)?s(sl|asl)\."
)
_TRUE = frozenset({"true", "t", "1"})
_count = itertools.count(1)


@dataclass(frozen=True)
class Settings:
    """The shim's own settings, from a client's properties or the environment."""

    file: str | None
    status: str | None
    instance: str
    route: str | None
    conf: dict[str, Any]  # the application's own properties, without the shim's
    own_offsets: bool = False  # the application keeps offsets itself, and keeps those of the two clusters apart
    channels: tuple[str, ...] = ()  # how documents reach the client besides the file
    key: str | None = None  # references to the keys of signatures
    unsigned: bool = False  # a control topic is accepted without a key
    app: str | None = None  # the application's name

    @property
    def follows(self) -> str | None:
        """The file and channels that the client follows, in words; None for the plain client."""
        names = ([] if self.file is None else [self.file]) + list(self.channels)
        return ", ".join(names) or None


NONE = Settings(file=None, status=None, instance="", route=None, conf={})


def is_plain(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a client with these arguments follows nothing."""
    return not (_given(FILE, args, kwargs) or _given(CHANNEL, args, kwargs))


def _given(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
    """Return one of the shim's own properties, otherwise its environment variable: CUTOVER_FILE for cutover.file."""
    value = kwargs.get(name, args[0].get(name) if args and isinstance(args[0], dict) else None)
    return (os.environ.get(name.upper().replace(".", "_")) if value is None else str(value)) or None


def plain(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a constructor's arguments without the shim's own properties; mistakes stay as they are."""
    rest = {k: v for k, v in kwargs.items() if k not in _OWN}
    if args and isinstance(args[0], dict) and not _OWN.isdisjoint(args[0]):
        args = ({k: v for k, v in args[0].items() if k not in _OWN}, *args[1:])
    return args, rest


def settings(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Settings:
    """Return the shim's settings.

    Raises TypeError, with the client's own text, for what is no configuration, and KafkaException (_INVALID_ARG) for a
    property of the shim that has no value of its kind.
    """
    if len(args) > 1:
        raise TypeError("expected tuple containing single dict")
    if not (args or kwargs) or (args and not isinstance(args[0], dict)):
        raise TypeError("expected configuration dict")
    conf: dict[str, Any] = {**(args[0] if args else {}), **kwargs}
    given = {name: _given(name, args, kwargs) for name in (FILE, STATUS, CHANNEL, KEY, UNSIGNED, APP)}
    own = {k: conf.pop(k, None) for k in _OWN}
    return Settings(
        file=given[FILE],
        status=given[STATUS],
        instance=_instance(own[INSTANCE]),
        route=own[ROUTE],
        conf=conf,
        own_offsets=_switched_on(OWN_OFFSETS, own[OWN_OFFSETS]),
        channels=tuple(dict.fromkeys(part for part in re.split(r"[\s,]+", given[CHANNEL] or "") if part)),
        key=given[KEY],
        unsigned=_switched_on(UNSIGNED, given[UNSIGNED]),
        app=given[APP],
    )


def _instance(own: Any) -> str:
    """Return the client's name: the property as it is; the variable is the whole process's, and gets a number."""
    if own:
        return str(own)
    process = os.environ.get("CUTOVER_INSTANCE") or f"{socket.gethostname()}-{os.getpid()}"
    return f"{process}-{next(_count)}"


def _switched_on(name: str, value: Any) -> bool:
    word = str(value or False).strip().lower()
    if word not in _TRUE | {"false", "f", "0"}:
        raise codes.error(codes.INVALID_ARG, f"{name}: {word!r} is neither true nor false")
    return word in _TRUE


def for_cluster(conf: Mapping[str, Any], cluster: Cluster | None) -> dict[str, Any]:
    """Merge the application's properties, without its address, with the cluster's, which win (None: no cutover file).

    The cluster's come last, because librdkafka applies properties in their order: an alias that the application set for
    the same property cannot win. The application's properties of a login or group protocol that this cluster does not
    use are left out: with `oauth_cb` the client waits 10 s for a token and then fails (confluent-kafka >= 2.13), and it
    refuses the classic group protocol's properties under the new one (KIP-848).
    """
    if cluster is None:
        return dict(conf)
    topic_defaults = conf.get("default.topic.config")
    own = {**topic_defaults, **conf} if isinstance(topic_defaults, dict) else dict(conf)
    own.pop("default.topic.config", None)  # the client applies these after all others, also after the cluster's
    merged = {k: v for k, v in own.items() if k not in ADDRESS and k not in cluster.properties}
    merged |= cluster.properties
    useless: tuple[str, ...] = _TOKENS if _mechanism(merged) != "OAUTHBEARER" else ()
    if str(cluster.properties.get("group.protocol", "")).strip().lower() == "consumer":
        useless += _CLASSIC
    return {k: v for k, v in merged.items() if k in cluster.properties or not k.startswith(useless)}


def joining(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return a consumer's configuration with which it joins a group together with others that switch cluster.

    The members of a group switch within a moment, not at the same time. A member that comes later waits until the first
    one hears of it with its next heartbeat: 3 s by default, which would be most of the blackout.
    """
    if "heartbeat.interval.ms" in conf or str(conf.get("group.protocol", "")).strip().lower() == "consumer":
        return dict(conf)
    return {**conf, "heartbeat.interval.ms": HEARTBEAT_MS}


def _mechanism(conf: Mapping[str, Any]) -> str | None:
    """Return the SASL mechanism of a client with these properties; None if it does not log in.

    librdkafka's default is GSSAPI (CONFIGURATION.md, `sasl.mechanisms`); of two aliases the last one counts.
    """
    protocol = str(conf.get("security.protocol", "plaintext")).strip().upper()
    if not protocol.startswith("SASL"):
        return None
    names = [str(v) for k, v in conf.items() if k in {"sasl.mechanism", "sasl.mechanisms"}]
    return names[-1].strip().upper() if names else "GSSAPI"


def connection(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties that the shim's own clients need to reach the same cluster: address, login, encryption."""
    return {name: value for name, value in conf.items() if _CONNECTION.match(name)}


def group_of(conf: Mapping[str, Any], file: CutoverFile | None) -> str | None:
    """Return the consumer group, which the cutover file may set; it is the same on both clusters (see `parse`)."""
    group = for_cluster(conf, None if file is None else file.clusters["source"]).get("group.id")
    return None if group is None else str(group)


def number(conf: Mapping[str, Any], names: tuple[str, ...], default: int) -> int:
    """Return a numeric property by any of its aliases; of several the last one counts, as in librdkafka."""
    found = default
    for name, value in conf.items():
        if name in names:
            try:
                found = int(value)
            except (TypeError, ValueError):
                found = default
    return found


def flag(conf: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Return a boolean property as librdkafka reads it."""
    value = conf.get(name, default)
    return value if isinstance(value, bool) else str(value).strip().lower() in _TRUE
