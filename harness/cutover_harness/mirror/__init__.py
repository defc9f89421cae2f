"""MirrorMaker 2: the connectors of a batch, and how much they have copied, by comparing the records themselves.

Map of the modules:

- `spec`: Batch and MirrorSpec, what a mirror is made from. `errors`: MirrorError.
- `one_way`: a mirror in one direction; `mirror`: the forward mirror; `reverse`: the reverse mirror;
  `two_way`: both, with exact offsets, as the conductor uses them.
- Connect: `connect_rest` (its REST interface), `connectors` (create, pause, stop, delete), `connector_configs` (their
  configurations) from `client_properties`, `java_patterns` and `copy_settings`; `health` (states, stalls),
  `connect_access` (TLS, login, the way to the clusters), `connect_messages` and `worker_log` (why something failed),
  `secret_files` (passwords outside of configurations).
- Topics: `topic_settings` (properties that matter), `target_topics` (create them on the target), `compression`
  (whether records are compressed).
- Reading: `log_reader` (records of one cluster), `mm2_topics` (MirrorMaker 2's own topics).
- Is everything on the target? `comparison` (one partition, record by record), `key_comparison` (by keys, if compaction
  has removed too much), `partition_logs` (both logs of one partition), `log_comparer` (reads all of them) and
  `conclusions` (what the result means), `lag` (estimate from the last records), `gaps`
  (records that retention removed too early), `assessment` (answers from all of these).
- Groups: `group_progress` (translated offsets), `exact_resume` and `resume_search` (the exact record that a group
  resumes from), `skip_finder` and `skipped` (records that a group would skip).
"""

from cutover_harness.mirror.client_properties import seen_by_connect
from cutover_harness.mirror.connect_access import OPEN, ConnectAccess
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.exact_resume import ExactOffset, ExactResume
from cutover_harness.mirror.group_progress import GroupProgress
from cutover_harness.mirror.lag import Lag
from cutover_harness.mirror.mirror import Mirror
from cutover_harness.mirror.mm2_topics import Checkpoint, OffsetSync
from cutover_harness.mirror.reverse import ReverseMirror, capture_cut
from cutover_harness.mirror.spec import Batch, MirrorSpec
from cutover_harness.mirror.two_way import TwoWayMirror

__all__ = [
    "OPEN",
    "Batch",
    "Checkpoint",
    "ConnectAccess",
    "ExactOffset",
    "ExactResume",
    "GroupProgress",
    "Lag",
    "Mirror",
    "MirrorError",
    "MirrorSpec",
    "OffsetSync",
    "ReverseMirror",
    "TwoWayMirror",
    "capture_cut",
    "seen_by_connect",
]
