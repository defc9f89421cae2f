"""Exact commands: those that repeat a run, and those that remove a condition."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cutover_harness.plan.catalogue import catalogue

from cutover_reports.deciding import Deciding
from cutover_reports.model import Run, Scenario
from cutover_reports.policy import POLICY_NAME

#: Options of `rehearse` without a value.
FLAGS = frozenset({"--all", "--replace", "--keep", "--exactly-once"})
#: Options that a further rehearsal does not take over: what is rehearsed, where, and with which random choices.
OWN = frozenset({"--all", "--replace", "--keep", "--seed", "--out", "--batch"})
DEFAULT_OUT = "cutover-out"
TOOL = "kafka-cutover"
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Recorded:
    """A recorded command of `rehearse`, in parts: options with their values as they stand there, and the scenarios."""

    options: tuple[tuple[str, ...], ...] = ()
    scenarios: tuple[str, ...] = ()

    @property
    def out(self) -> str:
        """Return the folder that the run was written to."""
        return self.value("--out") or DEFAULT_OUT

    def value(self, name: str) -> str | None:
        """Return the value of an option, None if it is not given; the last one counts, as for `rehearse`."""
        for option in reversed(self.options):
            key, _, attached = option[0].partition("=")
            if key == name:
                return option[1] if len(option) > 1 else attached or None
        return None


def recorded(command: str) -> Recorded | None:
    """Return the parts of a command, None if it is none of `rehearse`."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if "rehearse" not in words[1:2]:
        return None
    parts = list(_parts(words[2:]))
    options = tuple(part for part in parts if _is_option(part[0]))
    return Recorded(options, tuple(part[0] for part in parts if not _is_option(part[0])))


def _parts(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the arguments of `rehearse`, an option together with its value."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        attached = "=" in word or (len(word) > 2 and not word.startswith("--"))  # --jobs=4, -j4
        has_value = _is_option(word) and not attached and word not in FLAGS and rest
        yield (word, rest.pop(0)) if has_value else (word,)


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def repeating(command: str | None, seed: int | None, more: Sequence[str] = ()) -> str:
    """Return the command that repeats a run: with its seed, also if the recorded one lacks it.

    more: options of the report that decide on its verdict, instead of those of the run.
    """
    parts = None if command is None else recorded(command)
    if parts is None:
        return command or NOT_RECORDED
    seeded = seed is None or parts.value("--seed") is not None
    if seeded and not more:
        return str(command)
    first = [] if seeded else ["--seed", str(seed)]
    kept = [
        word
        for part in _parts(shlex.split(str(command))[2:])
        if part[0].partition("=")[0] not in more[::2]
        for word in part
    ]
    return shlex.join([TOOL, "rehearse", *first, *more, *kept])


@dataclass(frozen=True)
class Commands:
    """Commands that remove the conditions of one route.

    run: the newest run, whose options further rehearsals take over. outs: folders of all runs of the report.
    several: whether the report has several routes, so that folders need the route's name. deciding: the policy file
    and other files that decide on the report's verdict, so that every command keeps them.
    """

    run: Run | None
    route: str
    outs: Sequence[str]
    several: bool = False
    deciding: Deciding = field(default_factory=Deciding)

    @property
    def _parts(self) -> Recorded:
        return (None if self.run is None else recorded(self.run.command)) or Recorded()

    def rehearse(self, scenarios: Sequence[Scenario], purpose: str) -> str:
        """Return the command that rehearses these scenarios again, into a folder of their own."""
        plan = self.run is not None and self.run.plan is not None
        batches = [s.route for s in scenarios if plan and (s.name == s.route or s.name.startswith(f"{s.route}."))]
        names = [self._name(s) for s in scenarios if not (plan and s.name == s.route)]
        if plan and len(names) < len(scenarios):
            names = []  # with a name, a plan's own paths are not rehearsed
        return self.named(names, purpose, batches=batches)

    def named(
        self, names: Sequence[str], purpose: str, *, batches: Sequence[str] = (), more: Sequence[str] = ()
    ) -> str:
        """Return the command that rehearses scenarios by name. more: further options, before those of the run."""
        out = f"{self._out}-{f'{self.route}-' if self.several else ''}{purpose}"
        more = [*more, *self.deciding.options()]
        given = {option.partition("=")[0] for option in more}
        kept = [
            word for option in self._parts.options if option[0].partition("=")[0] not in OWN | given for word in option
        ]
        chosen = [word for batch in dict.fromkeys(batches) for word in ("--batch", batch)]
        return shlex.join([TOOL, "rehearse", *dict.fromkeys(names), *more, *kept, *chosen, "--out", out])

    def on(self, testbed: str) -> str:
        """Return the command that rehearses the same scenarios on another testbed; its report stands alone."""
        parts = self._parts
        names = [*parts.scenarios, *(option[0] for option in parts.options if option[0] == "--all")]
        batches = [option[1] for option in parts.options if option[0] == "--batch" and len(option) > 1]
        return self.named(names, testbed, batches=batches, more=["--testbed", testbed])

    def policy(self, table: str, key: str, value: str) -> str:
        """Return the command that sets a key of the policy, and writes the report again."""
        file = self.deciding.policy or f"{self._out}/{POLICY_NAME}"
        name = ".".join(part if part.isidentifier() else json.dumps(part) for part in table.split("/"))
        if self.deciding.policy is not None:
            # A second table of the same name is no valid TOML, so a file that exists is edited by a person.
            return f"${{EDITOR:-vi}} {shlex.quote(file)} && {self.report}  # [{name}] {key} = {value}"
        lines = f"{shlex.quote(f'[{name}]')} {shlex.quote(f'{key} = {value}')}"
        return f"printf '%s\\n' {lines} >> {shlex.quote(file)} && {self.report}"

    @property
    def _out(self) -> str:
        return self.outs[-1] if self.outs else DEFAULT_OUT

    @property
    def report(self) -> str:
        """Return the command that writes the report again."""
        several = ["--out", f"{self._out}-merged"] if len(self.outs) > 1 else []
        return shlex.join([TOOL, "report", *self.outs, *self.deciding.options(of_folders=False), *several])

    def _name(self, scenario: Scenario) -> str:
        """Return a scenario as it is given on the command line: its file, if it is not of the catalogue."""
        name = scenario.name.removeprefix(f"{scenario.route}.")
        if name in catalogue():
            return name
        files = [word for word in self._parts.scenarios if word.endswith((".yaml", ".yml"))]
        stem = [file for file in files if file.rsplit("/", 1)[-1].rsplit(".", 1)[0] == name]
        return next(iter(stem), files[0] if len(files) == 1 else name)


def joined(outs: Sequence[str], commands: Iterable[str], deciding: Deciding) -> str:
    """Return the command that makes one report of the runs and of those that `commands` begin; empty without any."""
    further = [part.out for command in commands if (part := recorded(command)) is not None]
    if not further:
        return ""
    first = outs[0] if outs else DEFAULT_OUT
    return shlex.join([TOOL, "report", *outs, *dict.fromkeys(further), *deciding.options(), "--out", f"{first}-all"])
