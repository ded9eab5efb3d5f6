"""Text as arrays of bytes: lossless for every UTF-8 string, even if it is empty or has newlines or NUL."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def encode_text(texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Encodes texts as `(offsets, utf8)`: text i is `utf8[offsets[i]:offsets[i + 1]]`.

    Args:
        texts: Object array of `str`, shape `(n,)`.

    Returns:
        Offsets, int64 of shape `(n + 1,)`, and the bytes of all texts, uint8.

    Raises:
        UnicodeEncodeError: A text has a lone surrogate, which UTF-8 cannot hold.

    Example:
        >>> encode_text(np.array(["a", "\u00e9"], dtype=object))
        (array([0, 1, 3]), array([ 97, 195, 169], dtype=uint8))
    """
    values = texts.tolist()
    joined = "".join(values)
    blob = joined.encode("utf-8")
    parts = values if len(blob) == len(joined) else [value.encode("utf-8") for value in values]
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, parts), dtype=np.int64, count=len(parts)), out=offsets[1:])
    return offsets, np.frombuffer(blob, dtype=np.uint8)


def decode_text(offsets: np.ndarray, utf8: np.ndarray) -> np.ndarray:
    r"""Decodes the result of `encode_text` to an object array of `str`.

    Raises:
        ValueError: Offsets do not fit the bytes, or the bytes are not UTF-8.

    Example:
        >>> decode_text(*encode_text(np.array(["a", "\u00e9"], dtype=object))).tolist()
        ['a', 'é']
    """
    blob = utf8.tobytes()
    if (
        utf8.dtype != np.uint8
        or offsets.dtype != np.int64
        or offsets.ndim != 1
        or not offsets.size
        or offsets[0] != 0
        or offsets[-1] != len(blob)
        or (np.diff(offsets) < 0).any()
    ):
        raise ValueError("text offsets do not fit the text")
    bounds = offsets.tolist()
    texts = np.empty(len(bounds) - 1, dtype=object)
    if blob.isascii():
        joined = blob.decode("ascii")
        texts[:] = [joined[start:stop] for start, stop in pairwise(bounds)]
    else:
        texts[:] = [blob[start:stop].decode("utf-8") for start, stop in pairwise(bounds)]
    return texts
