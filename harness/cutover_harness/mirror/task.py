"""One mirror task of the procedure: forward mirror, exact resume of groups, and the mirror's turning around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cutover_harness.mirror.mirror import Mirror


class MirrorTask(Mirror):
    """A batch's mirror with all that a path may ask of it; one instance a thread."""

    def __init__(
        self,
        connect_url: str,
        source: Mapping[str, str],
        target: Mapping[str, str],
        batch: str,
        topics: Sequence[str],
        groups: Sequence[str],
        *,
        exactly_once: bool = False,
    ) -> None:
        super().__init__(
            connect_url, source, target, batch=batch, topics=topics, groups=groups, exactly_once=exactly_once
        )

    def set_exact_offsets(self, group: str) -> tuple[bool, str]:
        """Set the group's offsets on the target to the very record it resumes from; False while that is not proved."""
        raise NotImplementedError(group)

    def reverse(self) -> None:
        """Turn the mirror around."""
        raise NotImplementedError

    def reverse_drained(self) -> tuple[bool, str]:
        """Tell whether all that was produced on the target is on the source."""
        raise NotImplementedError
