"""Formatting of a broker's storage by Kafka's own tool, once, before its first start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cutover_harness.processes import spawn, tail
from cutover_harness.testbed import settings
from cutover_harness.testbed.base import TestbedError
from cutover_harness.testbed.jvm import ClassCache, environment

TOOL = "kafka.tools.StorageTool"
_LIMIT_S = 60.0


def arguments(properties: Path, cluster_id: str | None = None) -> list[str]:
    """Return the arguments of `kafka-storage`, which leaves alone what is formatted; a cluster of its own by default.

    The distribution's own tool, because it also writes the feature levels that the broker's storage depends on.
    """
    return ["format", "--ignore-formatted", "-t", cluster_id or settings.random_id(), "-c", str(properties)]


def format_storage(
    name: str, cache: ClassCache, properties: Path, options: Sequence[str], log: Path, cluster_id: str | None = None
) -> None:
    """Format the storage of a broker. Raises TestbedError with what the tool logged."""
    process = spawn(
        cache.command(TOOL, arguments(properties, cluster_id), options, None),
        cwd=properties.parent,
        env=environment(),
        stdout=log,
    )
    try:
        ended = f"ended with {code}" if (code := process.wait(_LIMIT_S)) else None
    except TimeoutError:
        ended = f"took more than {_LIMIT_S:.0f} s"
    finally:
        process.kill()
    if ended is not None:
        raise TestbedError(f"formatting the {name}'s storage {ended}; {log} contains:\n{tail(log)}")
