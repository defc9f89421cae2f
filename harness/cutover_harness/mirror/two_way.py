"""A batch's mirror with everything that a path needs: forward mirror, exact offsets of groups, reverse mirror."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Self

from cutover_harness.mirror.exact_resume import ExactOffset, ExactResume
from cutover_harness.mirror.foreign import Foreign, copied, foreign
from cutover_harness.mirror.mirror import Mirror
from cutover_harness.mirror.reverse import ReverseMirror, capture_cut
from cutover_harness.mirror.spec import MirrorSpec
from cutover_harness.types import ClusterName, PartitionId
from cutover_harness.words import counted


class TwoWayMirror(Mirror):
    """The forward mirror of a batch, with the exact offsets of its groups and its reverse mirror.

    Each method may be called again after the process was killed: what was done before is found done.
    """

    def __init__(self, spec: MirrorSpec) -> None:
        super().__init__(spec)
        self._follows = True
        self._exact = ExactResume(spec.source, spec.target)
        self._back = ReverseMirror(spec)
        self._resumes: dict[str, list[ExactOffset]] = {}

    def __enter__(self) -> Self:
        """Begin to compare in the background."""
        self.watch()
        return self

    def close(self) -> None:
        """Close clients and connections; the connectors stay as they are."""
        self._exact.close()
        self._back.close()
        super().close()

    def delete(self) -> None:
        """Stop and delete the connectors that exist, of both directions."""
        self._back.delete()
        super().delete()

    def forget(self) -> list[str]:
        """Remove what the deleted mirrors of both directions have left, see `Mirror.forget`."""
        return [*super().forget(), *self._back.forget()]

    def set_exact_offsets(self, group: str) -> tuple[bool, str]:
        """Set the group's offsets on the target to exactly the records that it resumes from.

        Return False while a proof needs records that are not mirrored yet. Partitions without any proof keep
        MirrorMaker 2's translation; the evidence names them, with the reason.
        """
        rows = self._exact.compute(group, self.topics(), self.offset_syncs())
        waiting = [row for row in rows if row.waits]
        if waiting:
            return (
                False,
                f"{len(waiting)} of {counted(len(rows), 'partition')} wait for the mirror: {_reason(waiting[0])}",
            )
        self.fence()
        self.stop_translating()  # otherwise its own, earlier translation could overwrite ours
        self.fence()  # stopping it takes seconds
        self._exact.apply(group, rows)
        self._resumes[group] = rows
        unproved = [row for row in rows if not row.proved]
        if none := [row for row in unproved if row.target_offset is None]:
            return (
                False,
                f"{len(none)} of {counted(len(rows), 'partition')} have no offset on the target: {_reason(none[0])}",
            )
        kept = f"; {len(unproved)} keep MirrorMaker 2's translation: {_reason(unproved[0])}" if unproved else ""
        return True, f"{len(rows) - len(unproved)} of {counted(len(rows), 'partition')} proved and set{kept}"

    def resumes(self, group: str) -> Sequence[ExactOffset]:
        """Return the offsets that were set by `set_exact_offsets` last, and those that it could not prove."""
        return self._resumes.get(group, [])

    def set_absent_offsets(self, group: str, partitions: Collection[PartitionId]) -> str | None:
        """Set the group's offsets like `set_exact_offsets` if the target has none; return what is not proved.

        For a group that is stopped. MirrorMaker 2 continues to translate the other partitions.
        """
        wanted = set(partitions)
        rows = self._exact.compute(group, {topic for topic, _ in wanted}, self.offset_syncs())
        rows = [row for row in rows if (row.topic, row.partition) in wanted]
        self.fence()
        self._exact.apply(group, rows)
        unproved = [row for row in rows if not row.proved]
        return f"{len(unproved)} of {len(rows)} not proved: {_reason(unproved[0])}" if unproved else None

    def cut(self) -> dict[PartitionId, int]:
        """Stop copying and return the target's end offsets: records produced there from then on are native.

        Producers have to be held and the mirror at zero, so that nothing has been produced on the target yet.
        """
        self.connectors.stop([self.batch.source_connector])
        return capture_cut(self.spec.target, self.batch.topics, self.batch.exclude)

    def reverse(self, cut: Mapping[PartitionId, int]) -> None:
        """Stop the forward mirror and start the reverse mirror, which copies what the target has from `cut` on.

        A second call with the same cut resumes it.
        """
        self.stop()
        self._back.start(cut)
        self._back.watch()

    def foreign(self, cluster: ClusterName) -> Mapping[PartitionId, Foreign]:
        """Return records on the cluster that is copied to, and that were not copied. May be called from any thread."""
        if cluster == "source":
            self._back.watch()  # in a process that has resumed nobody has begun to compare
        comparer = self.comparer if cluster == "target" else self._back.comparer
        return comparer.read(lambda pairs, _absent: foreign(pairs))

    def copied(self) -> Mapping[PartitionId, int]:
        """Return up to which source offsets the target has every record. May be called from any thread."""
        return self.comparer.read(lambda pairs, _absent: copied(pairs))

    def reason(self) -> str | None:
        """Return the last WARN or ERROR about the batch's connectors, of either direction, in the workers' logs."""
        return super().reason() or self._back.reason()

    def reverse_broken(self) -> str | None:
        """Return what waiting does not heal in the reverse mirror, None if there is nothing of the kind."""
        return self._back.broken()

    def reverse_drained(self) -> tuple[bool, str]:
        """Return whether everything produced on the target is on the source, with the evidence."""
        return self._back.drained()


def _reason(row: ExactOffset) -> str:
    return f"{row.topic}-{row.partition}: {row.evidence}"
