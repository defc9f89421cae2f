"""Writers of channels by their names, and the publisher of a fleet."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cutover_shim.cutover_file import SENSITIVE, Cluster, CutoverFileError, parse
from cutover_shim.signature import keys_from

from cutover_harness.channels.base import ChannelWriter
from cutover_harness.channels.configmap import ConfigMapWriter
from cutover_harness.channels.document import REFERENCE, Document
from cutover_harness.channels.file import FileWriter
from cutover_harness.channels.names import ChannelName, FileName, TopicName
from cutover_harness.channels.publish import Publisher
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.errors import UsageError
from cutover_harness.properties_file import read_properties


@dataclass(frozen=True)
class Kubernetes:
    """How to reach the API server, None for the usual ways; `touch`: labels of pods to refresh after a write."""

    kubeconfig: Path | None = None
    context: str | None = None
    touch: str | None = None


def open_channel(
    name: ChannelName,
    clusters: Mapping[str, Cluster],
    keys: Sequence[bytes] = (),
    *,
    create: bool = True,
    kubernetes: Kubernetes | None = None,
) -> ChannelWriter:
    """Return the writer of a channel; nothing is read or written yet.

    clusters: the cluster of control topics by `source` and `target`, and by "" for those that name none. create:
    whether a control topic that is missing is created when it is written. Raises UsageError.
    """
    if isinstance(name, FileName):
        return FileWriter(name.path)
    if isinstance(name, TopicName):
        cluster = clusters.get(name.cluster or "")
        if cluster is None:
            raise UsageError(f"{name}: the cluster is not known: give its properties")
        config = {key: str(value) for key, value in cluster.properties.items()}
        return TopicWriter(name, config, keys=keys, redact=cluster.redact, create=create)
    return ConfigMapWriter(name.namespace, name.name, name.key, **vars(kubernetes or Kubernetes()))


def only_references(key: str | None) -> str | None:
    """Return a `cutover.key` that holds references alone. Raises ValueError for a key itself; resolves nothing."""
    if key is not None and REFERENCE.sub("", key).strip(", \t\n"):
        raise ValueError("holds something that is no reference: write ${file:PATH} or ${NAME}, never the key")
    return key


def own_clusters(source: Path | None, target: Path | None) -> dict[str, Cluster] | None:
    """Return the clusters with the properties in these files, None if a file is not given. Raises UsageError."""
    if source is None or target is None:
        return None
    return {name: cluster_of(name, file) for name, file in (("source", source), ("target", target))}


def clusters_in(document: str) -> Mapping[str, Cluster]:
    """Return the clusters of a document, references resolved. Raises CutoverFileError."""
    return parse(document, os.environ).clusters


def keys_of(reference: str | None) -> tuple[bytes, ...]:
    """Return the keys that a `cutover.key` refers to, the one that signs first; none for None. Raises UsageError."""
    if reference is None:
        return ()
    try:
        return keys_from(reference)
    except CutoverFileError as why:
        raise UsageError(str(why)) from None


def cluster_of(name: str, file: Path) -> Cluster:
    """Return the cluster with the properties in `file`. Raises UsageError."""
    properties = read_properties(file)
    secrets = frozenset(value for key, value in properties.items() if value and SENSITIVE.search(key))
    return Cluster("target" if name == "target" else "source", MappingProxyType(dict(properties)), secrets)


def publisher_of(
    path: Path,
    others: Sequence[ChannelName],
    keys: Sequence[bytes],
    clusters: Mapping[str, Cluster],
    kubernetes: Kubernetes | None = None,
    *,
    resolves: bool = True,
) -> Publisher:
    """Return the publisher of a cutover file and of other channels, which remembers the file's copy."""
    file = FileWriter(path)
    channels = [open_channel(name, clusters, keys, kubernetes=kubernetes) for name in others]
    return Publisher([file, *channels], keys, resolves=resolves, remembered=file.copy)


def adopted(
    path: Path,
    others: Sequence[ChannelName],
    keys: Sequence[bytes],
    kubernetes: Kubernetes | None = None,
    own: Mapping[str, Cluster] | None = None,
) -> tuple[Publisher, Document]:
    """Return the publisher of a cutover file and of other channels that exist, with the document that it has adopted.

    The clusters of control topics are `own`, and references in the document are then resolved by applications alone;
    without it they are those of the file, or of a ConfigMap. Raises UsageError.
    """
    first = others if own else [name for name in others if not isinstance(name, TopicName)]
    publisher = publisher_of(path, first, keys, own or {}, kubernetes, resolves=own is None)
    try:
        document = publisher.adopt()
        if len(first) < len(others):
            publisher.close()
            publisher = publisher_of(path, others, keys, parse(document.body).clusters, kubernetes)
            document = publisher.adopt()
    except BaseException:
        publisher.close()
        raise
    return publisher, document
