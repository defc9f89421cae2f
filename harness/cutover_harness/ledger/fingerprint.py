"""Identity of records that can't carry our header: a fingerprint of their content."""

from collections.abc import Iterable
from hashlib import blake2b

#: Fingerprints are below this, so that they are sequences like any other.
LIMIT = 1 << 62


def fingerprint(value: bytes | None, headers: Iterable[tuple[str, bytes | None]] = ()) -> int:
    """Return a number in [0, 2^62) for a record's value and headers, to be logged in place of its sequence.

    The key is not part of it: together with the topic it names the stream. Each part is preceded by its length, and a
    null is not an empty value. Leave out headers that the mirror or a client adds on the way.
    """
    digest = blake2b(digest_size=8)
    for part in (value, *(piece for name, content in headers for piece in (name.encode(), content))):
        digest.update(b"\0" if part is None else b"\1" + len(part).to_bytes(8, "big") + part)
    return int.from_bytes(digest.digest(), "big") % LIMIT
