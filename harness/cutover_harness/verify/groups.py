"""Whether each group's offset on the target stands at the record that the group would read next on the source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cutover_harness.admin import Admin
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.exact_resume import ExactOffset, ExactResume
from cutover_harness.mirror.log_reader import answering
from cutover_harness.mirror.mm2_topics import OffsetSync
from cutover_harness.types import PartitionId
from cutover_harness.verify.clusters import Seen
from cutover_harness.verify.model import GroupOffset
from cutover_harness.verify.run_journal import RunFacts
from cutover_harness.words import counted


def check_groups(
    groups: Iterable[str], seen: Seen, source: Mapping[str, str], target: Mapping[str, str], run: RunFacts | None
) -> list[GroupOffset]:
    """Return a row for each partition that a group has committed on the source."""
    syncs = [OffsetSync(*partition, *pair) for partition, pairs in seen.pairs.items() for pair in pairs]
    admin = Admin(target)
    found: list[GroupOffset] = []
    with ExactResume(source, target) as exact:
        for group in groups:
            try:
                with answering("target"):
                    committed, members = admin.committed(group, seen.topics), admin.active(group)
                rows = exact.compute(group, seen.topics, syncs)
            except MirrorError as error:
                found.append(GroupOffset(group=group, proved=False, reason=str(error)))
                continue
            exactly = run is not None and run.set_exactly(group)
            found += judge(group, rows, committed, members, set_exactly=exactly)
    return found


def judge(
    group: str,
    rows: Sequence[ExactOffset],
    committed: Mapping[PartitionId, int],
    members: int,
    *,
    set_exactly: bool = False,
) -> list[GroupOffset]:
    """Compare the proved offsets with the group's own on the target. Pure.

    `set_exactly`: the run has set and proved them before the group began to read there.
    """
    if not rows:
        why = "has no offset on the source, so that nothing shows where it has to resume"
        return [GroupOffset(group=group, proved=False, reason=why)]
    return [_row(group, row, committed.get((row.topic, row.partition)), members, set_exactly) for row in rows]


def _row(group: str, row: ExactOffset, at: int | None, members: int, set_exactly: bool) -> GroupOffset:
    wanted = row.target_offset if row.proved else None
    proved, different = False, False
    if wanted is None:
        reason = row.evidence
    elif at is None:
        reason, different = f"has no offset on the target; it should be {wanted}", True
    elif at == wanted:
        proved, reason = True, row.evidence
    elif at > wanted and set_exactly:
        proved, reason = (
            True,
            f"the run has set it to the exact offset; it has read {counted(at - wanted, 'offset')} on since",
        )
    elif at > wanted:
        reading = f", where it has {counted(members, 'member')}" if members else ""
        ahead = counted(at - wanted, "offset")
        reason = f"is {ahead} ahead of {wanted} on the target{reading}: it has read there since, or skips"
    else:
        reason, different = (
            f"would read {counted(wanted - at, 'offset')} again from {at} on; it should be {wanted}",
            True,
        )
    return GroupOffset(
        group=group,
        topic=row.topic,
        partition=row.partition,
        source=row.source_committed,
        target=at,
        exact=wanted,
        proved=proved,
        different=different,
        reason=reason,
    )
