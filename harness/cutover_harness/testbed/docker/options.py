"""Options of the docker testbed. Imports nothing of the engine, because every command imports it."""

from __future__ import annotations

from dataclasses import dataclass

from cutover_harness.errors import UsageError
from cutover_harness.testbed.versions import CONFLUENT, numbers

SOURCE_IMAGE = "apache/kafka:3.9.2"
TARGET_IMAGE = "automqinc/automq:1.7.3"
S3_IMAGE = "minio/minio:RELEASE.2025-05-24T17-08-30Z"
NETEM_IMAGE = "nicolaka/netshoot:v0.13"


@dataclass(frozen=True)
class DockerOptions:
    """Images, S3 store and limits.

    `source_version` is the version of Kafka in the source's image, None for one with a quorum of its own (KRaft).
    `connect_image` None: the source's, and Kafka 3.9's if the source's version is chosen. `s3_endpoint` None: a store
    of its own from `s3_image`; else the URL of one that containers reach. `memory` ("2g") limits each container, None
    by what runs in it; `cpus` likewise, None without limit. `netem_image` has iproute2's `tc`.
    """

    source_image: str = SOURCE_IMAGE
    source_version: str | None = None
    target_image: str = TARGET_IMAGE
    connect_image: str | None = None
    s3_image: str = S3_IMAGE
    s3_endpoint: str | None = None
    netem_image: str = NETEM_IMAGE
    memory: str | None = None
    cpus: float | None = None

    @property
    def image_of_connect(self) -> str:
        """The image of Connect."""
        return self.connect_image or (self.source_image if self.source_version is None else SOURCE_IMAGE)


def image_of(version: str) -> str:
    """Return a published image of this version of Kafka. Raises UsageError if none is known."""
    found = numbers(version)
    if found >= (3, 7):
        return f"apache/kafka:{version}"
    if (release := CONFLUENT.get(found[:2])) is not None:
        return f"confluentinc/cp-kafka:{release}"
    known = ", ".join(f"{major}.{minor}" for major, minor in CONFLUENT)
    raise UsageError(
        f"--source-version {version}: images are known for {known}, 3.7 and later: choose one of them, or name an "
        "image with --source-image"
    )
