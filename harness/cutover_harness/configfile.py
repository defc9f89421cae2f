"""Configuration that one process writes as a JSON file and another reads: conductor, replay apps, Locust workers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.files import write_atomic
from cutover_harness.inputs import read_input
from cutover_harness.mistake_words import first_words

_REFERENCE = re.compile(r"\$\{file:([^}]+)\}")
Model = TypeVar("Model", bound=BaseModel)


class ConfigFile(BaseModel):
    """A frozen model with a file form; `what` names it in errors.

    In the file, paths below the run's folder are relative to the file's folder, so that a run can be moved or copied;
    all others are absolute.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    what: ClassVar[str]

    def save(self, file: Path, *, run: Path | None = None) -> None:
        """Write the file that `load` reads, and create its folder. `run`: the folder of the file's run, if any."""
        file.parent.mkdir(parents=True, exist_ok=True)
        there = self if run is None else with_paths(self, lambda path: _relative(path, file.parent, run))
        write_atomic(file, there.model_dump_json(indent=1))

    @classmethod
    def load(cls, file: Path) -> Self:
        """Return the configuration in `file`. Raises UsageError naming the file and the field."""
        if not file.exists():
            raise UsageError(f"{cls.what} {file}: no such file")
        found = cls.parse(read_input(file, cls.what), str(file))
        folder = file.parent.absolute()
        return with_paths(found, lambda path: Path(os.path.normpath(folder / path)))

    @classmethod
    def parse(cls, content: bytes, origin: str) -> Self:
        """Return the configuration in `content`. Raises UsageError naming `origin` and the field."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as why:
            raise UsageError(f"{cls.what} {origin}: {first_words(why, 'file')}") from why


def _relative(path: Path, folder: Path, run: Path) -> Path:
    """Return `path` relative to `folder` if it is below `run`, otherwise unchanged."""
    inside, below = path.absolute(), run.absolute()
    return Path(os.path.relpath(inside, folder.absolute())) if inside.is_relative_to(below) else path


def with_paths(model: Model, change: Callable[[Path], Path]) -> Model:
    """Return a copy in which each path is changed; the PATH of a reference `${file:PATH}` is one."""
    fields = {name: getattr(model, name) for name in type(model).model_fields}
    return model.model_copy(update={name: _changed(value, change) for name, value in fields.items()})


def _changed(value: Any, change: Callable[[Path], Path]) -> Any:
    if isinstance(value, Path):
        return change(value)
    if type(value) is str:  # and no name of an enumeration, which would become a plain text
        return _REFERENCE.sub(lambda found: f"${{file:{change(Path(found[1]))}}}", value)
    if isinstance(value, BaseModel):
        return with_paths(value, change)
    if isinstance(value, list):
        return [_changed(each, change) for each in value]
    return value
