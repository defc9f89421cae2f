"""A document as a channel contains it: whether applications accept it, and what it claims to be if they do not."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomli_w
from cutover_shim.cutover_file import MAX_BYTES, CutoverFileError, parse
from cutover_shim.signature import sign, signed, verify

REFERENCE = re.compile(r"\$\{([^}]*)\}")
_SIGNATURE = "# cutover-signature:"


@dataclass(frozen=True)
class Document:
    """Content of a channel.

    text: as it is there, with its signature line; body: without that. generation: the one that it claims, None if it
    claims none, or if keys are given that have not signed it. refused: why it cannot be used here, None if it can.
    """

    text: str
    body: str
    generation: int | None
    refused: str | None

    @property
    def valid(self) -> bool:
        """Whether it can be used here."""
        return self.refused is None


def read_document(text: str, keys: Sequence[bytes] = (), *, resolves: bool = True) -> Document:
    """Return what `text` is for applications with these keys; without keys a signature line is a comment.

    resolves: whether references have to be resolved here, as by a writer that connects to the clusters.
    """
    try:
        body = body_of(text, keys)
    except CutoverFileError as why:
        return Document(text, text, None, str(why))
    refused = None
    try:
        parse(body if resolves else unresolved(tomllib.loads(body)), os.environ)
    except CutoverFileError as why:
        refused = str(why)
    except (ValueError, RecursionError):  # no TOML: the parser of the shim says where
        refused = _refusal(body)
    return Document(text, body, generation_in(body), refused)


def body_of(text: str, keys: Sequence[bytes] = ()) -> str:
    """Return a document without its signature. Raises CutoverFileError unless the keys verify it, and it is text."""
    content = raw(text)
    if len(content) > MAX_BYTES:
        raise CutoverFileError(f"larger than {MAX_BYTES >> 20} MiB")
    try:
        return (verify(content, keys) if keys else signed(content)[1]).decode()
    except UnicodeDecodeError:
        raise CutoverFileError("not UTF-8 text") from None


def claimed(text: str, keys: Sequence[bytes] = ()) -> tuple[int, str] | None:
    """Return generation and body of a document that another writer may have written; None for anything else."""
    try:
        body = body_of(text, keys)
    except CutoverFileError:
        return None
    generation = generation_in(body)
    return None if generation is None else (generation, body)


def unresolved(data: Mapping[str, Any]) -> str:
    """Return a document with a word in place of each reference, so that it can be parsed without resolving them."""
    clusters = data.get("clusters")
    if not isinstance(clusters, dict):
        return tomli_w.dumps(data)
    return tomli_w.dumps({**data, "clusters": _without_references(clusters)})


def _without_references(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_references(each) for key, each in value.items()}
    return REFERENCE.sub("reference", value) if isinstance(value, str) else value


def _refusal(body: str) -> str | None:
    try:
        parse(body, os.environ)
    except CutoverFileError as why:
        return str(why)
    return None


def has_signature(text: str | None) -> bool:
    """Return whether the first line is a signature, whichever key has made it, or whether it is a malformed one."""
    return (text or "").startswith(_SIGNATURE)


def raw(text: str) -> bytes:
    """Return the bytes of a text that `ChannelWriter.read` has returned."""
    return text.encode(errors="surrogateescape")


def signed_text(body: str, keys: Sequence[bytes]) -> str:
    """Return the document with this body, signed with the first of `keys` if there are any."""
    return sign(body.encode(), keys[0]).decode() if keys else body


def generation_in(body: str | bytes) -> int | None:
    """Return the generation of a document that may be unusable otherwise, None if it has none."""
    try:
        found = tomllib.loads(body if isinstance(body, str) else body.decode()).get("generation")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) else None
