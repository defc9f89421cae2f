"""Masking keeps equality, lengths and the shape of JSON, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cutover_harness.capture.masking import Mask
from hypothesis import given, settings
from hypothesis import strategies as st

SECRET = b"sixteen bytes or more"
MASK = Mask("all", SECRET)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return value if value is None or isinstance(value, bool) else type(value)


@given(st.binary())
def test_bytes_keep_their_length_and_are_masked_alike(data: bytes) -> None:
    masked = MASK.mask(data)
    assert len(masked) == len(data)
    assert masked == Mask("all", SECRET).mask(data)


@given(st.text())
def test_text_stays_text_of_the_same_length(text: str) -> None:
    masked = MASK.mask(text.encode())
    assert len(masked) == len(text.encode())
    if not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text):
        masked.decode()


@given(documents.filter(lambda d: isinstance(d, dict | list)), st.booleans())
@settings(deadline=None)
def test_json_keeps_its_shape_and_length(document: Any, ascii_only: bool) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        return
    masked = MASK.mask(text)
    assert len(masked) == len(text)
    if not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text):
        assert shape(json.loads(masked)) == shape(document)


@pytest.mark.parametrize(
    "values",
    [
        [b"%d" % n for n in range(2000)],
        [bytes([a, b]) for a in range(128, 178) for b in range(50)],
        [f"{a}{b}".encode() for a in "abcdefghij" for b in "ABCDEFGHIJ"],
        [b'{"id":%d}' % n for n in range(1000)],
        [b"0.%02d" % n for n in range(100)],
        [bytes([n]) for n in range(256)],
    ],
)
def test_different_data_stays_different(values: list[bytes]) -> None:
    assert len({MASK.mask(v) for v in values}) == len(values)


def test_a_key_and_the_same_text_in_a_value_stay_equal() -> None:
    key = MASK.mask(b"AB-1234")
    assert json.loads(MASK.mask(b'{"order":"AB-1234","n":[77]}')) == {
        "order": key.decode(),
        "n": [int(MASK.mask(b"77"))],
    }


def test_no_personal_data_is_left_and_the_secret_matters() -> None:
    value = b'{"name":"Erika Mustermann","mail":"erika@example.org","born":1964,"tags":["vip"]}'
    masked = MASK.mask(value)
    for word in (b"Erika", b"Mustermann", b"example", b"1964", b"vip"):
        assert word not in masked
    assert masked != Mask("all", b"another secret of length").mask(value)


def test_mask_covers_the_chosen_columns() -> None:
    columns = ([b"key", None], [b"value", None], [[("h", b"header"), ("n", None)], None])
    keys, values, headers = Mask("keys", SECRET).columns(*columns)
    assert keys[0] != b"key"
    assert (keys[1], values, headers) == (None, columns[1], columns[2])
    keys, values, headers = Mask("values", SECRET).columns(*columns)
    assert keys == columns[0]
    assert values[0] != b"value"
    assert values[1] is None
    assert headers[0][0][0] == "h"
    assert headers[0][0][1] != b"header"
    assert headers[0][1] == ("n", None)
