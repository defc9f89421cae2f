"""What a worker compares: a partition, or a segment of one; and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cutover_harness.types import PartitionId
from cutover_harness.verify.tally import Findings, Held


@dataclass(frozen=True)
class Piece:
    """Offsets of one partition, from `begin` to before `end` on each side; the target has none if it lacks it.

    `segment`: of a sample; then the source is read from `begin` on to find the place on the target, and compared from
    `compare_from` on. `log_begin`: where the source's log is compared from, for records that the mirror repeats.
    """

    number: int
    partition: PartitionId
    source_begin: int
    source_end: int
    target_begin: int
    target_end: int
    log_begin: int = 0
    compare_from: int = 0
    compacted: bool = False
    stamped: bool = False
    cut_source: bool = False
    cut_target: bool = False
    segment: bool = False
    native_from: int | None = None

    @property
    def offsets(self) -> int:
        """Offsets to read on both sides, at most."""
        target = min(self.target_end, self.target_end if self.native_from is None else self.native_from)
        return self.source_end - self.source_begin + max(0, target - self.target_begin)

    def behind(self, at: Checkpoint) -> int:
        """Return the offsets before a checkpoint."""
        return at.source_at - self.source_begin + max(0, at.target_at - self.target_begin)

    def continued(self, at: Checkpoint) -> Piece:
        """Return the rest of the piece behind a checkpoint."""
        return replace(
            self,
            source_begin=at.source_at,
            target_begin=at.target_at,
            cut_source=False,
            cut_target=False,
            stamped=at.stamped,
        )


@dataclass(frozen=True)
class Checkpoint:
    """A place from which a comparison continues: next offsets, findings so far, and records still unexplained."""

    source_at: int
    target_at: int
    stamped: bool
    found: Findings
    missing: tuple[Held, ...] = ()
    extra: tuple[Held, ...] = ()


@dataclass(frozen=True)
class PieceResult:
    """What a comparison found. `notes`: why it is no proof for all of the piece. `stamped`: without timestamps."""

    found: Findings
    notes: tuple[str, ...] = ()
    keys: int | None = None
    records: int = 0
    bytes: int = 0
    stamped: bool = False
