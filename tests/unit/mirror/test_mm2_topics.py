"""Records of MirrorMaker 2's own topics, and the progress of groups by them."""

from __future__ import annotations

import struct

import pytest
from cutover_harness.mirror import Checkpoint, MirrorError, OffsetSync
from cutover_harness.mirror.group_progress import group_progress
from cutover_harness.mirror.mm2_topics import decode_checkpoint, decode_offset_sync


def string(text: str) -> bytes:
    return struct.pack(">h", len(text.encode())) + text.encode()


def test_offset_sync() -> None:
    key, value = string("ü.topic") + struct.pack(">i", 7), struct.pack(">qq", 2**40, 5)
    assert decode_offset_sync(key, value) == OffsetSync("ü.topic", 7, 2**40, 5)
    for bad_key, bad_value in (
        (key[:-1], value),
        (key + b"x", value),
        (key, value[:-1]),
        (b"", value),
        (b"\xff\xff", value),
    ):
        with pytest.raises(MirrorError, match="not an offset sync"):
            decode_offset_sync(bad_key, bad_value)


def test_checkpoint() -> None:
    key = string("group") + string("topic") + struct.pack(">i", 3)
    value = struct.pack(">hqq", 0, 10, 9) + string("metadata")
    assert decode_checkpoint(key, value) == Checkpoint("group", "topic", 3, 10, 9)
    with pytest.raises(MirrorError, match="version 1"):
        decode_checkpoint(key, b"\x00\x01" + value[2:])
    with pytest.raises(MirrorError, match="not a checkpoint"):
        decode_checkpoint(key[:4], value)


def test_progress_rows() -> None:
    committed = {("t", 0): 10, ("t", 1): 10, ("t", 2): 10, ("t", 3): 0, ("t", 4): 0, ("t", 5): 10}
    checkpoints = {
        ("t", 0): Checkpoint("g", "t", 0, 10, 12),
        ("t", 1): Checkpoint("g", "t", 1, 9, 11),
        ("t", 2): Checkpoint("g", "t", 2, 10, 12),
        ("t", 5): Checkpoint("g", "t", 5, 10, 12),
    }
    target = {("t", 0): 12, ("t", 1): 11, ("t", 2): 3}
    rows = group_progress(committed, target, checkpoints, {("t", 3): 0, ("t", 4): 5})
    # Same; checkpoint of an older commit; target behind; never used; not consumed but used; not on the target.
    assert [row.synchronised for row in rows] == [True, False, False, True, False, False]
