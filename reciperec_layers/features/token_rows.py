"""Tokens and rows of a table: which tokens get a row of their own, and which row a token has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.columns.value_texts import value_texts
from reciperec_layers.features.words import lower_case
from reciperec_layers.graph.hashing import hash_buckets
from reciperec_layers.graph.traced_once import traced_once
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.vocabulary import Vocabulary

# Texts that are cut into tokens at a time, so that memory does not grow with a column.
_ROWS_AT_A_TIME = 8192


def count_tokens(
    column: tf.Tensor, tokens_of: Callable[[tf.Tensor], tf.RaggedTensor], min_count: int, max_size: int | None
) -> Vocabulary | None:
    """Returns the tokens that occur in enough rows of a column, the most frequent first; `None` if there are none.

    Args:
        column: Text of shape `(n,)`.
        tokens_of: Function from a part of it to the tokens of each row, text of shape `(rows, None)`.
        min_count: In how many rows a token must occur.
        max_size: How many tokens are kept at most, or `None` for all.

    Example:
        >>> found = count_tokens(tf.constant(["a b", "b", "b c c"]), tf.strings.split, 1, 2)
        >>> found.ids.tolist(), found.counts.tolist()
        (['b', 'a'], [3, 1])
    """
    in_graph = traced_once(tokens_of)
    counted: Counter[bytes] = Counter()
    for start in range(0, len(column), _ROWS_AT_A_TIME):
        tokens = in_graph(column[start : start + _ROWS_AT_A_TIME])
        unique, positions = tf.unique(tokens.flat_values)
        once_a_row = np.unique(tokens.value_rowids().numpy() * len(unique) + positions.numpy())
        counts = np.bincount(once_a_row % max(len(unique), 1), minlength=len(unique))
        for token, count in zip(unique.numpy().tolist(), counts.tolist(), strict=True):
            counted[token] += count
    kept = sorted((-count, token.decode("utf-8")) for token, count in counted.items() if count >= min_count)[:max_size]
    return Vocabulary([token for _, token in kept], [-count for count, _ in kept]) if kept else None


def to_token_vocabulary(vocabulary: Any, fold_case: bool) -> Vocabulary:
    """Converts tokens that a user gives to a vocabulary of text.

    Args:
        vocabulary: A `Vocabulary`, or unique tokens in row order; numbers are tokens as their text.
        fold_case: Whether tokens are compared in lower case. A `Vocabulary` of text has to be in lower case then.

    Example:
        >>> to_token_vocabulary(["Salt", 7], fold_case=True).ids.tolist()
        ['salt', '7']
    """
    if isinstance(vocabulary, Vocabulary):
        if vocabulary.dtype == "string":
            return vocabulary
        return Vocabulary(list(map(str, vocabulary.ids.tolist())), vocabulary.counts)
    texts = value_texts(vocabulary, "vocabulary", "tokens")
    if fold_case:
        texts[:] = [text.decode("utf-8") for text in lower_case(tf.constant(texts, tf.string)).numpy()]
    return Vocabulary(texts)


def token_rows(tokens: Any, lookup: IdLookup | None, num_hash_buckets: int) -> Any:
    """Returns the row of each token, int32 of the same shape: that of a vocabulary, else one of the first by a hash.

    Args:
        tokens: Text, ragged of shape `(n, None)`.
        lookup: Gives the row of each token, unknown ones included; `None` where all are hashed.
        num_hash_buckets: How many rows unknown tokens share.

    Example:
        >>> token_rows(tf.ragged.constant([["b", "x"], []]), IdLookup(["a", "b"]), 1).to_list()
        [[2, 0], []]
    """
    values = tokens.flat_values
    rows = hash_buckets(values, num_hash_buckets) if lookup is None else lookup(values)
    return tokens.with_flat_values(tf.cast(rows, tf.int32))  # half the memory of a prepared corpus
