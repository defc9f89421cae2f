"""What a client's settings have it follow: the cutover file, control topics, ConfigMaps, and the keys of signatures."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial
from types import MappingProxyType
from typing import Any

from cutover_shim import config, signature
from cutover_shim.channel import CONFIGMAP, KAFKA, Channel
from cutover_shim.config import Settings
from cutover_shim.cutover_file import CLUSTERS, Cluster, CutoverFile, CutoverFileError
from cutover_shim.file_channel import FileChannel
from cutover_shim.kafka_channel import KafkaChannel
from cutover_shim.watched import Watched

_EMPTY = -1  # generation of what is in force until a control topic has a document


def key_of(settings: Settings) -> Hashable:
    """Return what two clients have in common that can follow the same."""
    return settings.file, settings.channels, settings.key, settings.unsigned, _comparable(_own(settings))


def watched_of(settings: Settings) -> Watched:
    """Return what clients with these settings follow; nothing is read yet.

    Raises CutoverFileError for a channel without a valid name, a control topic without a key, and a key that cannot be
    read.
    """
    topics = [name.removeprefix(KAFKA) for name in settings.channels if name.startswith(KAFKA)]
    for topic in topics:
        name, at, cluster = topic.partition("@")
        if at:  # as statuses name the topic of one cluster
            raise CutoverFileError(
                f"cutover.channel: {KAFKA + topic!r} names a cluster, and clients read the topic on both: write "
                f"{KAFKA}{name or 'TOPIC'}, without @{cluster}"
            )
        if settings.key is None and not settings.unsigned:
            raise CutoverFileError(
                f"cutover.channel: {KAFKA}{topic} needs cutover.key, with which its documents are signed; set "
                "cutover.unsigned=true if the topic's ACLs allow only the conductor to write"
            )
    keys = None
    if settings.key is not None:
        keys = partial(signature.keys_from, settings.key)
        keys()  # a key that is missing or too short surfaces at the start
    own = _own(settings)
    return Watched(
        None if settings.file is None else FileChannel(settings.file),
        [_channel(name, own) for name in settings.channels],
        more=partial(_on_clusters, settings, topics),
        nothing=_nothing(settings) if topics and settings.file is None else None,
        keys=keys,
    )


def _channel(name: str, own: dict[str, Any]) -> Channel:
    if name.startswith(KAFKA) and name != KAFKA:
        return KafkaChannel(name.removeprefix(KAFKA), "source", own)
    if name.startswith(CONFIGMAP):
        from cutover_shim.configmap_channel import ConfigMapChannel  # noqa: PLC0415 - it loads ssl and http.client

        return ConfigMapChannel.named(name)
    raise CutoverFileError(
        f"cutover.channel: {name!r} is not a channel: write {KAFKA}TOPIC or {CONFIGMAP}NAMESPACE/NAME[/KEY]"
    )


def _own(settings: Settings) -> dict[str, Any]:
    """Return the application's own address and login, which control topics are read with; nothing if there is none."""
    if not any(name.startswith(KAFKA) for name in settings.channels):
        return {}
    return _connection(settings, None)


def _connection(settings: Settings, cluster: Cluster | None) -> dict[str, Any]:
    """Return how to reach a cluster (None: by the application's own address), without the application's `client.id`."""
    found = config.connection(config.for_cluster(settings.conf, cluster))
    return {name: value for name, value in found.items() if not name.startswith("client.")}


def _on_clusters(settings: Settings, topics: list[str], file: CutoverFile) -> Iterable[Channel]:
    """Return the control topics on both clusters of a document.

    The source's own address in a document may differ from the application's, which may not have one at all.
    """
    if file.generation == _EMPTY:
        return
    for cluster in CLUSTERS:
        conf = _connection(settings, file.clusters[cluster])
        for topic in topics:
            yield KafkaChannel(topic, cluster, conf)


def _nothing(settings: Settings) -> CutoverFile:
    """Return what is in force while a control topic is empty: no route, so that clients stay at their own address."""
    addresses = [str(value) for name, value in settings.conf.items() if name in config.ADDRESS]
    address = MappingProxyType({"bootstrap.servers": addresses[-1] if addresses else ""})  # of aliases the last counts
    clusters = {str(name): Cluster(name, address) for name in CLUSTERS}
    return CutoverFile(_EMPTY, MappingProxyType(clusters), MappingProxyType({}))


def _comparable(conf: dict[str, Any]) -> Hashable:
    # Callables, such as oauth_cb, are compared by identity.
    return tuple(sorted((k, v if isinstance(v, str | int | float) else id(v)) for k, v in conf.items()))
