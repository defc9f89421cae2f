"""Writing the cutover file: one atomic replacement for each generation, none over what somebody else has written."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w
from cutover_shim.cutover_file import CutoverFileError, parse

from cutover_harness.errors import FinalError, UsageError
from cutover_harness.locks import FileLock
from cutover_harness.plan.path import Place

_LOCK_WAIT_S = 10.0
"""How long to wait for another writer, which needs milliseconds."""


class OvertakenError(FinalError):
    """Somebody else has written the cutover file since this writer read it; nothing was written."""


@dataclass
class RoutePointer:
    """One route of the cutover file."""

    topics: Sequence[str]
    groups: Sequence[str]
    producers: Place = "source"
    consumers: Place = "source"


@dataclass
class PointerFile:
    """The cutover file of a fleet, and the last generation written to it.

    `clusters` maps `source` and `target` to librdkafka properties. A file that is there already belongs to somebody
    else, unless it was read by `open`.
    """

    path: Path
    clusters: Mapping[str, Mapping[str, str]]
    routes: dict[str, RoutePointer]
    generation: int = field(default=0, init=False)
    _text: str | None = field(default=None, init=False)

    @classmethod
    def open(cls, path: Path) -> PointerFile:
        """Return the cutover file that is there, to write its next generations; secrets in it stay references.

        If somebody else has broken it, deleted it or put an older one there since it was written, it is restored
        from the copy that `write` keeps beside it. Raises UsageError if there is none either.
        """
        pointer = cls.peek(path)
        pointer.restore()
        return pointer

    @classmethod
    def peek(cls, path: Path) -> PointerFile:
        """Return what `open` would, and change nothing."""
        there, kept = _read(path), _read(_copy_of(path))
        text = _text_of(path)
        if isinstance(kept, dict) and (isinstance(there, str) or there["generation"] < kept["generation"]):
            newest = _generation_in(text)
            if newest is not None and newest > kept["generation"]:
                # Not broken, but not readable here: with a variable that is not set, say.
                raise UsageError(f"cutover file {path}: {there}")
            there, text = kept, _text_of(_copy_of(path))
        if isinstance(there, str):
            raise UsageError(f"cutover file {path}: {there}, and there is no copy of it: put the last one back")
        routes = {
            name: RoutePointer(r.get("topics", []), r.get("groups", []), r["producers"], r["consumers"])
            for name, r in there["routes"].items()
        }
        pointer = cls(path, there["clusters"], routes)
        pointer.generation = there["generation"]
        pointer._text = text
        return pointer

    def point(self, route: str, *, producers: Place | None = None, consumers: Place | None = None) -> int:
        """Move the clients of `route`, write the next generation and return it.

        If they are pointed there already nothing is written, so that an act can be done again. If the file cannot be
        written they stay where they were.
        """
        before = self.routes[route]
        after = replace(before, producers=producers or before.producers, consumers=consumers or before.consumers)
        if after == before:
            return self.generation
        self.routes[route] = after
        try:
            return self.write()
        except BaseException:
            self.routes[route] = before
            raise

    def write(self) -> int:
        """Write the next generation (temporary file, fsync, rename; mode 0600) and return it; a copy is kept.

        Raises OvertakenError, and writes nothing, if the file that is there is not the one that this writer knows.
        """
        generation = self.generation + 1
        text = self.document(generation)
        parse(text, os.environ)  # what the shim would refuse never reaches an app
        with FileLock(_lock_of(self.path), wait_s=_LOCK_WAIT_S):
            self._refuse_if_overtaken()
            _replace(self.path, text)
            self.generation, self._text = generation, text
            _replace(_copy_of(self.path), text)  # second: a copy is never ahead of what apps were told
        return self.generation

    def restore(self) -> None:
        """Put the generation that this writer knows back if the file is broken, missing or older."""
        with FileLock(_lock_of(self.path), wait_s=_LOCK_WAIT_S):
            if self._text is not None and _text_of(self.path) != self._text:
                self._refuse_if_overtaken()
                _replace(self.path, self._text)

    def document(self, generation: int) -> str:
        """Return the content of the file as it is to be at this generation."""
        return tomli_w.dumps(
            {
                "generation": generation,
                "clusters": {name: dict(properties) for name, properties in self.clusters.items()},
                "routes": {
                    name: {
                        "topics": list(route.topics),
                        "groups": list(route.groups),
                        "producers": route.producers,
                        "consumers": route.consumers,
                    }
                    for name, route in self.routes.items()
                },
            }
        )

    def _refuse_if_overtaken(self) -> None:
        """Raise OvertakenError unless what is there is ours, older, or broken: those are replaced.

        The copy counts as well: whoever wrote a newer file has left one, even if the file was broken since.
        """
        there = _text_of(self.path)
        found = [_generation_in(text) for text in (there, _text_of(_copy_of(self.path)))]
        newest = max((generation for generation in found if generation is not None), default=-1)
        if newest > self.generation:
            what = f"generation {newest} is there, and this writer's last one is {self.generation}"
        elif found[0] == self.generation and self._text not in (None, there) and isinstance(_read(self.path), dict):
            what = f"generation {self.generation} is there with other content than this writer's"
        else:
            return
        raise OvertakenError(
            f"cutover file {self.path}: {what}: somebody else has written it, and nothing was written now. Find out "
            f"who, stop that writer, then resume"
        )


def _copy_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.last")


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _text_of(path: Path) -> str | None:
    """Return the text of the file, None if there is none that can be read."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _generation_in(text: str | None) -> int | None:
    """Return the generation of a document that may be unusable otherwise, None if it has none."""
    try:
        found = tomllib.loads(text or "").get("generation")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, int) else None


def _read(path: Path) -> dict[str, Any] | str:
    """Return what the file says, or why the shim would refuse it."""
    try:
        text = path.read_bytes().decode()
        parse(text, os.environ)
        return tomllib.loads(text)
    except OSError as why:
        return f"cannot be read: {why.strerror}"
    except (CutoverFileError, UnicodeDecodeError) as why:
        return str(why)


def _replace(path: Path, text: str) -> None:
    """Write a file, private and whole or not at all."""
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as why:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UsageError(f"cutover file {path}: cannot be written: {why.strerror}") from None
