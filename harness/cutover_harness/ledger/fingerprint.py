"""Identity of records without the harness's header: a fingerprint of their content."""

from collections.abc import Iterable
from hashlib import blake2b

from cutover_harness.ledger.identity import to_bytes

#: Fingerprints are below this, so that they are sequences like any other.
LIMIT = 1 << 62


def fingerprint(
    value: bytes | str | None, headers: Iterable[tuple[bytes | str, bytes | str | None]] | None = ()
) -> int:
    """Return a number in [0, 2^62) for a record's value and headers, to log instead of its sequence.

    The key is not part of it: together with the topic it names the stream. Each part is preceded by its length, and a
    null is not an empty value. Leave out headers that the mirror or a client adds on the way. Text stands for its
    bytes in UTF-8, so that a producer's text and what a consumer gets of it are the same; names may be any bytes.
    """
    digest = blake2b(digest_size=8)
    for part in (value, *(piece for header in headers or () for piece in header)):
        if part is None:
            digest.update(b"\0")
        else:
            content = to_bytes(part)
            digest.update(b"\1" + len(content).to_bytes(8, "big") + content)
    return int.from_bytes(digest.digest(), "big") % LIMIT
