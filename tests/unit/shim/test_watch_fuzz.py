"""Ten thousand contents of a watched file: the watching thread survives and follows the next good generation."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_shim import config, file_channel, watch
from cutover_shim.cutover_file import CutoverFile, parse

from tests.documents import text

from .conftest import until

CONTENTS = 10_000
GOOD_EVERY = 200
PIECES = [
    b"9" * 4301,
    b".".join([b"a"] * 1000) + b" = 1\n",
    b"[" * 2000,
    b"{a=" * 2000,
    b"x = [" + b"[" * 1500 + b"]" * 1500 + b"]\n",
    b'"""',
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    "\u2028\U0001f600".encode(),
    b"${file:/proc/self/mem}",
    b"${file:\x00}",
    b"${}",
    b"nan",
    b"-inf",
    b"1979-05-27T07:32:00Z",
    b"1e999999",
    b"generation = 99999999999999999999\n",
    b"[clusters]\n",
    b"[routes.r.topics]\n",
    b"[[routes.r]]\n",
    b'topics = ["[", "[!", "*", "**", "a[b-"]\n',
    b"producers = 7\n",
    b"'" * 3,
    b"\\u0000",
]


def damaged(chance: random.Random, good: bytes) -> bytes:
    """Cut, repeat, overwrite or fill up a good content in up to four places."""
    content = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(content) + 1)
        match chance.randrange(5):
            case 0:
                del content[at:]
            case 1:
                del content[at : at + chance.randint(1, 60)]
            case 2:
                content[at:at] = chance.choice(PIECES)
            case 3:
                content[at:at] = content[max(0, at - chance.randint(1, 80)) : at]
            case _:
                content[at : at + 8] = chance.randbytes(8)
    return bytes(content)


def following(path: Path) -> config.Settings:
    return config.settings(({config.FILE: str(path)},), {})


class Follower:
    """A client that keeps the generations that it is to follow."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def _shim_apply(self, file: CutoverFile) -> None:
        self.seen.append(file.generation)

    def _shim_tick(self, now: float) -> None:
        """Nothing to report."""

    def _shim_exit(self, timeout_s: float) -> None:
        """Nothing to report at the end either."""


def contents(chance: random.Random) -> Iterator[bytes]:
    """Damaged contents, and after each 199 of them a good one of the next generation."""
    generation = 1
    for number in range(1, CONTENTS + 1):
        if number % GOOD_EVERY == 0:
            generation += 1
        good = text(generation).encode()
        # A damaged one is of the generation that is there, or it might be valid and ahead of all that follow.
        content = damaged(chance, good) if number % GOOD_EVERY else good
        yield content if number % GOOD_EVERY == 0 or not newer(content, generation) else good


def newer(content: bytes, generation: int) -> bool:
    """Whether a content is good by chance, with a generation that the next ones would have to exceed."""
    try:
        return parse(content.decode()).generation > generation
    except ValueError:
        return False


def test_the_thread_survives_every_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INTERVAL_S", 0.0)
    path = tmp_path / "cutover.toml"
    path.write_text(text(1))
    watcher, client = watch.Watcher(), Follower()
    followed = watcher.follow(following(path))
    given, last, count = contents(random.Random(991)), [b""], itertools.count(1)  # noqa: S311 - no secrets

    really = file_channel._read

    def read(read_path: str) -> tuple[bytes, tuple[int, int]]:
        if read_path != str(path):  # of a client that an earlier test has left behind
            return really(read_path)
        last[0] = next(given, last[0])
        return last[0], (0, next(count))  # as if each replaced the one before, which is accepted immediately

    monkeypatch.setattr(file_channel, "_read", read)
    watcher.attach(followed, client)
    try:
        final = 1 + CONTENTS // GOOD_EVERY
        until(lambda: client.seen[-1] == final, timeout=300, what=lambda: (client.seen, followed.rejected))
    finally:
        watcher.stop()
    assert client.seen == list(range(1, final + 1))
    assert next(given, None) is None


def test_a_client_that_fails_does_not_end_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INTERVAL_S", 0.0)
    path = tmp_path / "cutover.toml"
    path.write_text(text(1))

    class Fails(Follower):
        def _shim_tick(self, now: float) -> None:
            raise MemoryError

    watcher, bad, good = watch.Watcher(), Fails(), Follower()
    followed = watcher.follow(following(path))
    for client in (bad, good):
        watcher.attach(followed, client)
    try:
        other = tmp_path / "new"
        other.write_text(text(2))
        other.replace(path)
        until(lambda: good.seen[-1:] == bad.seen[-1:] == [2])
    finally:
        with contextlib.suppress(Exception):
            watcher.stop()
