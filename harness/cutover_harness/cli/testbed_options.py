"""Options of `rehearse` that select the testbed; some belong to certain kinds of testbed only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, get_args

import typer

from cutover_harness.errors import UsageError
from cutover_harness.masking import masked
from cutover_harness.rehearsal.settings import TestbedKind
from cutover_harness.rehearsal.testbed_file import read_testbed_file
from cutover_harness.testbed.automq.options import AutomqOptions, automq_options
from cutover_harness.testbed.docker.options import (
    NETEM_IMAGE,
    S3_IMAGE,
    SOURCE_IMAGE,
    TARGET_IMAGE,
    DockerOptions,
    image_of,
)
from cutover_harness.testbed.existing.description import ExistingClusters
from cutover_harness.types import MOST_BROKERS
from cutover_harness.words import did_you_mean

KINDS: tuple[TestbedKind, ...] = tuple(kind for kind in get_args(TestbedKind) if kind != "existing")
BELONGS: Mapping[str, tuple[TestbedKind, ...]] = {
    "source_version": ("process", "automq", "docker"),
    "brokers": ("process",),
    "source_image": ("docker",),
    "target_image": ("docker",),
    "connect_image": ("docker",),
    "s3_image": ("docker",),
    "s3_endpoint": ("docker", "automq"),
    "netem_image": ("docker",),
    "memory": ("docker",),
    "cpus": ("docker",),
    "automq_home": ("automq",),
    "automq_url": ("automq",),
    "automq_version": ("automq",),
    "automq_sha256": ("automq",),
    "s3_region": ("automq",),
    "s3_credentials": ("automq",),
}
"""Options that only some kinds of testbed have."""


@dataclass(frozen=True)
class TestbedOptions:
    """Brokers and Connect. Fields are None if the option is not given."""

    __test__ = False  # the name is not a test's

    testbed: Annotated[
        str,
        typer.Option(
            "--testbed",
            metavar="KIND|FILE",
            help=f"Kind of testbed: {', '.join(KINDS)}; or a file (YAML) that names existing clusters and Connect.",
        ),
    ] = "process"
    source_version: Annotated[
        str | None,
        typer.Option(
            help="Kafka version of the source: 2.8.2 (with ZooKeeper), 3.4.1, 3.9.1, 3.9.2 or 4.4.0; on docker the "
            "version of --source-image, or chooses a published image (default: 3.9.2)."
        ),
    ] = None
    brokers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="[process] Brokers of each cluster, 1 to 9; topics have up to 3 replicas "
            "(default: what the scenario asks for, otherwise 1).",
        ),
    ] = None
    source_image: Annotated[
        str | None, typer.Option(metavar="IMAGE", help=f"[docker] Image of the source (default: {SOURCE_IMAGE}).")
    ] = None
    target_image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help=f"[docker] Image of the target; an image of Kafka stands in for AutoMQ (default: {TARGET_IMAGE}).",
        ),
    ] = None
    connect_image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="[docker] Image of Connect (default: the source's, or Kafka 3.9's with --source-version).",
        ),
    ] = None
    s3_image: Annotated[
        str | None, typer.Option(metavar="IMAGE", help=f"[docker] Image of AutoMQ's S3 store (default: {S3_IMAGE}).")
    ] = None
    s3_endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="[docker, automq] S3 store to use, reachable from containers; credentials come from "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (default: start one).",
        ),
    ] = None
    netem_image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help=f"[docker] Image with tc, for delay and loss (default: {NETEM_IMAGE})."),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="[docker] Memory of each container, as in 2g (default: 1g, AutoMQ 3g)."),
    ] = None
    cpus: Annotated[
        float | None, typer.Option(metavar="N", help="[docker] CPU limit of each container (default: no limit).")
    ] = None
    automq_home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="[automq] Folder of an unpacked AutoMQ distribution.")
    ] = None
    automq_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="[automq] Release to download and keep, as in 1.7.3.")
    ] = None
    automq_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="[automq] Download from this URL; if it contains a token, set KAFKA_CUTOVER_AUTOMQ_URL instead.",
        ),
    ] = None
    automq_sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="[automq] SHA-256 of the download, or: unverified.")
    ] = None
    s3_region: Annotated[str | None, typer.Option(help="[automq] Region of the S3 store (default: us-east-1).")] = None
    s3_credentials: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="[automq] Credentials in the format of AWS's own file, profile default."),
    ] = None
    target_ack_delay: Annotated[
        int,
        typer.Option(
            metavar="MS",
            help="Delay the target's acknowledgements by this many ms; AutoMQ takes 250 (default: 0).",
            show_default=False,
        ),
    ] = 0
    exactly_once: Annotated[bool, typer.Option("--exactly-once", help="Mirror in transactions (KIP-618).")] = False
    ports: Annotated[
        str | None,
        typer.Option(metavar="SOURCE,TARGET,CONNECT", help="Fixed ports on 127.0.0.1 (default: free ones)."),
    ] = None

    def kind(self) -> TestbedKind:
        """Return the kind of testbed. Raises UsageError if it does not exist, or an option does not belong to it."""
        if self.testbed not in KINDS and not self._is_file:
            near = did_you_mean(self.testbed, KINDS)
            raise UsageError(
                f"--testbed {self.testbed}: not one of: {', '.join(KINDS)}, nor a YAML file{': ' if near else ''}{near}"
            )
        kind: TestbedKind = self.testbed if self.testbed in KINDS else "existing"
        for name, kinds in BELONGS.items():
            value = getattr(self, name)
            if value is not None and kind not in kinds:
                raise UsageError(
                    f"--{name.replace('_', '-')} {masked(str(value))}: is for --testbed {' or '.join(kinds)}, not for "
                    f"{'existing clusters' if kind == 'existing' else kind}: leave it out"
                )
        if self.brokers is not None and not 1 <= self.brokers <= MOST_BROKERS:
            raise UsageError(f"--brokers {self.brokers}: must be between 1 and {MOST_BROKERS}")
        if self.target_ack_delay and kind == "automq":
            raise UsageError("--target-ack-delay: slows down a stand-in, and AutoMQ has its own delay: leave it out")
        if kind == "existing" and (self.target_ack_delay or self.ports is not None):
            option = "--target-ack-delay" if self.target_ack_delay else "--ports"
            raise UsageError(f"{option}: is for brokers that a rehearsal starts: leave it out")
        if not 0 <= self.target_ack_delay <= 60_000:
            raise UsageError(f"--target-ack-delay {self.target_ack_delay}: must be between 0 and 60000 ms")
        return kind

    @property
    def _is_file(self) -> bool:
        return self.testbed.endswith((".yaml", ".yml")) or "/" in self.testbed

    def existing(self) -> ExistingClusters | None:
        """Return the existing clusters that a file names, None for a kind of testbed. Raises UsageError."""
        return read_testbed_file(Path(self.testbed)) if self._is_file else None

    def has_automq(self) -> bool:
        """Return whether the target is AutoMQ, as far as the options show."""
        return self.testbed == "automq" or (
            self.testbed == "docker" and "automq" in (self.target_image or TARGET_IMAGE)
        )

    def fixed_ports(self) -> tuple[int, int, int] | None:
        """Return the ports of source, target and Connect, None for free ones. Raises UsageError."""
        if self.ports is None:
            return None
        numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in self.ports.split(",")]
        if len(numbers) != 3 or not all(0 < number < 65536 for number in numbers) or len(set(numbers)) < 3:
            raise UsageError(f"--ports {self.ports}: three different port numbers are needed, as in 9092,9093,8083")
        return numbers[0], numbers[1], numbers[2]

    def docker(self) -> DockerOptions:
        """Return the options of the docker testbed, with its defaults."""
        given = {name: getattr(self, name) for name, kinds in BELONGS.items() if "docker" in kinds}
        known = {name: value for name, value in given.items() if value is not None}
        if self.testbed == "docker" and self.source_version is not None:
            known["source_image"] = self.source_image or image_of(self.source_version)
        return replace(DockerOptions(), **known)

    def automq(self, *, keep: bool) -> AutomqOptions:
        """Return the options of the automq testbed, after a download if one is requested. Raises UsageError."""
        return automq_options(
            home=self.automq_home,
            url=self.automq_url or (None if self.automq_home else os.environ.get("KAFKA_CUTOVER_AUTOMQ_URL")),
            version=self.automq_version,
            sha256=self.automq_sha256,
            s3_endpoint=self.s3_endpoint,
            s3_region=self.s3_region,
            s3_credentials=self.s3_credentials,
            keep=keep,
            env=os.environ,
            progress=partial(typer.echo, err=True),
        )
