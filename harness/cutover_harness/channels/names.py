"""Names of channels: `file:PATH`, `kafka:TOPIC[@source|@target]`, `configmap:NAMESPACE/NAME[/KEY]`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cutover_shim.channel import CONFIGMAP, DEFAULT_KEY, FILE, KAFKA

from cutover_harness.errors import UsageError
from cutover_harness.types import ClusterName

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
# DNS labels of Kubernetes (RFC 1123): a namespace is one of them, a ConfigMap's name may have several.
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")


@dataclass(frozen=True)
class FileName:
    """A cutover file."""

    path: Path

    def __str__(self) -> str:
        return f"{FILE}{self.path}"


@dataclass(frozen=True)
class TopicName:
    """A control topic on one cluster; `cluster` None stands for a cluster that is given otherwise."""

    topic: str
    cluster: ClusterName | None

    def __str__(self) -> str:
        return f"{KAFKA}{self.topic}" + ("" if self.cluster is None else f"@{self.cluster}")


@dataclass(frozen=True)
class ConfigMapName:
    """A key of a ConfigMap."""

    namespace: str
    name: str
    key: str

    def __str__(self) -> str:
        return f"{CONFIGMAP}{self.namespace}/{self.name}/{self.key}"


ChannelName = FileName | TopicName | ConfigMapName


def channel_name(text: str) -> ChannelName:
    """Return the channel that `text` names. Raises UsageError; a name without a prefix is refused."""
    if text.startswith(FILE) and len(text) > len(FILE):
        return FileName(Path(text.removeprefix(FILE)))
    if text.startswith(KAFKA):
        return _topic(text)
    if text.startswith(CONFIGMAP):
        return _configmap(text)
    raise UsageError(
        f"channel {text!r}: is no channel: write {FILE}PATH, {KAFKA}TOPIC or {CONFIGMAP}NAMESPACE/NAME[/KEY]"
    )


def parse_channels(names: str | Iterable[str]) -> tuple[ChannelName, ...]:
    """Return the channels in a comma-separated text or a list, a control topic without a cluster as that on both.

    Raises UsageError for anything else, and for a channel that is named twice.
    """
    parts = names.split(",") if isinstance(names, str) else names
    found = [channel_name(part.strip()) for part in parts if part.strip()]
    clusters: tuple[ClusterName, ...] = ("source", "target")
    each = [
        name
        for one in found
        for name in (
            [TopicName(one.topic, cluster) for cluster in clusters]
            if isinstance(one, TopicName) and one.cluster is None
            else [one]
        )
    ]
    for name in each:
        if each.count(name) > 1:
            raise UsageError(f"channel {name}: is named twice: name it once")
    return tuple(each)


def _topic(text: str) -> TopicName:
    topic, at, cluster = text.removeprefix(KAFKA).partition("@")
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise UsageError(f"channel {text!r}: {topic!r} is no name of a topic: write {KAFKA}TOPIC")
    if not at:
        return TopicName(topic, None)
    if cluster == "source":
        return TopicName(topic, "source")
    if cluster == "target":
        return TopicName(topic, "target")
    raise UsageError(f"channel {text!r}: there is no cluster {cluster!r}: write @source or @target, or neither")


def _configmap(text: str) -> ConfigMapName:
    namespace, _, rest = text.removeprefix(CONFIGMAP).partition("/")
    name, slash, key = rest.partition("/")
    key = key if slash else DEFAULT_KEY
    for what, part, allowed in (("namespace", namespace, _NAMESPACE), ("name", name, _NAME), ("key", key, _KEY)):
        if not allowed.fullmatch(part) or part in (".", ".."):
            raise UsageError(
                f"channel {text!r}: {part!r} is no {what} of a ConfigMap: write {CONFIGMAP}NAMESPACE/NAME[/KEY]"
            )
    return ConfigMapName(namespace, name, key)
