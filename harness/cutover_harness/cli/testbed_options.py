"""The options of `rehearse` that say what to rehearse on, each for the kinds of testbed that it belongs to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from cutover_harness.errors import UsageError
from cutover_harness.masking import masked
from cutover_harness.rehearsal.settings import TestbedKind
from cutover_harness.testbed.automq.options import AutomqOptions, automq_options
from cutover_harness.testbed.docker.options import NETEM_IMAGE, S3_IMAGE, SOURCE_IMAGE, TARGET_IMAGE, DockerOptions

KINDS: tuple[TestbedKind, ...] = get_args(TestbedKind)
BELONGS: Mapping[str, tuple[TestbedKind, ...]] = {
    "source_version": ("process", "automq"),
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
"""Options that only some kinds know."""

Kind = Annotated[str, typer.Option("--testbed", help=f"Where: {', '.join(KINDS)}.")]
SourceVersion = Annotated[
    str | None, typer.Option(help="[process, automq] Kafka version of the source: 3.9.2 (the default) or 3.4.1.")
]
SourceImage = Annotated[str | None, typer.Option(metavar="IMAGE", help=f"[docker] Of the source: {SOURCE_IMAGE}.")]
TargetImage = Annotated[
    str | None,
    typer.Option(metavar="IMAGE", help=f"[docker] Of the target: {TARGET_IMAGE}. One of Kafka's stands in for AutoMQ."),
]
ConnectImage = Annotated[str | None, typer.Option(metavar="IMAGE", help="[docker] Of Connect: the source's.")]
S3Image = Annotated[str | None, typer.Option(metavar="IMAGE", help=f"[docker] Of AutoMQ's S3 store: {S3_IMAGE}.")]
S3Endpoint = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="[docker, automq] An S3 store (one that containers reach), instead of one of its own; "
        "credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    ),
]
NetemImage = Annotated[
    str | None, typer.Option(metavar="IMAGE", help=f"[docker] With tc, for delay and loss: {NETEM_IMAGE}.")
]
Memory = Annotated[
    str | None, typer.Option(metavar="SIZE", help="[docker] Limit of each container, as in 2g; default: 1g, AutoMQ 3g.")
]
Cpus = Annotated[float | None, typer.Option(metavar="N", help="[docker] CPUs of each container; default: no limit.")]
AutomqHome = Annotated[Path | None, typer.Option(metavar="DIR", help="[automq] An unpacked distribution of AutoMQ.")]
AutomqVersion = Annotated[
    str | None,
    typer.Option(metavar="VERSION", help="[automq] The release to download, as in 1.7.3; it is kept."),
]
AutomqUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="[automq] Where else to download from; or KAFKA_CUTOVER_AUTOMQ_URL, if it has a token."
    ),
]
AutomqSha256 = Annotated[
    str | None, typer.Option(metavar="HEX", help="[automq] SHA-256 of the download, or: unverified.")
]
S3Region = Annotated[str | None, typer.Option(help="[automq] Region of the S3 store; default: us-east-1.")]
S3Credentials = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="[automq] Credentials, as in AWS's own file under default."),
]


def kind_of(testbed: str, given: Mapping[str, object]) -> TestbedKind:
    """Return the kind of testbed; UsageError for one that is not known, or options (not None) that it does not know."""
    if testbed not in KINDS:
        raise UsageError(f"--testbed {testbed}: not one of: {', '.join(KINDS)}")
    kind: TestbedKind = testbed
    for name, value in given.items():
        if value is not None and kind not in BELONGS[name]:
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{option} {masked(str(value))}: is for --testbed {' or '.join(BELONGS[name])} and means nothing to "
                f"{kind}"
            )
    return kind


def docker_options(given: Mapping[str, object]) -> DockerOptions:
    """Return the options of the docker testbed among `given`, defaults where they are None."""
    known = {name: value for name, value in given.items() if value is not None and "docker" in BELONGS[name]}
    return replace(DockerOptions(), **known)  # type: ignore[arg-type]  # typer has checked them


def automq_of(given: Mapping[str, Any], *, keep: bool) -> AutomqOptions:
    """Return the options of the automq testbed among `given`, after a download where one is asked for."""
    return automq_options(
        home=given["automq_home"],
        url=given["automq_url"] or (None if given["automq_home"] else os.environ.get("KAFKA_CUTOVER_AUTOMQ_URL")),
        version=given["automq_version"],
        sha256=given["automq_sha256"],
        s3_endpoint=given["s3_endpoint"],
        s3_region=given["s3_region"],
        s3_credentials=given["s3_credentials"],
        keep=keep,
        env=os.environ,
        progress=partial(typer.echo, err=True),
    )
