"""What a rehearsal of a plan was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cutover_harness.judge.planned import Planned


@dataclass(frozen=True)
class RehearsedRun:
    """One run. path: its steps; paths: those of each batch, if it has several.

    environment: the versions of source, target and Connect, in words.
    whole: its path was completed, and it was judged.
    """

    scenario: str
    planned: Planned | None
    path: Sequence[str]
    environment: Mapping[str, str]
    whole: bool
    paths: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def steps(self, batch: str) -> list[str]:
        """Return the steps that a batch took."""
        return list(self.paths.get(batch, self.path))


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal's folder. digest: the plan's hash, None if it rehearsed none. problems: scenarios without a run."""

    folder: str
    digest: str | None
    target_kind: str | None
    runs: Sequence[RehearsedRun] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
