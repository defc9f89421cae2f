"""What the steps of a run send to Connect and to the clusters, for `run --dry-run`."""

from __future__ import annotations

import typer
from confluent_kafka import KafkaException
from cutover_shim.cutover_file import SENSITIVE

from cutover_harness.admin import Admin
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connector_configs import forward_configs


def print_connectors(config: ConductorConfig) -> None:
    """Print the connectors of the mirror; values that may be secret are masked."""
    source, target = config.clusters("")
    with config.mirror(source, target) as mirror:
        spec = mirror.spec
    for connector, content in forward_configs(spec).items():
        typer.echo(f"  PUT /connectors/{connector}/config")
        for key, value in sorted(content.items()):
            typer.echo(f"    {key}={'***' if SENSITIVE.search(key) else value}")


def print_offsets(config: ConductorConfig, source: Admin) -> None:
    """Print the offsets that the groups have committed on the source. Raises UsageError."""
    typer.echo("  the offsets are computed when the groups are held; committed on the source now:")
    for group in config.groups:
        try:
            committed = source.committed(group)
        except KafkaException as why:
            raise UsageError(f"source: the offsets of {group} cannot be read: {why.args[0].str()}") from None
        mine = {p: at for p, at in committed.items() if config.batch.mirrors(p[0])}
        shown = ", ".join(f"{topic}-{partition}: {at}" for (topic, partition), at in sorted(mine.items()))
        typer.echo(f"    {group}: {shown or 'none'}")
