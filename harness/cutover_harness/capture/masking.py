"""Masking of keys and values, so that no personal data leaves production, while traffic keeps its characteristics.

A keyed permutation: equal data stays equal and different data different, everywhere in the capture (also a key and
the same text inside a value); lengths in bytes stay, and so does the shape of JSON (names, numbers of digits, null,
booleans). Without the secret it cannot be turned back. Lengths and equality patterns are kept on purpose, and thus
known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from cutover_harness.capture.options import MaskWhat

_ROUNDS = 4
# Each class of symbols (code point ranges) is permuted within itself, so that text stays text of the same length in
# bytes.
_CLASSES: tuple[tuple[tuple[int, int], ...], ...] = (
    ((0x30, 0x3A),),
    ((0x41, 0x5B),),
    ((0x61, 0x7B),),
    ((0x80, 0x800),),
    ((0x800, 0xD800), (0xE000, 0x10000)),
    ((0x10000, 0x110000),),
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_NUMBER = re.compile(r"(-?)(\d+)(\.\d+)?(.*)", re.DOTALL)
_INTEGER = re.compile(r"0|[1-9][0-9]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Mask:
    """Masks columns with `secret`; `what`: values (including the values of headers), keys, or all."""

    def __init__(self, what: MaskWhat, secret: bytes) -> None:
        self._keys = what in ("keys", "all")
        self._values = what in ("values", "all")
        self._secret = blake2b(secret, digest_size=32, person=b"cutover-mask").digest()
        self._word = lru_cache(maxsize=65_536)(self._permute_text)
        self._whole = lru_cache(maxsize=4096)(self._mask)

    def columns(
        self, keys: Sequence[Any], values: Sequence[Any], headers: Sequence[Any]
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Return the masked columns; None stays None: tombstones and missing keys are part of the traffic."""
        if self._keys:
            keys = [None if key is None else self._whole(bytes(key)) for key in keys]
        if self._values:
            values = [None if value is None else self.mask(bytes(value)) for value in values]
            headers = [
                each and [(n, None if v is None else self._whole(bytes(v))) for n, v in each] for each in headers
            ]
        return list(keys), list(values), list(headers)

    def mask(self, data: bytes) -> bytes:
        """Return masked `data`: strings and numbers of JSON, letters and digits of other text, otherwise every byte."""
        return self._mask(data)

    def _mask(self, data: bytes) -> bytes:
        text = _text(data)
        if text is None:
            return self._permute_bytes(data)
        if data[:1] in (b"{", b"[", b'"'):
            try:
                json.loads(text)
            except ValueError:
                pass
            else:
                return _TOKEN.sub(self._token, text).encode()
        return self._word(text).encode()

    def _token(self, found: re.Match[str]) -> str:
        token = found.group()
        if token[0] != '"':
            return self._number(token)
        if found.group(1) is not None:  # the name of a member: part of the structure
            return token
        inner = token[1:-1]
        if "\\" not in inner:
            return f'"{self._word(inner)}"'
        return f'"{self._escaped(inner)}"'

    def _escaped(self, inner: str) -> str:
        """Mask the content of a JSON string with escapes; each escape keeps its kind."""
        pieces = _ESCAPE.findall(inner)
        plain = _ESCAPE.sub("\0", inner)
        masked = self._word(plain)
        left = iter(pieces)
        return "".join(self._escape(next(left)) if char == "\0" else char for char in masked)

    def _escape(self, escape: str) -> str:
        r"""Mask \uXXXX in its last two digits (a surrogate stays one); other escapes stay."""
        return escape if escape[1] != "u" else f"{escape[:4]}{self._feistel([int(escape[4:], 16)], [256], b'e')[0]:02x}"

    def _number(self, token: str) -> str:
        sign, whole, fraction, exponent = _NUMBER.fullmatch(token).groups()  # type: ignore[union-attr]
        return f"{sign}{self._digits(whole + (fraction or ''), len(whole))}{exponent}"

    def _digits(self, text: str, whole: int) -> str:
        """Permute the digits of a number whose first `whole` ones are before the point; 0 leads only where it did."""
        digits = [int(char) for char in text if char != "."]
        free = digits[1:] if digits[0] == 0 else [digits[0] - 1, *digits[1:]]
        sizes = [10] * len(free) if digits[0] == 0 else [9] + [10] * (len(free) - 1)
        masked = self._feistel(free, sizes, b"n%d.%d.%d" % (whole, len(digits), digits[0] == 0))
        masked = [0, *masked] if digits[0] == 0 else [masked[0] + 1, *masked[1:]]
        out = "".join(map(str, masked))
        return out if whole == len(out) else f"{out[:whole]}.{out[whole:]}"

    def _permute_text(self, text: str) -> str:
        if _INTEGER.fullmatch(text):  # the same permutation as for a number in JSON: an id is often both
            return self._digits(text, len(text))
        places = [(at, kind) for at, char in enumerate(text) if (kind := _class(ord(char))) is not None]
        if not places:
            return text
        sizes = [_size(kind) for _, kind in places]
        shape = b"t" + bytes(kind for _, kind in places)
        symbols = [_index(ord(text[at]), kind) for at, kind in places]
        out = list(text)
        # Masked numbers are reserved for numbers: continue along the cycle, which keeps this a permutation.
        while True:
            symbols = self._feistel(symbols, sizes, shape)
            for (at, kind), symbol in zip(places, symbols, strict=True):
                out[at] = chr(_code(symbol, kind))
            masked = "".join(out)
            if not _INTEGER.fullmatch(masked):
                return masked

    def _permute_bytes(self, data: bytes) -> bytes:
        if not data:
            return data
        label = b"b" + len(data).to_bytes(8, "big")
        was_text = _text(data) is not None
        while True:  # bytes that are not text stay that way, as above
            data = bytes(self._feistel(list(data), [256] * len(data), label))
            if was_text or _text(data) is None:
                return data

    def _feistel(self, symbols: list[int], sizes: list[int], shape: bytes) -> list[int]:
        """Permute all sequences of these sizes: each half in turn is shifted by the other one."""
        middle = len(symbols) // 2
        left, right = symbols[:middle], symbols[middle:]
        left_sizes, right_sizes = sizes[:middle], sizes[middle:]
        for number in range(_ROUNDS):
            right = self._shift(right, right_sizes, left, shape + bytes([2 * number]))
            left = self._shift(left, left_sizes, right, shape + bytes([2 * number + 1]))
        return left + right

    def _shift(self, symbols: list[int], sizes: list[int], by: list[int], label: bytes) -> list[int]:
        if not symbols:
            return symbols
        seed = blake2b(
            label + b"".join(each.to_bytes(3, "big") for each in by), key=self._secret, digest_size=32
        ).digest()
        stream = b"".join(
            blake2b(n.to_bytes(8, "big"), key=seed, digest_size=64).digest()
            for n in range((4 * len(symbols) + 63) // 64)
        )
        return [
            (symbol + int.from_bytes(stream[4 * at : 4 * at + 4], "big")) % size
            for at, (symbol, size) in enumerate(zip(symbols, sizes, strict=True))
        ]


def _text(data: bytes) -> str | None:
    """Return `data` as text, None if it is not text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def _class(code: int) -> int | None:
    for kind, ranges in enumerate(_CLASSES):
        if any(low <= code < high for low, high in ranges):
            return kind
    return None


def _size(kind: int) -> int:
    return sum(high - low for low, high in _CLASSES[kind])


def _index(code: int, kind: int) -> int:
    before = 0
    for low, high in _CLASSES[kind]:
        if code < high:
            return before + code - low
        before += high - low
    raise ValueError(code)


def _code(index: int, kind: int) -> int:
    for low, high in _CLASSES[kind]:
        if index < high - low:
            return low + index
        index -= high - low
    raise ValueError(index)
