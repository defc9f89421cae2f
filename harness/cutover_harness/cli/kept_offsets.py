"""`rollback --offsets`: show what a snapshot of offsets would change on the source, and put it back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer
from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.conductor import snapshots
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.cutover.audit import Audit
from cutover_harness.errors import UsageError
from cutover_harness.words import counted


@dataclass(frozen=True)
class KeptOffsets:
    """A snapshot, for the groups of one route."""

    file: Path
    snapshot: snapshots.Snapshot
    config: ConductorConfig
    source: Admin

    @classmethod
    def read(cls, file: Path, config: ConductorConfig, source: Admin) -> KeptOffsets:
        """Return the snapshot in a file. Raises UsageError."""
        return cls(file, snapshots.read_snapshot(file, config.batch), config, source)

    def show(self) -> None:
        """Print which offsets would change. Raises UsageError if the source does not answer."""
        try:
            now = {group: self.source.committed(group) for group in self.config.groups}
        except KafkaException as why:
            raise UsageError(f"source: the offsets cannot be read: {why.args[0].str()}") from None
        lines = snapshots.words(self.snapshot, now)
        typer.echo("\n  ".join(["offsets that are set on the source first:", *lines]))

    def put_back(self, audit: Audit | None) -> None:
        """Set the offsets, note and print how many. Raises UsageError as `snapshots.put_back` does."""
        counts = snapshots.put_back(self.snapshot, self.source, self.config.groups)
        if audit is not None:  # the file's name alone: the run's folder may be moved
            audit.write("offsets set", batch=self.config.route, snapshot=self.file.name, groups=counts)
        for group, count in counts.items():
            typer.echo(f"  group {group}: {counted(count, 'offset')} set on the source, and read back")
