"""Mounted copies of the cutover file: late, by symbolic links, never back to an older content."""

from __future__ import annotations

import itertools
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.channels.document import generation_in
from cutover_harness.plan.fleet import FileDelay
from cutover_harness.rehearsal.mounts import Mounts, drawn_s
from cutover_shim.file_channel import FileChannel
from cutover_shim.watched import Watched

from tests.documents import text
from tests.waiting import eventually, wait_until

SOON = FileDelay(least_s=0.0, most_s=0.02)
DOCUMENT = text(0).partition("\n")[2]
"""What follows the generation in a document."""
NEVER = FileDelay(least_s=500, most_s=600)


def write(file: Path, generation: int, more: str = "") -> None:
    new = file.with_name("new")
    new.write_text(f"# a comment\ngeneration = {generation}\n{more}", encoding="utf-8")
    new.replace(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "cutover.toml"
    write(made, 1)
    return made


@pytest.fixture
def soon(file: Path, tmp_path: Path) -> Iterator[Mounts]:
    with Mounts(file, tmp_path / "mounts", SOON, seed=7) as mounts:
        yield mounts


def test_the_copy_is_laid_out_as_the_kubelet_does(soon: Mounts) -> None:
    copy = soon.mount("a")
    assert copy.read_text(encoding="utf-8") == "# a comment\ngeneration = 1\n"
    assert copy.readlink() == Path("..data/cutover.toml")
    assert (copy.parent / "..data").readlink() == Path("..version_1")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_new_generation_reaches_every_copy_and_leaves_nothing_behind(file: Path, soon: Mounts) -> None:
    copies = [soon.mount(name) for name in ("a", "b")]
    for generation in (2, 3):
        write(file, generation)
        wait_until(lambda now=generation: set(soon.generations().values()) == {now})  # type: ignore[misc]
    for copy in copies:
        assert generation_in(copy.read_bytes()) == 3
        assert len(list(copy.parent.iterdir())) == 3  # the link, ..data, and one version


def test_a_reader_finds_a_whole_document_at_any_time(file: Path, soon: Mounts) -> None:
    copy = soon.mount("a")
    ends = [f"end = {'x' * 100}{n}" for n in range(40)]
    for number, end in enumerate(ends, start=2):
        write(file, number, f"end = '{end}'\n")
        for _ in range(20):
            try:
                found = copy.read_text(encoding="utf-8")
            except FileNotFoundError:  # it was opened in the folder that has just been replaced
                continue
            assert found.endswith(("'\n", "generation = 1\n"))
    wait_until(lambda: soon.generations() == {"a": 41})


def test_the_shim_follows_a_copy(file: Path, soon: Mounts) -> None:
    write(file, 2, DOCUMENT)
    copy = str(soon.mount("a"))
    watched = Watched(FileChannel(copy))
    assert watched.first().generation == 2
    write(file, 3, DOCUMENT)
    assert eventually(lambda: watched.tick() or watched.rejected, 60)
    assert (watched.good is not None and watched.good.generation, watched.rejected) == (3, None)


def test_an_instance_sees_a_generation_not_before_its_delay(file: Path, tmp_path: Path) -> None:
    with Mounts(file, tmp_path / "mounts", NEVER, seed=7) as late:
        late.mount("a")
        write(file, 2)
        assert not eventually(lambda: late.generations()["a"] == 2, 0.3)
        assert generation_in(late.mount("b").read_bytes()) == 2  # a new pod has what is there


def test_of_two_generations_the_later_one_stays(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one is due long after the second: it must not replace it."""
    draws = iter([0.3, 0.0])
    monkeypatch.setattr("cutover_harness.rehearsal.mounts.drawn_s", lambda *_: next(draws))
    with Mounts(file, tmp_path / "mounts", SOON, seed=7) as mounts:
        copy = mounts.mount("a")
        write(file, 2)
        wait_until(lambda: mounts._newest.number == 2)
        write(file, 3)
        wait_until(lambda: mounts.generations() == {"a": 3})
        assert not eventually(lambda: mounts.generations() != {"a": 3}, 0.5)
        assert generation_in(copy.read_bytes()) == 3


def test_a_pinned_copy_never_changes_until_it_is_mounted_afresh(file: Path, soon: Mounts) -> None:
    copy = soon.mount("a")
    soon.mount("b")
    soon.pin("a")
    write(file, 2)
    wait_until(lambda: soon.generations()["b"] == 2)
    assert not eventually(lambda: soon.generations()["a"] == 2, 0.2)
    soon.mount("a")
    assert generation_in(copy.read_bytes()) == 2
    write(file, 3)
    wait_until(lambda: soon.generations()["a"] == 3)


def test_the_copies_outlive_the_file(file: Path, soon: Mounts) -> None:
    copy = soon.mount("a")
    file.unlink()
    assert not eventually(lambda: not copy.exists(), 0.2)
    write(file, 2)
    wait_until(lambda: soon.generations() == {"a": 2})


def test_a_copy_that_cannot_be_written_does_not_end_the_others(file: Path, soon: Mounts) -> None:
    broken, other = soon.mount("a"), soon.mount("b")
    (broken.parent / "..version_2").write_text("in the way", encoding="utf-8")
    write(file, 2)
    wait_until(lambda: generation_in(other.read_bytes()) == 2)
    assert generation_in(broken.read_bytes()) == 1
    write(file, 3)
    wait_until(lambda: generation_in(broken.read_bytes()) == 3)


def test_what_is_drawn_depends_on_seed_instance_and_generation_alone() -> None:
    delay = FileDelay(least_s=5, most_s=8)
    drawn = {key: drawn_s(delay, *key) for key in itertools.product((1, 2), ("a", "b"), (2, 3))}
    assert drawn == {key: drawn_s(delay, *key) for key in reversed(drawn)}
    assert len({*drawn.values()}) == len(drawn)
    assert all(5 <= seconds <= 8 for seconds in drawn.values())


@pytest.mark.parametrize(
    ("content", "generation"),
    [(b"generation = 7", 7), (b"generation = '7'", None), (b"gener", None), (b"\xff", None), (b"a = 1", None)],
)
def test_the_generation_in_a_document(content: bytes, generation: int | None) -> None:
    assert generation_in(content) == generation
