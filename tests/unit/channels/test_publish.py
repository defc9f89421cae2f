"""One document for several channels: real files on the disk, which are broken, locked and overwritten by others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cutover_harness.channels.base import ChannelError, ChannelWriter, OvertakenError
from cutover_harness.channels.file import FileWriter
from cutover_harness.channels.publish import Publisher
from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock
from cutover_harness.waits import wait_until
from cutover_shim.signature import sign, signed

from tests.documents import text as body

KEY, OTHER = b"k" * 32, b"o" * 32
NAMES = ("a", "b", "c")


def files(folder: Path) -> list[Path]:
    for name in NAMES:
        (folder / name).mkdir(exist_ok=True)
    return [folder / name / "cutover.toml" for name in NAMES]


def publisher(
    folder: Path, *keys: bytes, channels: list[ChannelWriter] | None = None, patience_s: float = 30.0
) -> Publisher:
    writers: list[ChannelWriter] = [FileWriter(path) for path in files(folder)]
    return Publisher(writers if channels is None else channels, keys, patience_s=patience_s)


@contextmanager
def fleet(folder: Path, *keys: bytes, patience_s: float = 30.0) -> Iterator[Publisher]:
    """A publisher whose three channels have generation 1."""
    with closing(publisher(folder, *keys, patience_s=patience_s)) as writer:
        writer.publish(body(1), 1)
        yield writer


def contents(folder: Path) -> set[str]:
    return {path.read_text(encoding="utf-8") for path in files(folder)}


class KilledError(BaseException):
    """Stands for a SIGKILL."""


class Dying:
    """A channel whose writer is killed before it writes."""

    def __init__(self, writer: FileWriter) -> None:
        self.name = writer.name
        self._writer = writer

    def read(self) -> str | None:
        return self._writer.read()

    def write(self, text: str, *, replaces: str | None) -> None:
        raise KilledError

    def close(self) -> None:
        pass


def test_all_channels_get_the_same_bytes(tmp_path: Path) -> None:
    with fleet(tmp_path, KEY) as writer:
        writer.publish(body(2, "hold"), 2)
        assert contents(tmp_path) == {sign(body(2, "hold").encode(), KEY).decode()}
        assert writer.generation == 2
        assert writer.behind() == []
        assert sorted(writer.told()) == [f"file:{path}" for path in files(tmp_path)]


@pytest.mark.parametrize("killed_at", [0, 1, 2])
def test_a_writer_killed_between_two_channels_is_completed_by_the_next_one(tmp_path: Path, killed_at: int) -> None:
    with fleet(tmp_path):
        pass
    writers: list[ChannelWriter] = [FileWriter(path) for path in files(tmp_path)]
    writers[killed_at] = Dying(FileWriter(files(tmp_path)[killed_at]))
    killed = publisher(tmp_path, channels=writers)
    with closing(killed):
        killed.adopt()
        with pytest.raises(KilledError):
            killed.publish(body(2, "hold"), 2)
    for path in files(tmp_path)[killed_at:]:  # as if the kill had ended the other channels' threads, too
        path.write_text(body(1), encoding="utf-8")
    with closing(publisher(tmp_path)) as after:
        assert after.adopt().generation == (1 if killed_at == 0 else 2)
        after.restore()
        assert contents(tmp_path) == ({body(1)} if killed_at == 0 else {body(2, "hold")})
        after.publish(body(after.next_generation), after.next_generation)


def test_a_channel_that_fails_is_named_and_gets_the_document_later(tmp_path: Path) -> None:
    held = files(tmp_path)[1]
    with fleet(tmp_path, patience_s=0.3) as writer:
        with FileLock(held.with_name(f".{held.name}.lock")), pytest.MonkeyPatch.context() as patch:
            patch.setattr("cutover_harness.channels.file.LOCK_WAIT_S", 0.01)
            writer.publish(body(2), 2)
            why = wait_until(writer.behind, 5.0, done=lambda found: any("held by" in each for each in found))
            assert len(why) == 1
            assert str(held.with_name(f".{held.name}.lock")) in why[0]
            assert f"file:{held}" not in writer.told()
            writer.publish(body(3), 3)  # a channel that fails does not stop the next document either
        assert wait_until(writer.behind, 10.0, done=lambda found: not found) == []
        assert contents(tmp_path) == {body(3)}
        assert f"file:{held}" in writer.told()


def test_if_no_channel_can_be_written_nothing_counts_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet(tmp_path) as writer:
        with monkeypatch.context() as patch:

            def full(*_args: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(os, "fsync", full)
            with pytest.raises(UsageError) as refused:
                writer.publish(body(2), 2)
        assert str(refused.value).count("No space left on device") == 3
        assert (writer.generation, writer.behind(), contents(tmp_path)) == (1, [], {body(1)})
        writer.publish(body(2), writer.next_generation)
        assert wait_until(writer.behind, 30.0, done=lambda found: not found) == []
        assert contents(tmp_path) == {body(2)}


@pytest.mark.parametrize("where", [0, 1, 2])
def test_another_writers_document_in_any_channel_stops_all_of_it(tmp_path: Path, where: int) -> None:
    with fleet(tmp_path) as writer:
        files(tmp_path)[where].write_text(body(5), encoding="utf-8")
        with pytest.raises(OvertakenError, match=r"generation 5 is there, and this writer's last one is 1"):
            writer.publish(body(2), 2)
        assert sorted(path.read_text(encoding="utf-8") for path in files(tmp_path)) == [body(1), body(1), body(5)]
        assert writer.generation == 1


class Racing(FileWriter):
    """A file that another writer writes right before this one does, once."""

    rival: str | None = None

    def write(self, text: str, *, replaces: str | None) -> None:
        if self.rival is not None:
            self.path.write_text(self.rival, encoding="utf-8")
            self.rival = None
        super().write(text, replaces=replaces)


@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_writer_that_was_overtaken_in_the_middle_takes_back_what_it_wrote(tmp_path: Path, where: int) -> None:
    channels = [Racing(path) for path in files(tmp_path)]
    with closing(publisher(tmp_path, channels=list(channels))) as writer:
        writer.publish(body(1), 1)
        channels[where].rival = body(2, "hold")
        with pytest.raises(OvertakenError, match="generation 2 is there with other content than this writer's"):
            writer.publish(body(2, "target"), 2)
    assert sorted(contents(tmp_path)) == [body(1), body(2, "hold")]
    with closing(publisher(tmp_path)) as after:  # both can be resumed: the highest one counts
        assert after.adopt().body == body(2, "hold")
        after.restore()
    assert contents(tmp_path) == {body(2, "hold")}


def test_something_that_is_no_document_in_the_way_is_replaced(tmp_path: Path) -> None:
    channels = [Racing(path) for path in files(tmp_path)]
    with closing(publisher(tmp_path, channels=list(channels))) as writer:
        writer.publish(body(1), 1)
        for channel in channels:
            channel.rival = "generation = "
        writer.publish(body(2), 2)
    assert contents(tmp_path) == {body(2)}


def test_what_the_keys_do_not_verify_is_no_other_writers_document(tmp_path: Path) -> None:
    with fleet(tmp_path, KEY) as writer:
        forged = [body(9), sign(body(9).encode(), OTHER).decode(), sign(body(9).encode(), KEY).decode()[:-1]]
        for path, text in zip(files(tmp_path), forged, strict=True):
            path.write_text(text, encoding="utf-8")
        writer.publish(body(2), 2)
        assert contents(tmp_path) == {sign(body(2).encode(), KEY).decode()}


def test_without_a_key_a_document_of_a_higher_generation_counts_even_if_it_cannot_be_used(tmp_path: Path) -> None:
    with fleet(tmp_path) as writer:
        files(tmp_path)[1].write_text("generation = 9\nnew = 1\n", encoding="utf-8")
        with pytest.raises(OvertakenError, match="generation 9 is there"):
            writer.publish(body(2), 2)


def test_after_a_change_of_keys_the_old_document_is_adopted_and_the_next_one_has_the_new_signature(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path, OTHER):
        pass
    with closing(publisher(tmp_path, KEY, OTHER)) as writer:
        assert writer.adopt().generation == 1
        writer.restore()
        assert contents(tmp_path) == {sign(body(1).encode(), OTHER).decode()}
        writer.publish(body(2), 2)
    assert contents(tmp_path) == {sign(body(2).encode(), KEY).decode()}
    with closing(publisher(tmp_path, OTHER)) as late, pytest.raises(UsageError, match="signed with another key"):
        late.adopt()


def test_two_documents_of_one_generation_are_refused_with_both_channels(tmp_path: Path) -> None:
    with fleet(tmp_path):
        pass
    first, second, _ = files(tmp_path)
    first.write_text(body(2, "hold"), encoding="utf-8")
    second.write_text(body(2, "target"), encoding="utf-8")
    with closing(publisher(tmp_path)) as writer, pytest.raises(UsageError) as refused:
        writer.adopt()
    assert f"file:{first} and file:{second}: have generation 2 with different content" in str(refused.value)


def test_the_same_document_with_and_without_a_signature_is_one(tmp_path: Path) -> None:
    with fleet(tmp_path):
        files(tmp_path)[0].write_text(sign(body(1).encode(), KEY).decode(), encoding="utf-8")
    with closing(publisher(tmp_path)) as writer:
        assert signed(writer.adopt().text.encode())[1].decode() == body(1)
        writer.publish(body(2), 2)
    assert contents(tmp_path) == {body(2)}


def test_a_channel_without_any_document_gets_the_one_of_the_others(tmp_path: Path) -> None:
    with fleet(tmp_path):
        pass
    files(tmp_path)[2].unlink()
    with closing(publisher(tmp_path)) as writer:
        writer.adopt()
        writer.restore()
    assert contents(tmp_path) == {body(1)}


def test_without_any_document_every_channel_is_named(tmp_path: Path) -> None:
    missing, empty, binary = files(tmp_path)
    empty.touch()
    binary.write_bytes(b"\xff\xfe\x00")
    with closing(publisher(tmp_path)) as writer, pytest.raises(UsageError) as refused:
        writer.adopt()
    assert f"file:{missing}: cannot be read: No such file or directory; file:{empty}: generation: " in str(
        refused.value
    )
    assert f"file:{binary}: not UTF-8 text, and there is no copy of it" in str(refused.value)


class Silent(FileWriter):
    """A file whose writes fail after they have had their effect, as a cluster's may."""

    fails = False

    def write(self, text: str, *, replaces: str | None) -> None:
        super().write(text, replaces=replaces)
        if self.fails:
            raise ChannelError(f"{self.name}: does not answer")


def test_an_attempt_that_failed_and_arrived_nevertheless_is_not_taken_for_another_writers(tmp_path: Path) -> None:
    channels = [Silent(path) for path in files(tmp_path)]
    with closing(publisher(tmp_path, channels=list(channels))) as writer:
        writer.publish(body(1), 1)
        for channel in channels:
            channel.fails = True
        with pytest.raises(UsageError, match="no channel can be written"):
            writer.publish(body(2, "hold"), 2)
        for channel in channels:
            channel.fails = False
        assert writer.next_generation == 3, "clients may have generation 2"
        writer.publish(body(3, "target"), 3)
    assert contents(tmp_path) == {body(3, "target")}
