"""Text as bytes and offsets is lossless, and bytes that do not fit are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.columns.text_arrays import decode_text, encode_text
from reciperec_layers.testing import text_ids


def objects(texts: list[str]) -> np.ndarray:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


@given(st.lists(text_ids(), max_size=8))
def test_round_trip(texts: list[str]):
    offsets, utf8 = encode_text(objects(texts))
    assert (offsets.dtype, utf8.dtype) == (np.int64, np.uint8)
    assert utf8.tobytes() == "".join(texts).encode()
    assert offsets.tolist() == np.cumsum([0, *(len(text.encode()) for text in texts)]).tolist()
    assert decode_text(offsets, utf8).tolist() == texts


def test_a_lone_surrogate_is_refused():
    with pytest.raises(UnicodeEncodeError):
        encode_text(objects(["a", "\ud800"]))


@pytest.mark.parametrize(
    ("offsets", "utf8"),
    [
        ([0, 3], b"ab"),
        ([1, 2], b"ab"),
        ([0, 2, 1, 2], b"ab"),
        ([0, 1, 2], "é".encode()),
        ([0, 1], b"\xff"),
        ([], b""),
    ],
)
def test_damage_is_refused(offsets: list[int], utf8: bytes):
    with pytest.raises(ValueError):  # noqa: PT011 - `Asset.load` explains it
        decode_text(np.array(offsets, dtype=np.int64), np.frombuffer(utf8, dtype=np.uint8))
