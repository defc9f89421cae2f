"""Which document is in force, whatever channels bring, in any order: the rules of docs/cutover-file.md."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cutover_shim import CutoverFileError, signature, watched
from cutover_shim.channel import Receiver
from cutover_shim.cutover_file import CutoverFile, parse
from cutover_shim.file_channel import FileChannel
from cutover_shim.kafka_channel import KafkaChannel
from cutover_shim.watched import Watched
from hypothesis import given
from hypothesis import strategies as st

from tests.documents import text
from tests.waiting import wait_until

KEY, OTHER = b"a key of sixteen bytes", b"another key of sixteen"


@dataclass(eq=False)
class Wire:
    """A channel whose documents the test brings. `at_start` is passed on when it is started."""

    name: str
    at_start: Sequence[bytes] | None = ()
    receiver: Receiver | None = field(default=None, init=False)

    def start(self, receiver: Receiver) -> None:
        self.receiver = receiver
        if self.at_start is not None:
            receiver.begins(self.name)
            for content in self.at_start:
                receiver.document(self.name, content)
            receiver.complete(self.name)

    def stop(self) -> None:
        self.receiver = None


def document(generation: int, place: str = "source", key: bytes | None = None) -> bytes:
    body = text(generation, place).encode()
    return body if key is None else signature.sign(body, key)


NOTHING = parse(text(0))


def followed(*wires: Wire, keys: tuple[bytes, ...] | None = None, file: Path | None = None) -> Watched:
    made = Watched(None if file is None else FileChannel(str(file)), wires, keys=None if keys is None else lambda: keys)
    made.first()
    return made


def state(made: Watched, name: str) -> tuple[int | None, str | None]:
    found = next(s for s in made.channel_states() if s["channel"] == name)
    return found["generation"], found["refused"]


def generation(made: Watched) -> int:
    assert made.good is not None
    return made.good.generation


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "WAIT_WITHOUT_S", 0.05)
    monkeypatch.setattr(watched, "WAIT_WITH_DOCUMENT_S", 0.05)


def test_the_highest_generation_of_file_and_channels_is_in_force(tmp_path: Path) -> None:
    path = tmp_path / "cutover.toml"
    path.write_bytes(document(3))
    made = followed(Wire("a", [document(2)]), Wire("b", [document(5), document(7, "target")]), file=path)
    assert made.seen is not None
    assert (generation(made), made.seen.channel, made.rejected) == (7, "b", None)
    assert [state(made, n)[0] for n in (f"file:{path}", "a", "b")] == [3, 2, 7]


def test_a_channel_that_is_behind_is_not_refused_and_one_that_goes_back_is() -> None:
    a, b = Wire("a", [document(5)]), Wire("b", [document(2)])
    made = followed(a, b)
    made.document("b", document(3))
    assert (generation(made), made.rejected) == (5, None)
    made.document("b", document(2))
    assert (generation(made), state(made, "b")[1]) == (
        5,
        "generation 2 after 3: every change needs a higher generation",
    )
    made.document("b", document(5))
    assert (generation(made), made.rejected) == (5, None)


def test_what_was_there_before_is_no_replay_unless_it_is_the_last() -> None:
    made = followed(Wire("a", [document(1), document(2), document(3)]))
    made.begins("a")
    made.document("a", document(1))
    assert made.rejected is None
    made.document("a", document(3))
    made.complete("a")
    assert (generation(made), made.rejected) == (3, None)
    made.begins("a")
    made.document("a", document(3))
    made.document("a", document(1))
    made.complete("a")
    assert generation(made) == 3
    assert "generation 1 after 3" in (made.rejected or "")


def test_one_generation_has_one_content_on_all_channels() -> None:
    made = followed(Wire("a", [document(4)]), Wire("b"))
    made.document("b", document(4, "target"))
    refused = state(made, "b")[1] or ""
    assert "other content than that of a" in refused
    assert made.rejected is not None
    assert made.rejected.startswith("b: generation 4 with other content than that of a")
    made.document("b", document(4))
    assert made.rejected is None


def test_a_new_signature_is_not_another_content() -> None:
    made = followed(Wire("a", [document(4, key=KEY)]), keys=(KEY, OTHER))
    made.document("a", document(4, key=OTHER))
    assert (generation(made), made.rejected) == (4, None)


def test_without_a_usable_document_a_client_does_not_start() -> None:
    for wires, why in (
        ([Wire("a", None)], "a: has not answered in time"),
        ([Wire("a", [b"x"])], "a: not valid TOML"),
        ([Wire("a", [document(1)]), Wire("b", [document(2)])], "not signed"),
    ):
        with pytest.raises(CutoverFileError, match=why):
            followed(*wires, keys=(KEY,) if "signed" in why else None)


def test_an_empty_topic_leaves_a_client_where_it_is_and_a_refused_document_does_not() -> None:
    made = Watched(None, [Wire("a")], nothing=NOTHING)
    assert made.first() is NOTHING
    with pytest.raises(CutoverFileError, match="not signed"):
        Watched(None, [Wire("a", [document(1)])], nothing=NOTHING, keys=lambda: (KEY,)).first()
    silent = Watched(None, [Wire("a", None)], nothing=NOTHING)
    with pytest.raises(CutoverFileError, match="has not answered in time"):
        silent.first()


def test_a_channel_that_does_not_answer_holds_a_client_up_once_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cutover.toml"
    path.write_bytes(document(3))
    made = followed(Wire("a", None), file=path)
    monkeypatch.setattr(watched, "WAIT_WITH_DOCUMENT_S", 3600.0)
    assert made.first().generation == 3


def test_a_document_names_more_channels() -> None:
    def more(file: CutoverFile) -> Iterator[Wire]:
        if file.generation == 1:
            yield Wire("b", [document(2)])

    made = Watched(None, [Wire("a", [document(1)])], more=more)
    assert made.first().generation == 2


def test_a_channel_that_fails_keeps_what_is_in_force_and_says_so() -> None:
    made = followed(Wire("a", [document(1)]))
    made.failed("a", "cannot be read: away", final=False)
    assert (generation(made), made.rejected, made.channel_states()[0]["error"]) == (1, None, "cannot be read: away")
    made.works("a")
    assert made.channel_states()[0]["error"] is None


def test_a_secret_that_appears_later_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = followed(Wire("a", [document(1)]))
    made.document("a", document(2).replace(b'"b:1"', b'"${CUTOVER_TEST_LATER}"'))
    assert "'CUTOVER_TEST_LATER' is not set" in (made.rejected or "")
    made.tick()
    assert generation(made) == 1
    monkeypatch.setitem(os.environ, "CUTOVER_TEST_LATER", "b:1")
    made.tick()
    assert (generation(made), made.rejected) == (2, None)


def test_a_document_with_a_new_key_is_followed_when_the_key_arrives_after_it() -> None:
    wire, present = Wire("a"), [KEY]
    made = Watched(None, [wire], nothing=NOTHING, keys=lambda: tuple(present))
    made.first()
    made.document("a", document(1, key=KEY))
    made.document("a", document(2, "target", OTHER))
    made.tick()
    assert (made.good or NOTHING).generation == 1
    assert "another key" in (state(made, "a")[1] or "")
    made.document("a", document(3, "target"))  # not signed: it replaces nothing
    present[:] = [OTHER]
    made.tick()
    assert (made.good or NOTHING).generation == 2
    assert state(made, "a") == (2, None)


def test_a_key_that_is_gone_or_torn_for_a_moment_loses_no_document(tmp_path: Path) -> None:
    wire, key = Wire("a"), tmp_path / "key"
    key.write_bytes(KEY)
    made = Watched(None, [wire], nothing=NOTHING, keys=lambda: signature.keys_from(f"${{file:{key}}}"))
    made.first()
    for generation, torn in ((1, None), (2, b""), (3, KEY[:5])):
        key.unlink()
        if torn is not None:
            key.write_bytes(torn)
        made.document("a", document(generation, key=KEY))
        made.tick()
        assert (made.good or NOTHING).generation == generation - 1
        key.write_bytes(KEY)
        made.tick()
        assert (made.good or NOTHING).generation == generation


def test_a_forged_document_does_not_replace_one_whose_secret_is_still_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire("a")
    made = Watched(None, [wire], nothing=NOTHING, keys=lambda: (KEY,))
    made.first()
    made.document("a", document(2, key=KEY))
    body = document(3).replace(b"a:1", b"${LATE}")
    made.document("a", signature.sign(body, KEY))
    for forged in (document(9), document(9, key=OTHER), document(1, key=KEY), b"", b"x"):
        made.document("a", forged)
    monkeypatch.setenv("LATE", "somewhere:9092")
    made.tick()
    assert (made.good or NOTHING).generation == 3
    # What is signed does replace it.
    monkeypatch.delenv("LATE")
    made.document("a", signature.sign(body.replace(b"generation = 3", b"generation = 4"), KEY))
    made.document("a", document(5, key=KEY))
    monkeypatch.setenv("LATE", "somewhere:9092")
    made.tick()
    assert (made.good or NOTHING).generation == 5


def test_after_stop_nothing_is_followed() -> None:
    wire = Wire("a", [document(1)])
    made = followed(wire)
    made.stop()
    made.document("a", document(2))
    assert (generation(made), wire.receiver) == (1, None)


brought = st.tuples(
    st.sampled_from("ab"),
    st.integers(1, 6),
    st.sampled_from(["source", "hold", "target"]),
    st.sampled_from([KEY, OTHER, None]),
)


@given(st.lists(brought, max_size=40))
def test_in_force_is_always_the_first_valid_document_of_the_highest_generation(
    documents: list[tuple[str, int, str, bytes | None]],
) -> None:
    made = followed(Wire("a", [document(0, key=KEY)]), Wire("b"), keys=(KEY,))
    own = {"a": 0, "b": -1}
    content = {0: "source"}
    for channel, number, place, key in documents:
        made.document(channel, document(number, place, key))
        highest = max(content)
        fits = key == KEY and number >= own[channel] and content.get(number, place) == place
        if fits and (number > highest or number == highest or number not in content):
            own[channel] = number
            if number > highest:
                content[number] = place
        assert generation(made) == max(content)
        assert made.good is not None
        assert made.good.routes["r"].producers == content[max(content)]


def test_an_empty_topic_is_no_answer_for_a_channel_that_is_away() -> None:
    away = Wire("away", at_start=None)
    made = Watched(None, [Wire("empty"), away], nothing=NOTHING)
    with pytest.raises(CutoverFileError, match="away: has not answered in time"):
        made.first()
    made.complete("away")
    assert made.first() is NOTHING


@pytest.mark.parametrize("value", ["a-secret-value=x", "principal=me a-secret-value=x"])
def test_why_a_control_topic_cannot_be_read_contains_no_secret(value: str) -> None:
    conf = {
        "bootstrap.servers": "127.0.0.1:1",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanisms": "OAUTHBEARER",
        "enable.sasl.oauthbearer.unsecure.jwt": "true",
        "sasl.oauthbearer.config": value,
    }
    made = Watched(None, [KafkaChannel("c", "source", conf)], nothing=NOTHING)
    try:
        with pytest.raises(CutoverFileError):
            made.first()
        wait_until(lambda: "oauthbearer" in str(made.channel_states()[0]["error"]))
        assert "a-secret-value" not in str(made.channel_states())
    finally:
        made.stop()
