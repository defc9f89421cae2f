"""Documents are accepted with the signature of one of the keys alone, and a key appears in no message."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from cutover_shim import CutoverFileError, config, following
from cutover_shim.signature import keys_from, sign, signed, verify
from hypothesis import given
from hypothesis import strategies as st

KEY, OTHER = b"0123456789abcdef", b"fedcba9876543210"
BODY = b"generation = 1\n"


def test_the_signature_is_hmac_sha256_over_what_is_behind_its_line() -> None:
    expected = hmac.new(KEY, BODY, hashlib.sha256).hexdigest()
    assert sign(BODY, KEY) == b"# cutover-signature: hmac-sha256 " + expected.encode() + b"\n" + BODY
    assert signed(sign(BODY, KEY)) == (expected, BODY)
    assert signed(BODY) == (None, BODY)


@given(st.binary(max_size=200), st.binary(min_size=16, max_size=64))
def test_what_was_signed_is_verified(body: bytes, key: bytes) -> None:
    assert verify(sign(body, key), [OTHER * 5, key]) == body


@given(st.data())
def test_no_changed_byte_is_accepted(data: st.DataObject) -> None:
    content = bytearray(sign(BODY, KEY))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CutoverFileError):
        verify(bytes(content), [KEY])


@given(st.integers(0, 120))
def test_no_part_of_a_document_is_accepted(length: int) -> None:
    content = sign(BODY, KEY)
    if length < len(content):
        with pytest.raises(CutoverFileError):
            verify(content[:length], [KEY])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (BODY, "not signed"),
        (b"", "not signed"),
        (sign(BODY, OTHER), "another key"),
        (sign(BODY + b"x", KEY)[:-1], "altered"),
        (sign(BODY, KEY).replace(b"sha256 ", b"sha256 x"), "malformed"),
        (b"\n" + sign(BODY, KEY), "not signed"),
        (sign(sign(BODY, KEY), OTHER), "another key"),
    ],
)
def test_what_is_refused_names_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(CutoverFileError, match=why):
        verify(content, [KEY])


def test_keys_are_references(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\n")
    reference = f"${{file:{file}}}"
    assert keys_from(reference) == (KEY,)
    assert keys_from(f"{reference} ${{NEW}}", {"NEW": OTHER.decode()}) == (KEY, OTHER)
    assert keys_from(f" {reference},${{NEW}} ", {"NEW": OTHER.decode()}) == (KEY, OTHER)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (KEY.decode(), "not one or two references"),
        ("", "not one or two references"),
        ("${A} ${A} ${A}", "not one or two references"),
        ("${A}${A}", "not one or two references"),
        ("${MISSING}", "'MISSING' is not set"),
        ("${file:/nowhere/key}", "/nowhere/key does not exist"),
        ("${SHORT}", "has 5 bytes"),
    ],
)
def test_what_is_no_key_is_refused_and_not_quoted(text: str, why: str) -> None:
    with pytest.raises(CutoverFileError, match=why) as caught:
        keys_from(text, {"A": KEY.decode(), "SHORT": "qwert"})
    assert not any(secret in str(caught.value) for secret in (KEY.decode(), "qwert"))


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"cutover.channel": "kafka:ctl"}, "needs cutover.key"),
        ({"cutover.channel": "kafka:", "cutover.unsigned": "true"}, "'kafka:' is not a channel"),
        ({"cutover.channel": "kafka:ctl@source"}, "'kafka:ctl@source' .*: write kafka:ctl, without @source$"),
        ({"cutover.channel": "kafka:ctl@target", "cutover.unsigned": "true"}, "write kafka:ctl, without @target$"),
        ({"cutover.channel": "zookeeper:x"}, "'zookeeper:x' is not a channel"),
        ({"cutover.channel": "kafka:ctl", "cutover.key": "not a reference"}, "not one or two references"),
    ],
)
def test_a_channel_that_cannot_be_used_is_one_line(properties: dict[str, str], why: str) -> None:
    chosen = config.settings(({"bootstrap.servers": "127.0.0.1:1", **properties},), {})
    with pytest.raises(CutoverFileError, match=why):
        following.watched_of(chosen)


def test_the_properties_have_variables_and_the_property_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CHANNEL", "kafka:a, kafka:b"), ("KEY", "${K}"), ("UNSIGNED", "true"), ("APP", "orders")):
        monkeypatch.setenv(f"CUTOVER_{name}", value)
    chosen = config.settings(({"client.id": "x"},), {})
    assert (chosen.channels, chosen.key, chosen.unsigned, chosen.app) == (
        ("kafka:a", "kafka:b"),
        "${K}",
        True,
        "orders",
    )
    assert chosen.conf == {"client.id": "x"}
    assert not config.is_plain(({"client.id": "x"},), {})
    own = ({"cutover.channel": "", "cutover.app": "mine", "cutover.unsigned": False},)
    chosen = config.settings(own, {})
    assert (chosen.channels, chosen.app, chosen.unsigned, chosen.follows) == ((), "mine", False, None)
    assert config.is_plain(own, {})


def test_the_variable_of_the_instance_gets_the_number_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def instance(**own: str) -> str:
        return config.settings(({"client.id": "x", **{f"cutover.{k}": v for k, v in own.items()}},), {}).instance

    monkeypatch.setenv("CUTOVER_INSTANCE", "orders-0")
    names = [instance(), instance()]
    assert len(set(names)) == 2, "clients of one process stay distinguishable"
    assert all(re.fullmatch(r"orders-0-\d+", name) for name in names)
    assert instance(instance="mine") == "mine", "the property wins, as it is"
    monkeypatch.setenv("CUTOVER_INSTANCE", "")
    assert re.fullmatch(rf".*-{os.getpid()}-\d+", instance())


@pytest.mark.parametrize("name", ["cutover.unsigned", "cutover.own.offsets"])
def test_a_flag_that_is_neither_true_nor_false_is_refused(name: str) -> None:
    with pytest.raises(KafkaException, match=f"{name}: 'maybe' is neither true nor false"):
        config.settings(({name: "maybe"},), {})
