"""What a user may choose about the docker testbed. Imports nothing of the engine's, as every command reads it."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE_IMAGE = "apache/kafka:3.9.2"
TARGET_IMAGE = "automqinc/automq:1.7.3"
S3_IMAGE = "minio/minio:RELEASE.2025-05-24T17-08-30Z"
NETEM_IMAGE = "nicolaka/netshoot:v0.13"


@dataclass(frozen=True)
class DockerOptions:
    """Images, S3 store and limits.

    `connect_image` None: the source's. `s3_endpoint` None: a store of its own from `s3_image`; else the URL of one that
    containers reach. `memory` ("2g") limits each container, None by what runs in it; `cpus` likewise, None without
    limit. `netem_image` has iproute2's `tc`.
    """

    source_image: str = SOURCE_IMAGE
    target_image: str = TARGET_IMAGE
    connect_image: str | None = None
    s3_image: str = S3_IMAGE
    s3_endpoint: str | None = None
    netem_image: str = NETEM_IMAGE
    memory: str | None = None
    cpus: float | None = None
