"""Names of the things that every part of the harness speaks of, one type each."""

from typing import Literal

from cutover_shim.cutover_file import ClusterName, Location

__all__ = ["ClusterName", "Location", "PartitionId", "Role"]

Role = Literal["producer", "consumer"]
"""What a client of the shim does."""
PartitionId = tuple[str, int]
"""Topic and partition number: the key of a partition in our own mappings."""
MOST_BROKERS = 9
"""Brokers that a cluster of a rehearsal can have."""
