"""Configurations of Kafka's file connectors, whose records and lines can be accounted for. Pure.

The source connector sends each line of its file as a record with the line as its identity. The sink connector writes
for each record a line with its cluster, topic, partition and offset; the record's identity is in the cluster's log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from cutover_harness.ledger.identity import HEADER
from cutover_harness.testbed.file_connect import WHERE
from cutover_harness.types import ClusterName

FROM = "cutover-from"
"""Header of a source connector's record with the cluster that it was sent to: a mirrored copy keeps it."""
_PLUGIN = "org.apache.kafka.connect.file.FileStream{}Connector"
_TRANSFORM = "org.apache.kafka.connect.transforms."
_BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
_TEXT = "org.apache.kafka.connect.storage.StringConverter"
_WHERE = f"${{env:{WHERE}}}"
_LINE = re.compile(r"Struct\{topic=([^,]+),partition=(\d+),offset=(\d+),cluster=([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a record in a cluster's log."""

    cluster: ClusterName
    topic: str
    partition: int
    offset: int


def source_config(name: str, file: Path, topic: str) -> dict[str, str]:
    """Return the configuration of a source connector: a record for each line, with `name` as the key of all of them.

    One key keeps them in one partition, so that their order can be judged.
    """
    steps = (
        ("line", "HoistField$Value", {"field": "line"}),
        ("name", "InsertField$Value", {"static.field": "name", "static.value": name}),
        ("where", "InsertField$Value", {"static.field": "where", "static.value": _WHERE}),
        ("key", "ValueToKey", {"fields": "name"}),
        ("plain", "ExtractField$Key", {"field": "name"}),
        ("headers", "HeaderFrom$Value", {"fields": "line,where", "headers": f"{HEADER},{FROM}", "operation": "copy"}),
        ("value", "ExtractField$Value", {"field": "line"}),
    )
    kinds = dict.fromkeys(("key.converter", "value.converter", "header.converter"), _TEXT)
    return _config("Source", file, steps) | {"topic": topic, **kinds}


def sink_config(group: str, file: Path, topics: Sequence[str]) -> dict[str, str]:
    """Return the configuration of a sink connector that reads as `group`, and writes a line for each record."""
    fields = {
        "topic.field": "topic",
        "partition.field": "partition",
        "offset.field": "offset",
        "static.field": "cluster",
        "static.value": _WHERE,
    }
    steps = (
        ("value", "HoistField$Value", {"field": "value"}),
        ("place", "InsertField$Value", fields),
        ("short", "ReplaceField$Value", {"exclude": "value"}),
    )
    kinds = dict.fromkeys(("key.converter", "value.converter", "header.converter"), _BYTES)
    return (
        _config("Sink", file, steps)
        | {"topics": ",".join(topics), **kinds}
        | {"consumer.override.group.id": group, "consumer.override.isolation.level": "read_committed"}
    )


def place_in(line: str) -> Place | None:
    """Return the place that a sink connector's line names, None for any other line."""
    if (found := _LINE.fullmatch(line)) is None:
        return None
    topic, partition, offset, where = found.groups()
    cluster: ClusterName | None = next((name for name in get_args(ClusterName) if name == where), None)
    return None if cluster is None else Place(cluster, topic, int(partition), int(offset))


def _config(kind: str, file: Path, steps: Sequence[tuple[str, str, Mapping[str, str]]]) -> dict[str, str]:
    config = {
        "connector.class": _PLUGIN.format(kind),
        "tasks.max": "1",
        "file": str(file),
        "transforms": ",".join(name for name, _, _ in steps),
    }
    for name, transform, fields in steps:
        config[f"transforms.{name}.type"] = _TRANSFORM + transform
        config |= {f"transforms.{name}.{field}": value for field, value in fields.items()}
    return config
