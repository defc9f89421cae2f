"""The signature of a document: HMAC-SHA256 (RFC 2104), in its first line, over all bytes behind that line."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping, Sequence

from cutover_shim.cutover_file import resolve
from cutover_shim.errors import CutoverFileError, UnresolvedError, UnverifiedError

__all__ = ["keys_from", "sign", "signed", "verify"]

SHORTEST = 16
_PREFIX = b"# cutover-signature: hmac-sha256 "
_LINE = re.compile(rb"# cutover-signature: hmac-sha256 ([0-9a-f]{64})\r?\n")
_REFERENCE = re.compile(r"\$\{[^}]+\}")


def sign(body: bytes, key: bytes) -> bytes:
    """Return a document with its signature in front; `body` has none yet."""
    return _PREFIX + _digest(body, key).encode() + b"\n" + body


def signed(content: bytes) -> tuple[str | None, bytes]:
    """Return a document's signature (64 hexadecimal digits; None if it has none) and the bytes that it is over."""
    found = _LINE.match(content)
    return (None, content) if found is None else (found.group(1).decode(), content[found.end() :])


def verify(content: bytes, keys: Sequence[bytes]) -> bytes:
    """Return a document without its signature. Raises CutoverFileError unless one of `keys` has signed it."""
    signature, body = signed(content)
    if signature is None:
        if content.startswith(_PREFIX.rstrip()):
            raise CutoverFileError("its signature is malformed: 64 hexadecimal digits in the first line are required")
        raise CutoverFileError("not signed: documents have to be signed with cutover.key")
    if not any(hmac.compare_digest(signature, _digest(body, key)) for key in keys):
        raise UnverifiedError("its signature does not fit: altered, or signed with another key")
    return body


def keys_from(text: str, env: Mapping[str, str] | None = None) -> tuple[bytes, ...]:
    """Return the keys that `cutover.key` refers to: one, or two while a key is replaced by another.

    `text` has references `${NAME}` (of `env`; default: the process's environment) or `${file:PATH}`, separated by white
    space or a comma. Raises CutoverFileError for anything else, for a reference that cannot be resolved and for a key
    of less than 16 bytes; no key is in the message.
    """
    parts = [part for part in re.split(r"[\s,]+", text.strip()) if part]
    if not 1 <= len(parts) <= 2 or not all(_REFERENCE.fullmatch(part) for part in parts):
        raise CutoverFileError(
            "cutover.key: not one or two references: give ${file:/path/to/key} or ${ENVIRONMENT_VARIABLE}, not the key"
        )
    keys = []
    for part in parts:
        key = resolve(part[2:-1], "cutover.key", os.environ if env is None else env).strip().encode()
        if len(key) < SHORTEST:
            raise UnresolvedError(
                f"cutover.key: {part} has {len(key)} bytes: a key has at least {SHORTEST} random bytes"
            )
        keys.append(key)
    return tuple(keys)


def _digest(body: bytes, key: bytes) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()
