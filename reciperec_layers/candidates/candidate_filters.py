"""The `exclude=` and `allow=` arguments of `recommend`, as rows of the corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.columns.tensors import require_single_ids
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.indexes.candidate_lists import allowed_lists, excluded_lists, rows_of_lists
from reciperec_layers.seen import Seen


def excluded_rows(
    corpus: Corpus, exclude: Any, features: dict[str, Any], num_queries: int, owner: str
) -> tf.RaggedTensor:
    """Returns the corpus rows that each query may not get.

    Args:
        corpus: The candidates.
        exclude: A `Seen`, or a list of lists of candidate ids, one per query.
        features: The queries' columns.
        num_queries: How many queries.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: The list has another length, or features lack the column that `Seen` looks up.
        IdError: Ids are of another type than the corpus's, or the features'.

    Example:
        >>> excluded_rows(Corpus({"recipe_id": [7, 9]}, "recipe_id"), [[9], []], {}, num_queries=2, owner="recommend")
        <tf.RaggedTensor [[1], []]>
    """
    if not isinstance(exclude, Seen):
        return excluded_lists(corpus.vocabulary, exclude, num_queries, owner)
    if exclude.query not in features:
        fix = f"Add the column {exclude.query!r} to the features"
        problem = "`exclude` looks queries up by a column that the features lack"
        raise ArgumentError(explain(owner, problem, features=list(features), fix=fix))
    require_single_ids(features[exclude.query], exclude.query, owner)
    exclude.check_query_type(features[exclude.query].dtype.name, owner)
    exclude.check_candidate_type(corpus.vocabulary.dtype, owner)
    return corpus_rows(corpus, *exclude.rows(features[exclude.query]))


def allowed_rows(
    corpus: Corpus, allow: Any, num_queries: int, excluded: tf.RaggedTensor | None, owner: str
) -> tf.RaggedTensor:
    """Returns the corpus rows that each query may get, each once and in the order of the corpus.

    Args:
        corpus: The candidates.
        allow: Candidate ids for all queries, shape `(m,)`; or a list of lists of them, one per query.
        num_queries: How many queries.
        excluded: What `excluded_rows` returns, taken out.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: There are lists, and not one per query.
        IdError: Ids are of another type than the corpus's.

    Example:
        >>> corpus = Corpus({"recipe_id": [7, 9, 5]}, "recipe_id")
        >>> allowed_rows(corpus, [5, 9], 2, excluded=tf.ragged.constant([[1], []], dtype=tf.int64), owner="recommend")
        <tf.RaggedTensor [[2], [1, 2]]>
    """
    return allowed_lists(corpus.vocabulary, allow, num_queries, excluded, owner)


def corpus_rows(corpus: Corpus, splits: np.ndarray, candidate_ids: Any) -> tf.RaggedTensor:
    """Returns ragged lists of candidate ids as corpus rows; ids outside of the corpus are left out.

    Args:
        corpus: The candidates.
        splits: Row splits, int64 of shape `(n + 1,)`.
        candidate_ids: The ids of all lists, one after the other.

    Example:
        >>> corpus_rows(Corpus({"recipe_id": [7, 9]}, "recipe_id"), np.array([0, 2, 3]), [9, 5, 7])
        <tf.RaggedTensor [[1], [0]]>
    """
    return rows_of_lists(corpus.vocabulary, splits, candidate_ids)
