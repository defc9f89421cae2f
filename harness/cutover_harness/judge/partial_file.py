"""A partial as a file: a header with length and SHA-256, then JSON and arrays, compressed.

docs/judge.md describes the format. The file contains keys of records: it is private to its owner.
"""

import json
import os
import secrets
import struct
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from cutover_harness.errors import UsageError
from cutover_harness.judge.portable import Portable
from cutover_harness.judge.portable_json import decode, encode
from cutover_harness.ledger.columns import Array
from cutover_harness.ledger.files import reading, require_file
from cutover_harness.privacy import opened
from cutover_harness.words import counted

MAGIC: Final = b"KCPARTL\0"
VERSION: Final = 1
#: Magic, version, two zeros, bytes of the file behind the header, bytes of the body, SHA-256 of what is behind it.
HEADER: Final = struct.Struct("<8sHHIQQ32s")
#: The most that reading one partial takes in memory, arrays of offsets included.
MOST_BYTES: Final = 4 << 30
_TYPES: Final = {"u1": np.uint8, "u2": np.uint16, "i4": np.int32, "i8": np.int64, "u8": np.uint64}


def write_partial(path: Path, portable: Portable) -> int:
    """Write a partial, replacing the file in one step, and return its size in bytes. Raises UsageError."""
    arrays: list[Array] = []
    document = json.dumps(encode(portable, arrays) | {"arrays": [[_name(a), len(a)] for a in arrays]}).encode()
    parts = [struct.pack("<Q", len(document)), document, *(np.ascontiguousarray(a).tobytes() for a in arrays)]
    compressor = zlib.compressobj(1)
    packed = b"".join([*(compressor.compress(part) for part in parts), compressor.flush()])
    header = HEADER.pack(MAGIC, VERSION, 0, 0, len(packed), sum(map(len, parts)), sha256(packed).digest())
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb", opener=opened) as file:
            file.write(header)
            file.write(packed)
        temporary.replace(path)
    except OSError as why:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written: {why.strerror or why}") from None
    return len(header) + len(packed)


def read_partial(path: Path) -> Portable:
    """Read a partial. Raises UsageError that names the file if it is damaged, truncated, foreign or of another version.

    It takes at most `MOST_BYTES` of memory, whatever the file contains.
    """
    require_file(path)
    with reading(path), path.open("rb") as file:
        head = file.read(HEADER.size)
        if head[: len(MAGIC)] != MAGIC:
            raise UsageError(f"{path}: is no partial of `kafka-cutover judge --partial` (it begins with {head[:8]!r})")
        if len(head) < HEADER.size:
            raise UsageError(f"{path}: truncated: {counted(len(head), 'byte')}; copy it again")
        _, version, *zeros, length, size, digest = HEADER.unpack(head)
        if version != VERSION:
            raise UsageError(f"{path}: format {version}; this version of kafka-cutover reads format {VERSION}")
        if any(zeros):
            raise UsageError(f"{path}: damaged: its header is not what this version writes; copy it again")
        found = os.fstat(file.fileno()).st_size - HEADER.size
        if found != length:
            how = "truncated" if found < length else "damaged"
            raise UsageError(f"{path}: {how}: {found} bytes behind its header, and it says {length}; copy it again")
        if size > MOST_BYTES:
            raise UsageError(f"{path}: takes {size} bytes of memory; the most is {MOST_BYTES}: use more shards")
        packed = file.read(length)
    if sha256(packed).digest() != digest:
        raise UsageError(f"{path}: damaged: its SHA-256 is not the one that was written; copy it again")
    try:
        return _parse(packed, size)
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError, AttributeError, zlib.error, struct.error,
            UsageError) as why:  # fmt: skip
        reason = " ".join(str(why).split()) or type(why).__name__
        raise UsageError(f"{path}: not what this version writes: {reason:.200}; measure again") from None


def _parse(packed: bytes, size: int) -> Portable:
    stream = zlib.decompressobj()
    body = stream.decompress(packed, size + 1)
    if len(body) != size or not stream.eof or stream.unused_data:
        raise ValueError("its content is longer or shorter than its header says")
    (length,) = struct.unpack_from("<Q", body)
    document: Any = json.loads(body[8 : 8 + length])
    arrays: list[Array] = []
    at = 8 + length
    for name, count in document["arrays"]:
        if type(count) is not int or count < 0:
            raise ValueError("an array's length is no number")
        kind = np.dtype(_TYPES[name])
        if at + count * kind.itemsize > size:
            raise ValueError("its arrays are longer than the file")
        arrays.append(np.frombuffer(body, kind, count, at))
        at += count * kind.itemsize
    if at != size:
        raise ValueError("its arrays are shorter than the file")
    return decode(document, arrays, most=MOST_BYTES)


def _name(array: Array) -> str:
    return next(name for name, kind in _TYPES.items() if array.dtype == kind)
