"""Showing a rehearsal while it runs: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text


class Progress:
    """Prints what happens; on a terminal the last line is live (stage, lag, elapsed)."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr, highlight=False)
        self._live = (
            Live(console=self._console, refresh_per_second=8, transient=True) if self._console.is_terminal else None
        )
        self._begin = time.monotonic()
        self._scenario = ""
        self._act = ""
        self._wait = ""
        self._lag: int | None = None
        self._said_waiting = ""

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def scenario(self, name: str, number: int, total: int) -> None:
        """Begin a scenario."""
        self._scenario, self._act, self._wait, self._lag = name, "", "", None
        self._begin = time.monotonic()
        self._line(f"[{number}/{total}] {name}", style="bold")

    def act(self, number: int, total: int, act: str, stage: int) -> None:
        """Begin an act of the path."""
        self._act = f"stage {stage} {act} ({number}/{total})"
        self._wait = ""
        self._line(f"  {number}/{total} {act}")

    def waiting(self, gate: str, waits_for: str, elapsed_s: float, deadline_s: float) -> None:
        """Tell what a gate waits for."""
        self._wait = f"{gate}: {waits_for} ({elapsed_s:.0f}/{deadline_s:.0f} s)"
        if self._live:
            self._refresh()
        elif elapsed_s > 5 and gate != self._said_waiting:
            self._said_waiting = gate
            self._line(f"      waiting for {self._wait}")

    def opened(self, gate: str, evidence: str, elapsed_s: float) -> None:
        """Tell that a gate is open."""
        self._wait = self._said_waiting = ""
        self._line(f"      {gate} after {elapsed_s:.1f} s: {evidence}", style="dim")

    def lag(self, records: int) -> None:
        """Show the mirror lag."""
        self._lag = records
        self._refresh()

    def note(self, text: str) -> None:
        """Tell anything else."""
        self._line(f"  {text}")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(
            Text(f"{time.monotonic() - self._begin:6.1f} s {text}", style=style), soft_wrap=not self._live
        )
        self._refresh()

    def _refresh(self) -> None:
        if not self._live:
            return
        lag = "" if self._lag is None else f"  mirror lag {self._lag:,} records"
        elapsed = time.monotonic() - self._begin
        text = f"{elapsed:6.1f} s {self._scenario}  {self._act}{lag}  {self._wait}"
        self._live.update(Text(text, style="cyan", no_wrap=True, overflow="ellipsis"))
