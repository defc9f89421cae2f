"""Options for the AutoMQ of a rehearsal and its S3 store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.testbed.automq.distribution import read_distribution
from cutover_harness.testbed.automq.download import fetch
from cutover_harness.testbed.base import Progress
from cutover_harness.testbed.s3 import S3Store, given_store


@dataclass(frozen=True)
class AutomqOptions:
    """`home` is an unpacked distribution, `store` an S3 store that is given; None has an embedded one.

    `keep` leaves the buckets in a store that was given.
    """

    home: Path
    store: S3Store | None = None
    keep: bool = False


def automq_options(
    *,
    home: Path | None,
    url: str | None,
    version: str | None,
    sha256: str | None,
    s3_endpoint: str | None,
    s3_region: str | None,
    s3_credentials: Path | None,
    keep: bool,
    env: Mapping[str, str],
    progress: Progress,
) -> AutomqOptions:
    """Return the options' distribution and store, after downloading the distribution if that is asked for.

    Raises UsageError for options that contradict each other, an unusable home, a failed download and bad credentials.
    """
    if home is None and url is None and version is None:
        raise UsageError(
            "--testbed automq: choose an AutoMQ with --automq-home DIR (an unpacked distribution) or "
            "--automq-version VERSION to download one"
        )
    if home is not None and (url or version or sha256):
        raise UsageError("--automq-home is a distribution that is there: leave out --automq-url, -version and -sha256")
    store = None
    if s3_endpoint is not None:
        store = given_store(s3_endpoint, s3_region or "us-east-1", s3_credentials, env)
    elif s3_credentials is not None or s3_region is not None:
        raise UsageError("--s3-credentials and --s3-region are of a store of your own: name it with --s3-endpoint")
    found = home or fetch(url, version, sha256, progress)
    read_distribution(found)
    return AutomqOptions(found.absolute(), store, keep)
