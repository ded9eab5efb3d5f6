"""Hypothesis strategies for ids, vocabularies and batches.

Hypothesis draws the structure; arrays are filled from one drawn seed. Examples are small, and fast to draw and shrink.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from reciperec_layers.vocabulary import Vocabulary

_INT64 = np.iinfo(np.int64)
_EDGE_INTS = (
    int(_INT64.min),
    int(_INT64.min) + 1,
    -1,
    0,
    1,
    2**24 + 1,
    2**53 + 1,
    int(_INT64.max) - 1,
    int(_INT64.max),
)
_EDGE_TEXTS = ("", "\n", "\r\n", "\u2028", "\0", "a\0", " a", "a", "A", "00123", "é", "e\u0301", "🍲")
_MAX_SIZE = 8


def int64_ids() -> st.SearchStrategy[int]:
    """Returns a strategy of integer ids, often including the extremes of int64.

    Example:
        >>> from hypothesis import find
        >>> find(int64_ids(), lambda item: item > 2**53)
        9007199254740993
    """
    return st.sampled_from(_EDGE_INTS) | st.integers(int(_INT64.min), int(_INT64.max))


def text_ids() -> st.SearchStrategy[str]:
    r"""Returns a strategy of text ids: any UTF-8 text, often including newlines, NUL and the empty string.

    Example:
        >>> from hypothesis import find
        >>> find(text_ids(), lambda item: "\n" in item)
        '\n'
    """
    return st.sampled_from(_EDGE_TEXTS) | st.text(st.characters(codec="utf-8"), max_size=_MAX_SIZE)


def unique_ids(min_size: int = 1, max_size: int = _MAX_SIZE) -> st.SearchStrategy[np.ndarray]:
    """Returns a strategy of unique ids, all integers or all text.

    Args:
        min_size: Fewest ids.
        max_size: Most ids.

    Returns:
        Strategy of arrays of shape `(n,)`, int64 or objects that are `str`.

    Example:
        >>> from hypothesis import find
        >>> find(unique_ids(), lambda ids: ids.dtype == "int64").shape
        (1,)
    """
    integers = st.lists(int64_ids(), min_size=min_size, max_size=max_size, unique=True)
    texts = st.lists(text_ids(), min_size=min_size, max_size=max_size, unique=True)
    return integers.map(lambda ids: np.array(ids, np.int64)) | texts.map(lambda ids: np.array(ids, object))


def vocabularies(min_size: int = 1, max_size: int = _MAX_SIZE) -> st.SearchStrategy[Vocabulary]:
    """Returns a strategy of vocabularies, of integers or text.

    Args:
        min_size: Fewest ids.
        max_size: Most ids.

    Example:
        >>> from hypothesis import find
        >>> len(find(vocabularies(min_size=2), lambda vocabulary: vocabulary.dtype == "string"))
        2
    """
    return unique_ids(min_size, max_size).map(Vocabulary)


@st.composite
def id_batches(draw: Any, vocabulary: Vocabulary, min_rank: int = 1, max_rank: int = 3) -> np.ndarray:
    """Strategy of batches of ids, known and unknown ones mixed, with repeats.

    Args:
        vocabulary: Vocabulary of the known ids.
        min_rank: Smallest rank of a batch; 0 is a single id.
        max_rank: Largest rank of a batch.

    Returns:
        Array of the vocabulary's type, at most 8 entries long if it has one axis, else 3 along each; axes may be 0.

    Example:
        >>> from hypothesis import find
        >>> batches = id_batches(Vocabulary([7, 9]))
        >>> find(batches, lambda batch: batch.ndim == 2 and batch.size == 1).shape
        (1, 1)
    """
    rank = draw(st.integers(min_rank, max_rank))
    longest = _MAX_SIZE if rank == 1 else 3
    shape = draw(st.lists(st.integers(0, longest), min_size=rank, max_size=rank).map(tuple))
    return _fill(draw, vocabulary, shape)


@st.composite
def ragged_ids(draw: Any, vocabulary: Vocabulary) -> tf.RaggedTensor:
    """Strategy of ragged batches of ids, known and unknown ones mixed.

    Args:
        vocabulary: Vocabulary of the known ids.

    Returns:
        Ragged tensor of shape `(batch, None)`; rows may be empty.

    Example:
        >>> from hypothesis import find
        >>> find(ragged_ids(Vocabulary([7, 9])), lambda batch: batch.nrows() == 2).shape.as_list()
        [2, None]
    """
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    flat = tf.convert_to_tensor(_fill(draw, vocabulary, (sum(lengths),)), vocabulary.dtype)
    return tf.RaggedTensor.from_row_lengths(flat, lengths)


def _fill(draw: Any, vocabulary: Vocabulary, shape: tuple[int, ...]) -> np.ndarray:
    known = vocabulary.ids
    ids = int64_ids() if vocabulary.dtype == "int64" else text_ids()
    unknown = draw(st.lists(ids.filter(lambda item: item not in set(known.tolist())), max_size=3))
    pool = np.concatenate([known, np.array(unknown, dtype=known.dtype)])
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).choice(pool, shape)
