"""The result file of `scenarios explore`: what was explored, with what, and what was found.

It contains no data of a cluster. The same exploration gives the same file, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cutover_harness import __version__
from cutover_harness.errors import UsageError
from cutover_harness.explore.case import Case, Fleet
from cutover_harness.explore.necessity import Necessity
from cutover_harness.explore.search import Result, Violation
from cutover_harness.files import write_atomic
from cutover_harness.inputs import read_text_input
from cutover_harness.mistake_words import first_words

FORMAT: Final = 1
NAME = "explored.json"
"""Its name in the folder of a rehearsal."""
_PACKAGE = Path(__file__).parents[1]
_CONDUCTOR = ("bypass_watch", "journalled_gates", "resume", "waiting")
_EXPLORED_CODE = ("procedure/*.py", "explore/*.py", *(f"conductor/{name}.py" for name in _CONDUCTOR))
"""What a search runs: steps, gates, the world, and the conductor's reading of journals and gates."""
_Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)  # fields of a later minor version are ignored


class Step(_Part):
    """A step of a path. safety: whether its gates are waited for."""

    step: str
    safety: bool = True


class Found(_Part):
    """A violation: its kind, what happened, and a shortest sequence of events that leads to it."""

    kind: str
    words: str
    trace: list[str]


class Bounded(_Part):
    """The bounds of a world. None: no bound. kinds: of faults."""

    partitions: _Count
    records: _Count
    faults: _Count
    kinds: list[str]
    kills: bool
    depth: int | None = Field(ge=0)
    states: int | None = Field(ge=0)
    seconds: float | None = Field(ge=0, allow_inf_nan=False)


class GateFound(_Part):
    """A gate that was left out. prevents: the violation that it prevents, None if none was found.

    together: whether the gates of the same name at other steps were left out as well. complete: whether no bound ended
    the search.
    """

    gate: str
    prevents: Found | None
    together: bool
    states: _Count
    complete: bool


class ExploredPath(_Part):
    """One path with one fleet. sha256: of steps, fleet and `planned`.

    searched: whether its states were visited, `walks` random walks otherwise; neither, if only its gates were left out.
    complete: whether every state within the bounds was visited. violations: 0, or 1, at which the search ends.
    """

    name: str
    fleet: Fleet
    planned: bool
    steps: list[Step]
    sha256: str
    bounds: Bounded
    without: list[str] = Field(description="Gates that were left out.")
    searched: bool = False
    walks: _Count = 0
    states: _Count = 0
    moves: _Count = 0
    depth: _Count = 0
    complete: bool = False
    violations: _Count = 0
    violation: Found | None = None
    gates: list[GateFound] = []

    @model_validator(mode="after")
    def _agrees(self) -> ExploredPath:
        if self.sha256 != path_hash(self.steps, self.fleet, planned=self.planned):
            raise ValueError(f"{self.name}: sha256 is not that of its steps: explore the path again")
        if bool(self.violations) != (self.violation is not None):
            raise ValueError(f"{self.name}: violations: {self.violations} contradicts `violation`: explore it again")
        if self.complete and not self.searched:
            raise ValueError(f"{self.name}: complete contradicts searched, which is false: explore it again")
        return self


class Explored(_Part):
    """A result file. product: the version of kafka-cutover. procedure: SHA-256 of the code that was explored."""

    format: Literal[1] = FORMAT
    product: str
    procedure: str
    paths: list[ExploredPath]


@cache
def procedure_hash() -> str:
    """Return the SHA-256 of the code that a search runs: names and contents of its files."""
    digest = hashlib.sha256()
    for file in sorted(file for pattern in _EXPLORED_CODE for file in _PACKAGE.glob(pattern)):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(_PACKAGE).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def path_hash(steps: Sequence[Step], fleet: Fleet, *, planned: bool) -> str:
    """Return the SHA-256 of what makes a path another one."""
    content = {"fleet": fleet, "planned": planned, "steps": [[each.step, each.safety] for each in steps]}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def begun(case: Case) -> ExploredPath:
    """Return the entry of a case of which nothing is known yet."""
    steps = [Step(step=str(each.step), safety=each.safety) for each in case.path]
    its = case.bounds
    return ExploredPath(
        name=case.name,
        fleet=case.fleet,
        planned=case.planned,
        steps=steps,
        sha256=path_hash(steps, case.fleet, planned=case.planned),
        bounds=Bounded(
            partitions=its.partitions,
            records=its.records,
            faults=its.faults,
            kinds=list(its.kinds),
            kills=its.crashes,
            depth=its.depth,
            states=its.states,
            seconds=its.seconds,
        ),
        without=sorted(map(str, case.without)),
    )


def with_result(path: ExploredPath, result: Result) -> ExploredPath:
    """Return the entry with the result of a search."""
    return path.model_copy(
        update={
            "searched": True,
            "states": result.states,
            "moves": result.moves,
            "depth": result.depth,
            "complete": result.complete,
            **_violated(result.violation),
        }
    )


def with_walks(path: ExploredPath, walks: int, violation: Violation | None) -> ExploredPath:
    """Return the entry after random walks."""
    return path.model_copy(update={"walks": walks, **_violated(violation)})


def with_gate(path: ExploredPath, found: Necessity) -> ExploredPath:
    """Return the entry with one more gate that was left out."""
    gate = GateFound(
        gate=str(found.gate),
        prevents=_found(found.violation),
        together=found.together,
        states=found.states,
        complete=found.complete,
    )
    return path.model_copy(update={"gates": [*path.gates, gate]})


def written(paths: Sequence[ExploredPath]) -> str:
    """Return the text of a result file."""
    explored = Explored(product=__version__, procedure=procedure_hash(), paths=list(paths))
    return json.dumps(explored.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def write_explored(file: Path, paths: Sequence[ExploredPath]) -> None:
    """Write a result file. Raises UsageError."""
    try:
        write_atomic(file, written(paths))
    except OSError as why:
        raise UsageError(f"--json {file}: cannot be written: {why.strerror or why}: give another file") from None


def read_explored(file: Path) -> Explored:
    """Read a result file. Raises UsageError that names the file, the field, and what was found."""
    text = read_text_input(file, "result of scenarios explore")
    again = "write it again with kafka-cutover scenarios explore --all --json FILE"
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as why:
        raise UsageError(f"{file}: not valid JSON ({' '.join(str(why).split())}): {again}") from None
    found = raw.get("format") if isinstance(raw, dict) else None
    if type(found) is not int or found != FORMAT:
        raise UsageError(f"{file}: format: found {found!r:.40}, and {FORMAT} is wanted: {again}")
    try:
        return Explored.model_validate_json(text)  # refuses lone surrogates, which not every output can show
    except ValidationError as error:
        raise UsageError(f"{file}: {first_words(error)}: {again}") from None


def explored_in(folder: Path) -> Path | None:
    """Return the result file of a rehearsal's folder, None if it has none."""
    file = folder / NAME
    return file if file.exists() or file.is_symlink() else None


def _violated(violation: Violation | None) -> dict[str, object]:
    return {"violations": int(violation is not None), "violation": _found(violation)}


def _found(violation: Violation | None) -> Found | None:
    if violation is None:
        return None
    return Found(kind=violation.damage.kind, words=violation.damage.words, trace=list(violation.trace))
