from hashlib import blake2b

import pytest
from cutover_harness.ledger.identity import Identity, decode, encode, encode_text, stream_id


def test_identity_survives_the_header() -> None:
    value = encode(2**64 - 1, 5, 0)
    assert len(value) == 24
    assert decode(value) == Identity(2**64 - 1, 5, 0)


def test_identity_survives_a_header_of_text() -> None:
    assert decode(encode_text(2**64 - 1, 5, 0).encode()) == Identity(2**64 - 1, 5, 0)
    with pytest.raises(ValueError, match="hexadecimal"):
        decode(b"x" * 48)


def test_a_foreign_header_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes instead of 24"):
        decode(b"abc")


def test_streams_are_topic_and_key_or_partition() -> None:
    assert stream_id("t", b"k", 3) == int.from_bytes(blake2b(b"t\0kk", digest_size=8).digest(), "big")
    assert stream_id("t", b"k", 3) == stream_id("t", b"k", 4)
    assert stream_id("t", None, 3) != stream_id("t", None, 4)
    assert stream_id("t", b"3", 0) != stream_id("t", None, 3)
