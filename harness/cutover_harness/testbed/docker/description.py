"""The description of containers for the report: images, versions, limits and the engine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping

from cutover_harness.testbed.base import TargetKind
from cutover_harness.testbed.docker.nodes import Node
from cutover_harness.testbed.docker.options import DockerOptions
from cutover_harness.testbed.versions import CONFLUENT, numbers, on_zookeeper

_KAFKA_JAR = re.compile(r"kafka_2\.\d+-(\d+\.\d+\.\d+)(-ccs|-ce)?")


def describe(
    options: DockerOptions,
    target_kind: TargetKind,
    versions: Mapping[str, str],
    nodes: Iterable[Node],
    engine_version: str,
    *,
    exactly_once: bool,
    ack_delay_ms: int,
) -> dict[str, str]:
    """Return a text for each label; `versions` are those of "source" and "target", empty until they run."""
    zookeeper = " with ZooKeeper" if options.source_version and on_zookeeper(options.source_version) else ""
    source = f"Apache Kafka {versions.get('source', '')}{zookeeper} (image {options.source_image})"
    if target_kind == "AutoMQ":
        store = options.s3_endpoint or f"image {options.s3_image}"
        target = f"AutoMQ {versions.get('target', '')} (image {options.target_image}; S3 store: {store})"
    else:
        target = f"Apache Kafka {versions.get('target', '')} (image {options.target_image}) standing in for AutoMQ"
    if ack_delay_ms:
        target += f", acknowledgements delayed by {ack_delay_ms} ms for applications, not for the mirror"
    support = "exactly-once" if exactly_once else "at-least-once"
    limits = sorted({f"{node.alias} {node.memory}" for node in nodes})
    cpus = f"{options.cpus:g} CPUs each" if options.cpus else "no limit of CPUs"
    return {
        "testbed": "containers, one broker a cluster",
        "source": source,
        "target": target,
        "connect": f"Kafka Connect (image {options.image_of_connect}), MirrorMaker 2, {support}",
        "engine": f"{engine_version}; memory: {', '.join(limits)}; {cpus}",
        "host": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
    }


def version(image: str, jars: str, *, automq: bool) -> str:
    """Return the version by the names of the image's jars; for AutoMQ the image's tag and Kafka's version."""
    tag = image.rpartition("/")[2].partition(":")[2] or "of an unknown version"
    kafka = _in_apaches_numbers(*found.groups()) if (found := _KAFKA_JAR.search(jars)) else None
    if automq:
        return f"{tag}, based on Kafka {kafka}" if kafka else tag
    return kafka or tag


def _in_apaches_numbers(version: str, confluent: str | None) -> str:
    if confluent is None:
        return version
    releases = {numbers(release)[:2]: kafka for kafka, release in CONFLUENT.items()}
    kafka = releases.get(numbers(version)[:2])
    return f"{'.'.join(map(str, kafka)) if kafka else 'unknown'} (Confluent {version})"
