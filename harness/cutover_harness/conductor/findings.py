"""What was read back after a run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReadBack:
    """Findings: `wrong` contradicts the journal; `unknown` could not be read, so it proves nothing; `proved` holds."""

    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    proved: list[str] = field(default_factory=list)

    def add(self, other: ReadBack) -> None:
        """Add the findings of the other one."""
        self.wrong.extend(other.wrong)
        self.unknown.extend(other.unknown)
        self.proved.extend(other.proved)
