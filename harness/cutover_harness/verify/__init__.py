"""Verification: a record-by-record proof that the target has what the source had.

Map of the modules:

- Pure: `rows` (records and their digests), `alignment` (where two logs are equal again), `ahead` (what is read and not
  compared), `recent` (records compared last), `altered` (records that were changed), `tally` (what is missing, extra,
  reordered, altered, twice), `walk` (one partition), `pieces` (where comparisons begin and end), `outcome` (what the
  results prove).
- Reading: `reader` (one log in chunks), `piece` (what is compared, and how far), `piece_walk` (both logs of a piece),
  `by_keys` (compacted partitions that compaction has changed too much), `worker` (a process that compares pieces).
- Around them: `workers` (starts the processes), `clusters` (log ends and topics), `run_journal` (what a run's journal
  shows), `groups` (committed offsets), `state` (what `--resume` continues from), `batch` (all of it for one batch),
  `request` (from a plan), `model` (the result), `output` and `command` (the command line).
"""
