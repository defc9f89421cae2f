"""The identity that each replayed record carries in a header: run, stream and sequence."""

import struct
from hashlib import blake2b
from typing import NamedTuple

HEADER = "cutover-id"

_LAYOUT = struct.Struct(">QQQ")


class Identity(NamedTuple):
    """The identity of a record: `sequence` counts from 0 within `stream`, which is one key of one topic."""

    run: int
    stream: int
    sequence: int


def stream_id(topic: str, key: bytes | str | None, partition: int) -> int:
    """Return the 64-bit id of the stream that a record belongs to: its topic and key, or partition for a null key."""
    kind = b"\0p" + str(partition).encode() if key is None else b"\0k" + to_bytes(key)
    return int.from_bytes(blake2b(topic.encode() + kind, digest_size=8).digest(), "big")


def to_bytes(text: bytes | str) -> bytes:
    """Return a client's bytes for text: UTF-8, and the original bytes for surrogate escapes (PEP 383)."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def encode(run: int, stream: int, sequence: int) -> bytes:
    """Return the header's value: 24 bytes, big-endian."""
    return _LAYOUT.pack(run, stream, sequence)


def encode_text(run: int, stream: int, sequence: int) -> str:
    """Return the header's value as text, for clients that cannot write bytes: 48 hexadecimal digits."""
    return encode(run, stream, sequence).hex()


def decode(value: bytes) -> Identity:
    """Return the identity in a header's value. Raises ValueError if it is neither 24 bytes nor its text."""
    if len(value) == 2 * _LAYOUT.size:
        value = bytes.fromhex(value.decode("ascii"))
    if len(value) != _LAYOUT.size:
        raise ValueError(f"the header {HEADER} has {len(value)} bytes instead of {_LAYOUT.size}")
    return Identity(*_LAYOUT.unpack(value))
