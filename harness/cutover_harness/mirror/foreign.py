"""Records on the cluster that a mirror copies to, and that it has not copied. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover_harness.mirror.partition_logs import PartitionLogs
from cutover_harness.types import PartitionId


@dataclass(frozen=True)
class Foreign:
    """Records of one partition that the other cluster does not have, as far as the comparison has come.

    begin: the offset at which the comparison begins. offsets: the last ones that were found.
    """

    begin: int
    offsets: Sequence[int]


def foreign(pairs: Mapping[PartitionId, PartitionLogs]) -> dict[PartitionId, Foreign]:
    """Return them by partition. Compacted ones are left out: the other cluster may have had the record."""
    return {
        partition: Foreign(pair.target_begin, tuple(pair.comparison.findings.extra_last))
        for partition, pair in pairs.items()
        if not pair.comparison.compacted and pair.replaced is None
    }


def copied(pairs: Mapping[PartitionId, PartitionLogs]) -> dict[PartitionId, int]:
    """Return, by partition, the source offset before which every record was found on the target."""
    found = {}
    for partition, pair in pairs.items():
        comparison = pair.comparison
        if pair.replaced is not None or pair.gone is not None or pair.by_key is not None or comparison.overrun:
            continue
        found[partition] = min([pair.next_source, *comparison.findings.missing])
    return found
