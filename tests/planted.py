"""Secrets that a test plants, and the search for them: in text, in files of any kind, in processes."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

ODD = "/+:%"
"""Part of each secret, so that places which quote or encode their content change it; the search is for the rest."""


@dataclass(frozen=True)
class Planted:
    """Secrets by the place that each is planted in."""

    cores: Mapping[str, str]

    @classmethod
    def at(cls, *places: str) -> Planted:
        """Return a new secret for each place."""
        return cls({place: f"planted{secrets.token_hex(12)}" for place in places})

    def __getitem__(self, place: str) -> str:
        return f"{self.cores[place]}{ODD}"

    def in_bytes(self, content: bytes) -> set[str]:
        """Return the places whose secrets are in the content, as they are, encoded or compressed."""
        found = {place for place, core in self.cores.items() if any(form in content for form in forms(core))}
        for inner in unpacked(content):
            found |= self.in_bytes(inner)
        return found

    def in_text(self, text: str) -> set[str]:
        """Return the places whose secrets are in the text."""
        return self.in_bytes(text.encode(errors="surrogateescape"))

    def in_file(self, file: Path) -> set[str]:
        """Return the places whose secrets are in the file's name or in its content, whatever its format."""
        found = self.in_text(file.name)
        with suppress(FileNotFoundError):
            content = file.read_bytes()
            found |= self.in_bytes(content)
            if content.startswith(b"PAR1"):
                found |= self.in_text(text_of_parquet(file))
            elif content.startswith(b"ARROW1"):
                found |= self.in_text(text_of_arrow(file))
            elif content.startswith(b"SQLite format 3"):
                found |= self.in_text(text_of_sqlite(file))
        return found

    def below(self, folder: Path, *, since: float = 0.0) -> dict[str, set[str]]:
        """Return the files below a folder in which secrets are, with their places; `since` leaves older files out."""
        found = {}
        for path in sorted(folder.rglob("*")):
            with suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= since:
                    found[str(path.relative_to(folder))] = self.in_file(path)
        return {name: places for name, places in found.items() if places}


def forms(core: str) -> Iterator[bytes]:
    """Return how a secret may be written: as it is, percent-encoded, in hexadecimal, UTF-16 and base64."""
    raw = core.encode()
    yield raw
    yield "".join(f"%{byte:02x}" for byte in raw).encode()
    yield "".join(f"%{byte:02X}" for byte in raw).encode()
    yield raw.hex().encode()
    yield core.encode("utf-16-le")
    yield core.encode("utf-16-be")
    for before in range(3):
        # Without the characters that what stands before and behind has a part in.
        encoded = base64.b64encode(b"\0" * before + raw)
        yield encoded[-(-before * 8 // 6) : len(raw) * 8 // 6]


def unpacked(content: bytes) -> Iterator[bytes]:
    """Return what is compressed (gzip, zlib) as a whole."""
    if content.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError, zlib.error):
            yield gzip.decompress(content)
    elif content[:1] == b"\x78":
        with suppress(zlib.error):
            yield zlib.decompress(content)


def text_of_parquet(file: Path) -> str:
    """Return all values and metadata; nothing for a file that is not complete."""
    try:
        table = pq.read_table(file)
    except (pa.ArrowInvalid, OSError):
        return ""
    return repr(table.to_pylist()) + repr(table.schema.metadata) + repr(pq.read_metadata(file).metadata)


def text_of_arrow(file: Path) -> str:
    """Return all values and metadata of a file in Arrow's format."""
    try:
        with pa.ipc.open_file(file) as reader:
            table = reader.read_all()
    except (pa.ArrowInvalid, OSError):
        return ""
    return repr(table.to_pylist()) + repr(table.schema.metadata)


def text_of_sqlite(file: Path) -> str:
    """Return all rows of all tables."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}  # noqa: S608
    return repr(rows)


@dataclass
class Look:
    """Sightings so far, a text for each."""

    planted: Planted
    sightings: set[str] = field(default_factory=set)
    looks: int = 0
    seen: set[str] = field(default_factory=set)
    """What was looked at, such as the names of processes: none of it means that nothing was proven."""

    def at(self, place: str, content: str) -> None:
        self.seen.add(place)
        self.sightings |= {f"{secret} in {place}" for secret in self.planted.in_text(content)}


@contextmanager
def watching(planted: Planted, look: Callable[[Look], None], every_s: float = 0.2) -> Iterator[Look]:
    """Call `look` again and again while the block runs, and once at its end."""
    found, end = Look(planted), threading.Event()

    def watch() -> None:
        while not end.wait(every_s):
            look(found)
            found.looks += 1

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        end.set()
        thread.join()
        look(found)


def command_lines(look: Look, *, environment_of: str | None = None) -> None:
    """Look at the command lines and names of all processes below this one; at the environment of `environment_of`."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            name = process.name()
            look.at(f"command line of {name}", "\0".join([name, *process.cmdline()]))
            if name == environment_of:
                look.at(f"environment of {name}", json.dumps(process.environ()))


def answers(look: Look, get: Callable[[str], Any], *paths: str) -> None:
    """Look at what an HTTP interface answers, header fields included; what does not answer now is asked again later."""
    for path in paths:
        answer = get(path)
        if answer is not None:
            look.at(f"GET {path}", f"{dict(answer.headers)}{answer.text}")
