"""Ledgers of a run from several places: local folders, NFS, and object stores through Arrow's file systems."""

import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from cutover_harness.errors import UsageError
from cutover_harness.judge.command import RUN, open_folder
from cutover_harness.judge.facts import RunFacts
from cutover_harness.ledger.format import CSV, JOURNAL, JSON_LINES, META, NAMES, SEALED
from cutover_harness.ledger.reader import InstanceLedger, Ledgers
from cutover_harness.masking import masked

_WANTED = frozenset({META, JOURNAL, NAMES, SEALED, CSV, JSON_LINES, RUN})
_BLOCK = 8 << 20


class Place:
    """A folder's path or URL. Its text has no user names, passwords or values of parameters."""

    __slots__ = ("url",)

    def __init__(self, url: str) -> None:
        self.url = url

    def __repr__(self) -> str:
        return masked(self.url)

    @property
    def local(self) -> Path | None:
        """The folder, None for an object store."""
        if "://" not in self.url:
            return Path(self.url)
        scheme, _, path = self.url.partition("://")
        return Path(path) if scheme == "file" else None

    @property
    def name(self) -> str:
        """The last part of the path."""
        path = str(self.local) if self.local is not None else self.url.partition("?")[0]
        return PurePosixPath(path.rstrip("/")).name


class Copies:
    """Ledgers of object stores, copied once to a folder of this process; below: where, None for the usual place."""

    def __init__(self) -> None:
        self.below: str | None = None
        self._folder: Path | None = None
        self._copied: dict[str, Path] = {}

    def folder_of(self, place: Place) -> Path:
        """Return a local folder with the ledgers of a place. Raises UsageError that contains no credentials."""
        if place.local is not None:
            return place.local
        if place.url not in self._copied:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="cutover-judge-", dir=self.below))
            name = hashlib.sha256(place.url.encode()).hexdigest()[:16]
            target = self._folder / name / (place.name or "ledgers")
            target.mkdir(parents=True)
            _copy(place, target)
            self._copied[place.url] = target
        return self._copied[place.url]

    def close(self) -> None:
        """Remove the copies."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder, self._copied = None, {}


def open_places(places: Sequence[Place], copies: Copies) -> tuple[Ledgers, RunFacts | None]:
    """Open the ledgers of one run in all places, and its `run.json`, which at least one place has or none.

    Raises UsageError.
    """
    opened = [(place, *open_folder(copies.folder_of(place).resolve())) for place in places]
    found = [(place, facts) for place, _, facts in opened if facts is not None]
    for place, other in found[1:]:
        if other != found[0][1]:
            raise UsageError(f"{found[0][0]} and {place}: another run.json; one run has one")
    facts = found[0][1] if found else None
    if len(opened) == 1:
        return opened[0][1], facts
    return _together([(place, ledgers) for place, ledgers, _ in opened], facts), facts


def _together(opened: Sequence[tuple[Place, Ledgers]], facts: RunFacts | None) -> Ledgers:
    """Return the ledgers of several places as one. Raises UsageError if they are not of one run."""
    instances: dict[str, tuple[Place, InstanceLedger]] = {}
    first_place, first = opened[0]
    for place, ledgers in opened:
        if ledgers.run != first.run or (facts is not None and facts.run != ledgers.run):
            raise UsageError(f"{first_place} and {place}: another run; judge one run at a time")
        if ledgers.instances[0].meta.identity != first.instances[0].meta.identity:
            raise UsageError(f"{first_place} and {place}: another kind of identity; one run needs one kind")
        for instance in ledgers.instances:
            before, _ = instances.setdefault(instance.label, (place, instance))
            if before is not place:
                raise UsageError(f"{before} and {place} both have a ledger {instance.label!r}: rename one folder")
    in_order = sorted((instance for _, instance in instances.values()), key=lambda i: i.label.split("/"))
    absent = sorted({label for _, ledgers in opened for label in ledgers.absent} - instances.keys())
    return Ledgers(tuple(in_order), tuple(absent))


def _copy(place: Place, target: Path) -> None:
    """Copy the files of ledgers below a URL; everything else there is left."""
    with _reaching(place):
        store, root = fs.FileSystem.from_uri(place.url)
        entries = store.get_file_info(fs.FileSelector(root, recursive=True))
        wanted = [e for e in entries if e.type == fs.FileType.File and PurePosixPath(e.path).name in _WANTED]
        if not wanted:
            raise UsageError(f"{place}: contains no ledger (no {META} in it or below it)")
        for entry in wanted:
            inside = PurePosixPath(entry.path).relative_to(root.rstrip("/"))
            if ".." in inside.parts:
                raise UsageError(f"{place}: has a file {str(inside)!r:.80}, which is outside of it")
            file = target.joinpath(*inside.parts)
            file.parent.mkdir(parents=True, exist_ok=True)
            with store.open_input_stream(entry.path) as source, file.open("xb") as copy:
                while block := source.read(_BLOCK):
                    copy.write(block)


@contextmanager
def _reaching(place: Place) -> Iterator[None]:
    """Turn errors of an object store into one line that has no credentials in it."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, NotImplementedError, zlib.error) as why:
        reason = masked(" ".join(str(why).split()))
        for secret in _secrets(place):
            reason = reason.replace(secret, "***")
        raise UsageError(f"{place}: cannot be read: {reason:.300}") from None


def _secrets(place: Place) -> list[str]:
    """Return what must not be shown: user name and password of the URL, and keys of the environment."""
    user, at, _ = place.url.partition("://")[2].rpartition("@")
    given = [*user.split(":"), user, *map(unquote, user.split(":"))] if at else []
    known = (os.environ.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"))
    return sorted((each for each in (*given, *known) if len(each) > 3), key=len, reverse=True)
