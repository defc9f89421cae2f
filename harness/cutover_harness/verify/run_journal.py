"""What the journal of a run shows: where applications began to write to the target, and whose offsets are exact."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.conductor.config import BATCHES, CONFIG, JOURNAL, RUN_SUFFIX, ConductorConfig
from cutover_harness.conductor.journal import Journal
from cutover_harness.errors import UsageError
from cutover_harness.procedure.names import EXACT_OFFSETS
from cutover_harness.types import PartitionId


def run_folder(plan: Path, batch: str) -> Path | None:
    """Return the batch's folder in the plan's run folder, None if there is no run."""
    folder = plan.with_suffix(RUN_SUFFIX) / BATCHES / batch
    return folder if (folder / JOURNAL).is_file() else None


def read_run(folder: Path, batch: str) -> RunFacts:
    """Return what the journal of a batch shows. Raises UsageError if there is none.

    `folder`: of a run, or of its batch.
    """
    found = next((each for each in _places(folder, batch) if each.is_file()), None)
    if found is None:
        raise UsageError(f"--until-ends {folder}: contains no {JOURNAL}: give the folder of a run")
    config = found.with_name(CONFIG)
    if config.is_file() and (route := ConductorConfig.load(config).route) != batch:
        raise UsageError(f"--until-ends {folder}: is the run of batch {route}, not of {batch}: give that of {batch}")
    journal = Journal(found)
    try:
        entries = journal.read()
    finally:
        journal.close()
    noted = [each for each in entries if each.kind == "ends" and each.name == "target"]
    # Producers may move again after a rollback: then what they wrote the first time is before the later ends.
    ends = {(topic, number): end for topic, number, end in noted[0].detail["offsets"]} if noted else {}
    begun = [each for each in entries if each.kind == "clusters"]
    proved = [each for each in entries if each.kind == "gate" and each.name == EXACT_OFFSETS]
    return RunFacts(ends, proved[-1].detail["evidence"] if proved else "", begun[0].detail if begun else {})


@dataclass(frozen=True)
class RunFacts:
    """What a run's journal shows of a batch.

    `native_from`: the target's log ends when producers were about to move there; empty if they have not been.
    `offsets_set`: evidence of the gate behind which the groups' offsets are exact, empty if it was not passed.
    """

    native_from: Mapping[PartitionId, int]
    offsets_set: str = ""
    clusters: Mapping[str, str] = field(default_factory=dict)
    """Ids of source and target, as far as they were known when the run began."""

    def refuse_other(self, source: str | None, target: str | None) -> None:
        """Raise UsageError if the run was not between these clusters: its log ends are those of other logs."""
        for name, now in (("source", source), ("target", target)):
            then = self.clusters.get(name)
            if None not in (now, then) and now != then:
                raise UsageError(
                    f"the run's journal is of another {name} cluster (id {then}, now {now}): give the folder of the "
                    f"batch's run with --until-ends, or move that of the other run away"
                )

    def set_exactly(self, group: str) -> bool:
        """Return whether the run has set and proved all of the group's offsets."""
        said = re.search(
            rf"(?:^|; ){re.escape(group)}: (\d+) of (\d+) partitions proved and set(?!; \d+ keep)", self.offsets_set
        )
        return said is not None and said[1] == said[2]


def _places(folder: Path, batch: str) -> Iterator[Path]:
    yield folder / BATCHES / batch / JOURNAL
    yield folder / JOURNAL
