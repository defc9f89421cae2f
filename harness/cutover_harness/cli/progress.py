"""Showing rehearsals while they run: one live line a scenario on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import textwrap
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

OUTCOME_STYLES = {"PASS": "green", "FAIL": "bold red", "INCONCLUSIVE": "yellow"}
LONGEST_PREFIX = 28


class Progress:
    """Prints what happens; on a terminal the last lines are live (stage, lag, elapsed), one a running scenario.

    `prefixes`: the names that may run at once, whose lines begin with the name; none where one runs after the other.
    Its methods, and those of what `begin` returns, may be called from any thread.
    """

    def __init__(self, console: Console | None = None, *, prefixes: tuple[str, ...] = ()) -> None:
        self._console = console or Console(file=sys.stderr, highlight=False)
        self._live = (
            Live(console=self._console, refresh_per_second=8, transient=True) if self._console.is_terminal else None
        )
        self._prefixes = prefixes
        self._width = min(max(map(len, prefixes), default=0), LONGEST_PREFIX)
        self._running: dict[str, ScenarioProgress] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(Text(""))
            self._live.stop()

    def said(self, text: str) -> None:
        """Tell what concerns no scenario in particular."""
        self._console.print(Text(text), soft_wrap=True)

    def begin(self, name: str, number: int, total: int) -> ScenarioProgress:
        """Begin a scenario; what is returned watches it."""
        watcher = ScenarioProgress(self, name)
        self._running = {**self._running, name: watcher}
        watcher.line(f"[{number}/{total}]" if self._prefixes else f"[{number}/{total}] {name}", style="bold")
        return watcher

    def ended(self, name: str, outcome: str) -> None:
        """Tell what came of a scenario."""
        watcher = self._running[name]
        self._running = {other: its for other, its in self._running.items() if other != name}
        watcher.line(outcome if self._prefixes else f"{name}: {outcome}", style=OUTCOME_STYLES.get(outcome, "bold red"))

    def line(self, name: str, elapsed_s: float, text: str, style: str) -> None:
        """Print a line that stays."""
        head = f"{elapsed_s:6.1f} s {name:<{self._width}} " if self._prefixes else f"{elapsed_s:6.1f} s "
        whole = head + text
        if self._live:
            # What is too long goes on below where it began, not below the clock.
            indent = min(len(head) + len(text) - len(text.lstrip()) + 2, self._console.width // 2)
            whole = textwrap.fill(whole, self._console.width, subsequent_indent=" " * indent)
        self._console.print(Text(whole, style=style), soft_wrap=True)
        self.refresh()

    def refresh(self) -> None:
        """Show the live lines."""
        if self._live:
            lines = [Text(line, style="cyan", no_wrap=True, overflow="ellipsis") for line in self.live_lines()]
            self._live.update(Group(*lines))

    def live_lines(self) -> list[str]:
        """Return a line for each running scenario."""
        return [watcher.live_line(self._width) for watcher in self._running.values()]


class ScenarioProgress:
    """Watches one scenario."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._begin = time.monotonic()
        self._act = ""
        self._wait = ""
        self._lag: int | None = None
        self._said_waiting = ""

    def act(self, number: int, total: int, act: str, stage: int) -> None:
        """Begin an act of the path."""
        self._act = f"stage {stage} {act} ({number}/{total})"
        self._wait = ""
        self.line(f"  {number}/{total} {act}")

    def waiting(self, gate: str, waits_for: str, elapsed_s: float, deadline_s: float) -> None:
        """Tell what a gate waits for."""
        self._wait = f"{gate}: {waits_for} ({elapsed_s:.0f}/{deadline_s:.0f} s)"
        if elapsed_s > 5 and gate != self._said_waiting:
            self._said_waiting = gate
            self.line(f"      waiting for {self._wait}")
        self._progress.refresh()

    def opened(self, gate: str, evidence: str, elapsed_s: float) -> None:
        """Tell that a gate is open."""
        self._wait = self._said_waiting = ""
        self.line(f"      {gate} after {elapsed_s:.1f} s: {evidence}", style="dim")

    def lag(self, records: int) -> None:
        """Show the mirror lag."""
        self._lag = records
        self._progress.refresh()

    def note(self, text: str) -> None:
        """Tell anything else."""
        self._act, self._wait = text, ""
        self.line(f"  {text}")

    def line(self, text: str, style: str = "") -> None:
        """Print a line that stays."""
        self._progress.line(self._name, time.monotonic() - self._begin, text, style)

    def live_line(self, width: int) -> str:
        """Return the line that shows where the scenario is, its name in `width` columns."""
        lag = "" if self._lag is None else f"  mirror lag {self._lag:,}"
        return f"{time.monotonic() - self._begin:6.1f} s {self._name:<{width}}  {self._act}{lag}  {self._wait}"
