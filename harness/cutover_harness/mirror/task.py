"""One mirror task of the procedure: forward mirror, exact resume of groups, and the mirror's turning around."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Self

from cutover_harness.admin import Partition
from cutover_harness.mirror.exact import ExactOffset, ExactResume
from cutover_harness.mirror.mirror import STALL_S, Mirror
from cutover_harness.mirror.reverse import ReverseMirror, capture_cut


class MirrorTask(Mirror):
    """A batch's mirror with all that a path may ask of it; one instance a thread. Methods raise MirrorError.

    Everything may be asked again: what was done before a kill is found done.
    """

    def __init__(
        self,
        connect_url: str,
        source: Mapping[str, str],
        target: Mapping[str, str],
        batch: str,
        topics: Sequence[str],
        groups: Sequence[str],
        *,
        exclude: Sequence[str] = (),
        exactly_once: bool = False,
        reverse_connect_url: str | None = None,
        connect_logs: Sequence[Path] = (),
        secrets_folder: Path | None = None,
        stall_s: float = STALL_S,
        compare_rate: float | None = None,
    ) -> None:
        super().__init__(
            connect_url,
            source,
            target,
            batch=batch,
            topics=topics,
            groups=groups,
            exclude=exclude,
            exactly_once=exactly_once,
            reverse_connect_url=reverse_connect_url,
            connect_logs=connect_logs,
            secrets_folder=secrets_folder,
            stall_s=stall_s,
            compare_rate=compare_rate,
        )
        self._follows = True
        self._target_config = target
        self._exact = ExactResume(source, target)
        self._back = ReverseMirror(
            reverse_connect_url or connect_url,
            source,
            target,
            batch=batch,
            topics=topics,
            exclude=exclude,
            exactly_once=exactly_once,
            forward_connect_url=connect_url,
            connect_logs=connect_logs,
            secrets_folder=secrets_folder,
            stall_s=stall_s,
            compare_rate=compare_rate,
        )

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

    def set_exact_offsets(self, group: str) -> tuple[bool, str]:
        """Set the group's offsets on the target to the very records it resumes from.

        Returns False while a proof needs records that the mirror has not brought yet. Partitions without any proof keep
        MirrorMaker 2's translation, and the evidence says which and why.
        """
        rows = self._exact.compute(group, self.topics(), self.offset_syncs())
        waiting = [row for row in rows if row.waits]
        if waiting:
            return False, f"{len(waiting)} of {len(rows)} partitions wait for the mirror: {_reason(waiting[0])}"
        self.stop_translating()  # or its own, earlier translation might be written over ours
        self._exact.apply(group, rows)
        unproved = [row for row in rows if not row.proved]
        if none := [row for row in unproved if row.target_offset is None]:
            return False, f"{len(none)} of {len(rows)} partitions have no offset on the target: {_reason(none[0])}"
        kept = f"; {len(unproved)} keep MirrorMaker 2's translation: {_reason(unproved[0])}" if unproved else ""
        return True, f"{len(rows) - len(unproved)} of {len(rows)} partitions proved and set{kept}"

    def set_absent_offsets(self, group: str, partitions: Collection[Partition]) -> str | None:
        """Set the group's offsets where the target has none, as `set_exact_offsets` does; return what is not proved.

        For a group that is stopped. MirrorMaker 2 goes on to translate the other partitions.
        """
        wanted = set(partitions)
        rows = self._exact.compute(group, {topic for topic, _ in wanted}, self.offset_syncs())
        rows = [row for row in rows if (row.topic, row.partition) in wanted]
        self._exact.apply(group, rows)
        unproved = [row for row in rows if not row.proved]
        return f"{len(unproved)} of {len(rows)} not proved: {_reason(unproved[0])}" if unproved else None

    def cut(self) -> dict[Partition, int]:
        """Stop copying and return where the target's logs end: what is produced there from then on is native.

        Producers have to be held and the mirror at zero, so that nothing has been produced on the target yet.
        """
        name = self.batch.source_connector
        self._connect.set_state(name, "stop")
        self._await("stopped", lambda: self._not_in("STOPPED", [name]))
        return capture_cut(self._target_config, self.batch.topics, self.batch.exclude)

    def reverse(self, cut: Mapping[Partition, int]) -> None:
        """Turn the mirror around: it copies to the source what the target has from `cut` on, and only that.

        Once more with the same cut it goes on where it was.
        """
        self.stop()
        self._back.start(cut)
        self._back.watch()

    def reason(self) -> str | None:
        """Return the worker's last WARN or ERROR about this batch, of either direction."""
        return super().reason() or self._back.reason()

    def reverse_broken(self) -> str | None:
        """Return what no waiting heals in the reverse mirror."""
        return self._back.broken()

    def reverse_drained(self) -> tuple[bool, str]:
        """Tell whether all that was produced on the target is on the source."""
        return self._back.drained()


def _reason(row: ExactOffset) -> str:
    return f"{row.topic}-{row.partition}: {row.evidence}"
