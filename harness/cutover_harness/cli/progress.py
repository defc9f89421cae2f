"""Show the progress of rehearsals: one live line per scenario on a terminal, plain lines elsewhere."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.text import Text

from cutover_harness.cli.interruption import INTERRUPTION
from cutover_harness.colours import OUTCOMES
from cutover_harness.console import LiveLines, standard_error
from cutover_harness.masking import printable

LONGEST_PREFIX = 28


class Progress:
    """Prints events; on a terminal the last lines are live (stage, lag, elapsed), one for each running scenario.

    `prefixes`: names of scenarios that may run in parallel, whose lines begin with the name; empty if they run one by
    one. All methods, also those of the object that `begin` returns, may be called from any thread. `more` returns
    further live lines.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        prefixes: tuple[str, ...] = (),
        more: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._more = more
        self._console = console or standard_error()
        self._live = LiveLines(self._console, refresh_per_second=8)
        self._prefixes = prefixes
        self._width = min(max(map(len, prefixes), default=0), LONGEST_PREFIX)
        self._running: dict[str, ScenarioProgress] = {}

    def __enter__(self) -> Self:
        self._live.start()
        self._shown_before, INTERRUPTION.show = INTERRUPTION.show, self.notice
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        INTERRUPTION.show = self._shown_before
        self._live.stop()

    def pause(self) -> None:
        """Remove the live lines while a question is open."""
        self._live.stop()

    def resume(self) -> None:
        """Show the live lines again."""
        self._live.start()

    def notice(self, text: str) -> None:
        """Print a message that belongs to no scenario."""
        self._console.print(Text(printable(text)), soft_wrap=True)

    def begin(self, name: str, number: int, total: int) -> ScenarioProgress:
        """Begin a scenario and return its progress."""
        watcher = ScenarioProgress(self, name)
        self._running = {**self._running, name: watcher}
        watcher.line(f"[{number}/{total}]" if self._prefixes else f"[{number}/{total}] {name}", style="bold")
        return watcher

    def ended(self, name: str, outcome: str) -> None:
        """Print the outcome of a scenario."""
        watcher = self._running[name]
        self._running = {other: its for other, its in self._running.items() if other != name}
        watcher.line(outcome if self._prefixes else f"{name}: {outcome}", style=OUTCOMES.get(outcome, "bold red"))

    def line(self, name: str, elapsed_s: float, text: str, style: str) -> None:
        """Print a permanent line."""
        head = f"{elapsed_s:6.1f} s {name:<{self._width}} " if self._prefixes else f"{elapsed_s:6.1f} s "
        whole = printable(head + text)
        if self._live.on:
            # A long text continues below its beginning, not below the clock.
            indent = min(len(head) + len(text) - len(text.lstrip()) + 2, self._console.width // 2)
            whole = textwrap.fill(whole, self._console.width, subsequent_indent=" " * indent)
        self._console.print(Text(whole, style=style), soft_wrap=True)
        self.refresh()

    def refresh(self) -> None:
        """Show the live lines."""
        if self._live.on:
            lines = [
                Text(printable(line), style="cyan", no_wrap=True, overflow="ellipsis") for line in self.live_lines()
            ]
            self._live.show(Group(*lines))

    def live_lines(self) -> list[str]:
        """Return a line for each running scenario, and those of `more`."""
        return [*(watcher.live_line(self._width) for watcher in self._running.values()), *self._more()]


class ScenarioProgress:
    """The progress of one scenario."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._begin = time.monotonic()
        self._act = ""
        self._wait = ""
        self._lag: int | None = None
        self._said_waiting = ""

    def step(self, number: int, total: int, step: str, stage: int) -> None:
        """Begin a step of the path."""
        self._act = f"stage {stage} {step} ({number}/{total})"
        self._wait = ""
        self.line(f"  {number}/{total} {step}")

    def waiting(self, gate: str, waits_for: str, elapsed_s: float, deadline_s: float) -> None:
        """Show what a gate waits for."""
        self._wait = f"{gate}: {waits_for} ({elapsed_s:.0f}/{deadline_s:.0f} s)"
        if elapsed_s > 5 and gate != self._said_waiting:
            self._said_waiting = gate
            self.line(f"      waiting for {self._wait}")
        self._progress.refresh()

    def opened(self, gate: str, evidence: str, elapsed_s: float) -> None:
        """Print that a gate is open."""
        self._wait = self._said_waiting = ""
        self.line(f"      {gate} after {elapsed_s:.1f} s: {evidence}", style="dim")

    def lag(self, records: int) -> None:
        """Show the mirror lag."""
        self._lag = records
        self._progress.refresh()

    def note(self, text: str) -> None:
        """Print any other message."""
        self._act, self._wait = text, ""
        self.line(f"  {text}")

    def line(self, text: str, style: str = "") -> None:
        """Print a permanent line."""
        self._progress.line(self._name, time.monotonic() - self._begin, text, style)

    def live_line(self, width: int) -> str:
        """Return the scenario's live line, with its name in `width` columns."""
        lag = "" if self._lag is None else f"  mirror lag {self._lag:,}"
        return f"{time.monotonic() - self._begin:6.1f} s {self._name:<{width}}  {self._act}{lag}  {self._wait}"
