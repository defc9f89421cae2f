"""The client properties that the shim adds, and a handle's configuration for one cluster."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover_shim.cutover_file import Cluster, CutoverFile

FILE, STATUS, INSTANCE, ROUTE = "cutover.file", "cutover.status", "cutover.instance", "cutover.route"
_OWN = frozenset({FILE, STATUS, INSTANCE, ROUTE})
_ADDRESS = frozenset({"bootstrap.servers", "metadata.broker.list"})
_count = itertools.count(1)


@dataclass(frozen=True)
class Settings:
    """What the shim itself is told by a client's properties or the environment."""

    file: str | None
    status: str | None
    instance: str
    route: str | None
    conf: dict[str, Any]  # the application's own properties, without the shim's


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
    )


def for_cluster(conf: Mapping[str, Any], cluster: Cluster) -> dict[str, Any]:
    """Merge: the application's properties without its address, then the cluster's, which win."""
    return {**{k: v for k, v in conf.items() if k not in _ADDRESS}, **cluster.properties}


def of_source(conf: Mapping[str, Any], file: CutoverFile) -> dict[str, Any]:
    """Give the properties of a client of the source cluster."""
    return for_cluster(conf, file.clusters["source"])


def number(conf: Mapping[str, Any], names: tuple[str, ...], default: int) -> int:
    """Read a numeric property under any of its aliases."""
    for name in names:
        if name in conf:
            try:
                return int(conf[name])
            except (TypeError, ValueError):
                return default
    return default


def flag(conf: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Read a boolean property the way librdkafka does."""
    value = conf.get(name, default)
    return value if isinstance(value, bool) else str(value).strip().lower() in {"true", "t", "1"}
