"""Lists of candidate ids, one per query, converted to rows of an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.errors import ArgumentError, IdError, explain
from reciperec_layers.vocabulary import Vocabulary


def rows_of_lists(vocabulary: Vocabulary, splits: np.ndarray, candidate_ids: Any) -> tf.RaggedTensor:
    """Converts lists of candidate ids to rows; unknown ids are left out.

    Args:
        vocabulary: The ids of the candidates.
        splits: Row splits, int64 of shape `(n + 1,)`.
        candidate_ids: The ids of all lists, concatenated.

    Example:
        >>> rows_of_lists(Vocabulary([7, 9]), np.array([0, 2, 3]), [9, 5, 7])
        <tf.RaggedTensor [[1], [0]]>
    """
    rows = vocabulary.lookup(candidate_ids)
    kept = rows >= 0
    new_splits = np.concatenate([[0], np.cumsum(kept)])[splits]
    return tf.RaggedTensor.from_row_splits(tf.constant(rows[kept], tf.int64), tf.constant(new_splits, tf.int64))


def excluded_lists(vocabulary: Vocabulary, exclude: Any, num_queries: int, owner: str) -> tf.RaggedTensor:
    """Returns the rows that each query may not get.

    Args:
        vocabulary: The ids of the candidates.
        exclude: A list of lists of candidate ids, one per query.
        num_queries: How many queries.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: The number of lists is not `num_queries`.
        IdError: The ids differ in type from the vocabulary's.

    Example:
        >>> excluded_lists(Vocabulary([7, 9]), [[9], []], num_queries=2, owner="search")
        <tf.RaggedTensor [[1], []]>
    """
    exclude = from_arrow(exclude, owner)
    lists = list(_plain(exclude, owner)) if hasattr(exclude, "__iter__") else [exclude]
    if len(lists) != num_queries or not all(map(_is_list, lists)):
        fix = "Pass one list of candidate ids per query, empty where nothing is excluded"
        problem = f"`exclude` must be {num_queries} lists of candidate ids"
        raise ArgumentError(explain(owner, problem, exclude=exclude, fix=fix))
    return _rows(vocabulary, lists, f"{owner}: `exclude`")


def allowed_lists(
    vocabulary: Vocabulary, allow: Any, num_queries: int, excluded: tf.RaggedTensor | None, owner: str
) -> tf.RaggedTensor:
    """Returns the rows that each query may get, in ascending order and without repeats.

    Args:
        vocabulary: The ids of the candidates.
        allow: Candidate ids for all queries, shape `(m,)`; or a list of lists of ids, one per query.
        num_queries: How many queries.
        excluded: Rows to remove, as returned by `excluded_lists`.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: `allow` is a single id, or the number of lists is not `num_queries`.
        IdError: The ids differ in type from the vocabulary's.

    Example:
        >>> excluded = tf.ragged.constant([[1], []], dtype=tf.int64)
        >>> allowed_lists(Vocabulary([7, 9, 5]), [5, 9], 2, excluded, owner="search")
        <tf.RaggedTensor [[2], [1, 2]]>
    """
    allow = from_arrow(allow, owner)
    is_plural = hasattr(allow, "__iter__") and not isinstance(allow, (str, bytes)) and not has_named_columns(allow)
    given = list(_plain(allow, owner)) if is_plural else []
    per_query = [_is_list(each) for each in given]
    if not is_plural or (any(per_query) and not (all(per_query) and len(given) == num_queries)):
        fix = "Pass one list for all queries, or a list of ids for each"
        problem = f"`allow` must be candidate ids or {num_queries} lists of candidate ids"
        raise ArgumentError(explain(owner, problem, allow=allow, fix=fix))
    found = _rows(vocabulary, given if any(per_query) else [given], f"{owner}: `allow`")
    lists = [np.unique(each.numpy()) for each in found]
    lists = lists if any(per_query) else lists * num_queries
    if excluded is not None:
        lists = [np.setdiff1d(each, left_out.numpy()) for each, left_out in zip(lists, excluded, strict=True)]
    lengths = [len(each) for each in lists]
    rows = np.concatenate([np.zeros(0, np.int64), *lists])
    return tf.RaggedTensor.from_row_lengths(rows, np.array(lengths, np.int64))


def _rows(vocabulary: Vocabulary, lists: Sequence[Any], where: str) -> tf.RaggedTensor:
    lists = [_plain(from_arrow(each, where), where) for each in lists]
    splits = np.concatenate([[0], np.cumsum([len(each) for each in lists])]).astype(np.int64)
    try:
        return rows_of_lists(vocabulary, splits, [candidate for each in lists for candidate in each])
    except IdError as error:
        raise IdError(f"{where}: {error}") from error


def _plain(value: Any, owner: str) -> Any:
    """Converts a tensor, which would iterate as tensors, or a masked array to an array of ids."""
    return to_id_array(value, owner) if isinstance(value, (tf.Tensor, np.ma.MaskedArray)) else value


def _is_list(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes))
