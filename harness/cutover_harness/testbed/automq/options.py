"""What a person may say of the AutoMQ to rehearse with, and of the S3 store below it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.testbed.automq.distribution import Distribution, read_distribution
from cutover_harness.testbed.automq.download import fetch
from cutover_harness.testbed.base import Progress


@dataclass(frozen=True)
class AutomqOptions:
    """Either `home`, an unpacked distribution, or what to download: `version`, or `url` where it lies elsewhere.

    Without `s3_endpoint` an embedded store serves. `s3_credentials` is a file in the form of AWS's own; without it the
    environment is asked. `keep` leaves the buckets in a store that was given.
    """

    home: Path | None = None
    url: str | None = None
    version: str | None = None
    sha256: str | None = None
    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_credentials: Path | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        if self.home is None and self.url is None and self.version is None:
            raise UsageError(
                "--testbed automq: say which AutoMQ, with --automq-home DIR (an unpacked distribution) or "
                "--automq-version VERSION to download one"
            )
        if self.home is not None and (self.url or self.version or self.sha256):
            raise UsageError("--automq-home is a distribution that is there: leave out --automq-url, -version, -sha256")
        if self.s3_credentials is not None and self.s3_endpoint is None:
            raise UsageError("--s3-credentials: the embedded store needs none; name yours with --s3-endpoint")

    def distribution(self, progress: Progress) -> Distribution:
        """Return the distribution, downloaded before where that was asked for. Raises UsageError."""
        home = self.home or fetch(self.url, self.version, self.sha256, progress)
        return read_distribution(home)
