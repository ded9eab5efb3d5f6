"""What `recommend` leaves out and what it allows, as rows of the corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, IdError, explain
from reciperec_layers.models.corpus import Corpus
from reciperec_layers.models.corpus_index import corpus_rows
from reciperec_layers.seen import Seen

_OWNER = "RetrievalModel.recommend"


def excluded_rows(corpus: Corpus, exclude: Any, features: dict[str, Any], num_queries: int) -> tf.RaggedTensor:
    """Returns the corpus rows that each query may not get.

    Args:
        corpus: The candidates.
        exclude: A `Seen`, or a list of lists of candidate ids, one per query.
        features: The queries' columns.
        num_queries: How many queries.

    Raises:
        ArgumentError: The list has another length, or features lack the column that `Seen` looks up.
        IdError: Ids are of another type than the corpus's.

    Example:
        >>> excluded_rows(Corpus({"recipe_id": [7, 9]}, "recipe_id"), [[9], []], {}, num_queries=2)
        <tf.RaggedTensor [[1], []]>
    """
    if isinstance(exclude, Seen):
        if exclude.query not in features:
            fix = f"Add the column {exclude.query!r} to the features"
            problem = "`exclude` looks queries up by a column that the features lack"
            raise ArgumentError(explain(_OWNER, problem, features=list(features), fix=fix))
        return corpus_rows(corpus, *exclude.rows(features[exclude.query]))
    lists = list(exclude)
    if len(lists) != num_queries or not all(map(_is_list, lists)):
        fix = "Pass one list of candidate ids per query, empty where nothing is excluded"
        problem = f"`exclude` must be a `Seen` or {num_queries} lists of candidate ids"
        raise ArgumentError(explain(_OWNER, problem, exclude=exclude, fix=fix))
    return _rows_of_lists(corpus, lists, "exclude")


def allowed_rows(
    corpus: Corpus, allow: Any, num_queries: int, excluded: tf.RaggedTensor | None = None
) -> tf.RaggedTensor:
    """Returns the corpus rows that each query may get, each once and in the order of the corpus.

    Args:
        corpus: The candidates.
        allow: Candidate ids for all queries, shape `(m,)`; or a list of lists of them, one per query.
        num_queries: How many queries.
        excluded: What `excluded_rows` returns, taken out.

    Raises:
        ArgumentError: There are lists, and not one per query.
        IdError: Ids are of another type than the corpus's.

    Example:
        >>> corpus = Corpus({"recipe_id": [7, 9, 5]}, "recipe_id")
        >>> allowed_rows(corpus, [5, 9], 2, excluded=tf.ragged.constant([[1], []], dtype=tf.int64))
        <tf.RaggedTensor [[2], [1, 2]]>
    """
    given = list(allow)
    per_query = [_is_list(each) for each in given]
    if any(per_query) and not (all(per_query) and len(given) == num_queries):
        fix = "Pass one list for all queries, or a list of ids for each"
        problem = f"`allow` must be candidate ids or {num_queries} lists of candidate ids"
        raise ArgumentError(explain(_OWNER, problem, allow=allow, fix=fix))
    given_rows = _rows_of_lists(corpus, given if any(per_query) else [given], "allow")
    lists = [np.unique(each.numpy()) for each in given_rows]
    lists = lists if any(per_query) else lists * num_queries
    if excluded is not None:
        lists = [np.setdiff1d(each, left_out.numpy()) for each, left_out in zip(lists, excluded, strict=True)]
    lengths = [len(each) for each in lists]
    rows = np.concatenate([np.zeros(0, np.int64), *lists])
    return tf.RaggedTensor.from_row_lengths(rows, np.array(lengths, np.int64))


def _rows_of_lists(corpus: Corpus, lists: list[Any], argument: str) -> tf.RaggedTensor:
    splits = np.concatenate([[0], np.cumsum([len(each) for each in lists])]).astype(np.int64)
    flat = [candidate for each in lists for candidate in each]
    try:
        return corpus_rows(corpus, splits, flat)
    except IdError as error:
        raise IdError(f"{_OWNER}: `{argument}`: {error}") from error


def _is_list(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes))
