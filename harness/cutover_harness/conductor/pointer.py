"""Writing the cutover file: one atomic replacement for each generation."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from cutover_shim.cutover_file import CutoverFileError, parse

from cutover_harness.errors import UsageError
from cutover_harness.plan.path import Place


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

    `clusters` maps `source` and `target` to librdkafka properties.
    """

    path: Path
    clusters: Mapping[str, Mapping[str, str]]
    routes: dict[str, RoutePointer]
    generation: int = field(default=0, init=False)

    @classmethod
    def open(cls, path: Path) -> PointerFile:
        """Return the cutover file that is there, to write its next generations; secrets in it stay references.

        Where somebody else has broken it, deleted it or put an older one there since it was written, it is made good
        again from the copy that `write` keeps beside it. Raises UsageError where there is none either.
        """
        there, kept = _read(path), _read(_copy_of(path))
        if isinstance(kept, dict) and (isinstance(there, str) or there["generation"] < kept["generation"]):
            _replace(path, _copy_of(path).read_text(encoding="utf-8"))
            there = kept
        if isinstance(there, str):
            raise UsageError(f"cutover file {path}: {there}, and there is no copy of it: put the last one back")
        raw = there
        routes = {
            name: RoutePointer(r.get("topics", []), r.get("groups", []), r["producers"], r["consumers"])
            for name, r in raw["routes"].items()
        }
        pointer = cls(path, raw["clusters"], routes)
        pointer.generation = raw["generation"]
        return pointer

    def point(self, route: str, *, producers: Place | None = None, consumers: Place | None = None) -> int:
        """Move the clients of `route`, write the next generation and return it.

        Where they are pointed there already nothing is written, so that an act can be done again.
        """
        pointer = self.routes[route]
        if (producers or pointer.producers, consumers or pointer.consumers) == (pointer.producers, pointer.consumers):
            return self.generation
        pointer.producers = producers or pointer.producers
        pointer.consumers = consumers or pointer.consumers
        return self.write()

    def write(self) -> int:
        """Write the next generation (temporary file, fsync, rename; mode 0600) and return it; a copy is kept."""
        self.generation += 1
        text = tomli_w.dumps(
            {
                "generation": self.generation,
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
        parse(text, os.environ)  # what the shim would refuse never reaches an app
        _replace(self.path, text)
        _replace(_copy_of(self.path), text)  # second: a copy is never ahead of what apps were told
        return self.generation


def _copy_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.last")


def _read(path: Path) -> dict[str, Any] | str:
    """Return what the file says, or why the shim would refuse it."""
    try:
        text = path.read_text(encoding="utf-8")
        parse(text, os.environ)
        return tomllib.loads(text)
    except OSError as why:
        return f"cannot be read: {why.strerror}"
    except (CutoverFileError, UnicodeDecodeError) as why:
        return str(why)


def _replace(path: Path, text: str) -> None:
    """Write a file, private and whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(path)
