"""Where a Connect cluster of a plan works now."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.errors import UsageError
from cutover_harness.types import ClusterName


def works_on(folder: Path, connect: str, place: ClusterName) -> bool:
    """Return whether a Connect cluster is known to work on `place`. folder: that of the batch in the run."""
    try:
        config = ConductorConfig.load(folder / CONFIG)
        source, target = map(Admin, config.clusters(""))
        with closing(config.connects(source.cluster_id, target.cluster_id)) as clusters:
            return clusters.works_elsewhere(connect, place) is None
    except (UsageError, KafkaException):
        return False  # it may have been stopped by the command when that was interrupted
