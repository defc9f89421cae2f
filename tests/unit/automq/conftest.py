"""Fixtures of the tests of AutoMQ's distribution."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.automq.distributions import RELEASE_1_7_3, Maker, jar


@pytest.fixture
def distribution(tmp_path: Path) -> Maker:
    """Make a folder laid out like a distribution; nothing in it can run."""

    def make(
        name: str = "automq-1.7.3_kafka-3.9.1",
        *,
        automq: bool = True,
        s3stream: str = "3.9.1",
        commit: str = RELEASE_1_7_3,
    ) -> Path:
        home = tmp_path / name
        (home / "libs").mkdir(parents=True)
        (home / "config/kraft").mkdir(parents=True)
        (home / "config/kraft/server.properties").write_text(
            "# s3.bucket=commented\nlog.dirs=/tmp/x\ns3.stream.object.compaction.living.time.minutes=60\n"
            "create.topic.policy.class.name=kafka.server.es.ElasticCreateTopicPolicy\ns3.wal.path=/tmp/wal\n"
            "elasticstream.endpoint=s3://\ns3.data.buckets=0@s3://production?accessKey=a&secretKey=b\n"
            "automq.zonerouter.channels=0@s3://production?accessKey=a\ns3.telemetry.metrics.exporter.type=prometheus\n"
        )
        jar(home / "libs/kafka-clients-3.9.1.jar", "kafka/kafka-version.properties", commit=commit)
        jar(home / "libs/kafka_2.13-3.9.1.jar", "kafka/Kafka.class")
        if automq:
            jar(home / f"libs/s3stream-{s3stream}.jar", "com/automq/stream/s3/S3Storage.class")
        return home

    return make
