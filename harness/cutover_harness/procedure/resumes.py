"""The offsets from which groups resume on the target, noted in the journal before their consumers start there.

Later the groups' own commits replace them, and nothing shows any more what was read again.
"""

from __future__ import annotations

from cutover_harness.procedure.context import Action, StepContext

_NAME = "offsets from which groups resume"


def note_exact(context: StepContext) -> Action:
    """Note the offsets that were just set: [topic, partition, on the source, on the target, whether proved]."""

    def note() -> None:
        groups = {
            group: [
                [row.topic, row.partition, row.source_committed, row.target_offset, row.proved]
                for row in context.mirror.resumes(group)
            ]
            for group in context.route.groups
        }
        context.journal.write("resumes", context.number, "target", groups=groups)

    return Action(_NAME, note)


def note_translated(context: StepContext) -> Action:
    """Note the offsets that MirrorMaker 2 has translated; whether they are early is not known here."""

    def note() -> None:
        groups = {
            group: [
                [row.topic, row.partition, row.source_committed, row.target_committed, False]
                for row in context.mirror.group_progress(group)
            ]
            for group in context.route.groups
        }
        context.journal.write("resumes", context.number, "target", groups=groups)

    return Action(_NAME, note)
