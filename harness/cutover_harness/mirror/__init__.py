"""MirrorMaker 2: connectors of a batch, and how far they are by the records themselves."""

from cutover_harness.mirror.config import Batch
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.exact import ExactOffset, ExactResume
from cutover_harness.mirror.groups import GroupProgress
from cutover_harness.mirror.mirror import Mirror
from cutover_harness.mirror.offsets_topics import Checkpoint, OffsetSync
from cutover_harness.mirror.progress import Lag
from cutover_harness.mirror.reverse import ReverseMirror, capture_cut

__all__ = [
    "Batch",
    "Checkpoint",
    "ExactOffset",
    "ExactResume",
    "GroupProgress",
    "Lag",
    "Mirror",
    "MirrorError",
    "OffsetSync",
    "ReverseMirror",
    "capture_cut",
]
