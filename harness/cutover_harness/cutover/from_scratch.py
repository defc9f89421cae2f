"""`run --from-scratch`: a batch that came back is copied again from the start, as if it had never been mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.errors import UsageError
from cutover_harness.mirror import TwoWayMirror
from cutover_harness.words import listed

OPTION = "--from-scratch"


def refuse(mirror: TwoWayMirror, route: str) -> None:
    """Raise UsageError if the batch's mirror exists, or if the target still has topics of the batch."""
    if mirror.exists():
        raise UsageError(
            f"{OPTION}: batch {route}: connectors of its mirror exist ({', '.join(mirror.batch.connectors)}): end its "
            "run with kafka-cutover rollback, or delete them"
        )
    if there := sorted(name for name in mirror.target.partitions() if mirror.batch.mirrors(name)):
        raise UsageError(
            f"{OPTION}: batch {route}: the target has {listed(there)}: delete the batch's topics there first, with "
            "their records, or leave the option out: the mirror then continues where it ended"
        )


def shown(config: ConductorConfig) -> str:
    """Return what `forget` removes, for a dry run."""
    batch = config.batch
    names = [*batch.connectors, batch.reverse.source_connector]
    topics = [batch.offset_syncs_topic, batch.checkpoints_topic]
    return (
        f"{OPTION}: DELETE /connectors/NAME/offsets of {', '.join(names)} (created stopped, and deleted again); on the "
        f"target the topics {', '.join(topics)}"
    )


def forget(config: ConductorConfig) -> Sequence[str]:
    """Remove what the batch's earlier mirrors have left; return it in words. Raises UsageError, see `refuse`."""
    with closing(config.mirror(*config.clusters(""))) as mirror:
        refuse(mirror, config.route)
        return mirror.forget()
