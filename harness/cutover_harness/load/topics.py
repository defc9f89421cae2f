"""Check that the topics of a load exist, before any client is started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from cutover_shim.cutover_file import CutoverFileError, parse

from cutover_harness.capture.cluster import TIMEOUT_S, ClusterView
from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.load.settings import LoadSettings

_SHOWN = 5


def check_topics(settings: LoadSettings) -> None:
    """Raise UsageError if a cluster does not answer, or lacks a topic that producers write to."""
    if settings.cutover_file is None:
        _check(settings.endpoint or {}, settings.topics)
        return
    for properties, topics in _by_cluster(settings.cutover_file, settings.topics):
        _check(properties, topics)


def _by_cluster(file: Path, topics: Iterable[str]) -> list[tuple[Mapping[str, Any], list[str]]]:
    """Return the topics by the current cluster of their producers; held producers count for the source."""
    try:
        cutover = parse(read_text_input(file, "load: --cutover-file"))
    except CutoverFileError as why:
        raise UsageError(f"load: --cutover-file {file}: {why}") from why
    found: dict[str, list[str]] = defaultdict(list)
    for topic in topics:
        route = cutover.route_of_topic(topic)
        where = "source" if route is None else cutover.routes[route].producers
        found["source" if where == "hold" else where].append(topic)
    return [(cutover.clusters[name].properties, its) for name, its in found.items()]


def _check(properties: Mapping[str, Any], topics: Iterable[str]) -> None:
    view = ClusterView.connect(properties)
    try:
        there = view.admin.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as why:
        raise UsageError(f"load: cluster {view.where}: no answer ({why.args[0].str()})") from why
    missing = sorted(set(topics) - there.keys())
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise UsageError(
            f"load: cluster {view.where}: has no topic {', '.join(missing[:_SHOWN])}{more}: create them, "
            "or give the --topic-prefix of the topics to use"
        )
