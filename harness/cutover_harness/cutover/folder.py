"""The folder of a plan's run: journals of the batches, audit log, and the plan as it was when the run began."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cutover_harness.conductor.config import BATCHES, CONFIG, JOURNAL, PLAN, RUN_SUFFIX
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.errors import UsageError
from cutover_harness.files import write_atomic
from cutover_harness.planning.read import ReadPlan, read_plan

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run. It can be moved and archived together with the plan."""

    path: Path

    @classmethod
    def of(cls, plan: Path) -> RunFolder:
        """Return the folder of the run of a plan, next to it: `shop.run` for `shop.yaml`. Raises UsageError."""
        if plan.suffix == RUN_SUFFIX:
            raise UsageError(f"{plan}: its run's folder would have the same name: give the plan another one")
        for suffix in _SUFFIXES:
            other = plan.with_suffix(suffix)
            if plan.suffix in _SUFFIXES and suffix != plan.suffix and other.exists() and not other.samefile(plan):
                raise UsageError(
                    f"{plan}: {other.name} is next to it, and both would have the run's folder "
                    f"{plan.with_suffix(RUN_SUFFIX).name}: rename one of them"
                )
        return cls(plan.with_suffix(RUN_SUFFIX))

    def batch(self, name: str) -> Path:
        """Return the folder of a batch."""
        return self.path / BATCHES / name

    @property
    def audit(self) -> Path:
        """The audit log, one JSON object a line."""
        return self.path / "audit.jsonl"

    @property
    def plan(self) -> Path:
        """The plan as it was when the run began."""
        return self.path / PLAN

    def names(self) -> list[str]:
        """Return the names of the batches that have begun, also of those that the plan does not have any more."""
        return sorted(file.parent.name for file in (self.path / BATCHES).glob(f"*/{CONFIG}"))

    def begun(self, name: str) -> bool:
        """Whether a batch has begun."""
        return (self.batch(name) / CONFIG).exists()

    def entries(self, name: str) -> list[Entry]:
        """Return the journal of a batch, empty before its conductor has begun. Raises JournalError."""
        file = self.batch(name) / JOURNAL
        if not file.exists():
            return []
        journal = Journal(file)
        try:
            return journal.read()
        finally:
            journal.close()

    def begin(self, plan: ReadPlan) -> None:
        """Create the folder if it is missing, and keep a copy of the plan in it. Raises UsageError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomic(self.plan, plan.path.read_bytes().decode())
        except OSError as why:
            raise UsageError(f"{self.path}: cannot be written: {why.strerror}") from None

    def changed(self, plan: ReadPlan) -> bool:
        """Whether the plan differs from the copy of the run."""
        return self.plan.exists() and read_plan(self.plan).digest != plan.digest

    def set_aside(self, name: str) -> Path:
        """Move the folder of a batch whose clients are back on the source to `earlier/`; return its new path."""
        for number in range(1, 10_000):
            there = self.path / "earlier" / f"{name}-{number}"
            if not there.exists():
                break
        try:
            there.parent.mkdir(exist_ok=True)
            return self.batch(name).rename(there)
        except OSError as why:
            raise UsageError(f"{self.batch(name)}: cannot be moved to {there}: {why.strerror}") from None
