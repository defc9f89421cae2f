"""The properties and the JVM of an AutoMQ broker on one node, as AutoMQ's own single-node set-up has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cutover_harness.testbed import settings
from cutover_harness.testbed.s3 import S3Store

# What AutoMQ's `kafka-run-class.sh` and `kafka-server-start.sh` give a JVM; its code reaches into these packages.
_OPENED = (
    "java.io",
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "jdk.internal.ref",
    "sun.nio.ch",
)
JVM_OPTIONS = (
    # Heap and direct memory of AutoMQ's own single-node set-up; later options win over the testbed's.
    "-Xms1g",
    "-Xmx1g",
    "-XX:MetaspaceSize=96m",
    "-XX:MaxDirectMemorySize=1G",
    # The figures of a rehearsal are to be AutoMQ's, so are compiler and collector.
    "-XX:TieredStopAtLevel=4",
    "-XX:-UseSerialGC",
    "-XX:+UseZGC",
    "-XX:ZCollectionInterval=5",
    "-Dio.netty.allocator.maxOrder=11",
    "-Dio.netty.tryReflectionSetAccessible=true",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
)


def credentials(store: S3Store) -> dict[str, str]:
    """Return the variables in which AutoMQ looks for its credentials, so that they stand in no file."""
    return {"KAFKA_S3_ACCESS_KEY": store.access_key, "KAFKA_S3_SECRET_KEY": store.secret_key}


def write_broker(
    file: Path,
    data: Path,
    port: int,
    controller_port: int,
    *,
    own: Mapping[str, str],
    store: S3Store,
    buckets: tuple[str, str],
) -> None:
    """Write the broker's properties. `own` are the distribution's, `buckets` those for data and for operations.

    Timeouts and threads are left as AutoMQ has them: what a rehearsal measures of its failures depends on them.
    """
    data_bucket, ops_bucket = (_url(store, bucket) for bucket in buckets)
    properties = {
        **own,
        **settings.NODE,
        "listeners": f"PLAINTEXT://127.0.0.1:{port},{settings.controller(controller_port)}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        **settings.place(data, controller_port),
        "elasticstream.enable": "true",
        "s3.data.buckets": f"0@{data_bucket}",
        "s3.ops.buckets": f"1@{ops_bucket}",
        "s3.wal.path": f"0@{data_bucket}",
    }
    settings.write_properties(file, properties)


def _url(store: S3Store, bucket: str) -> str:
    return f"s3://{bucket}?region={store.region}&endpoint={store.endpoint}&pathStyle=true"
