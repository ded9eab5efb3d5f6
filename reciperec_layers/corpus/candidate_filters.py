"""What `recommend` leaves out and what it allows, as rows of the corpus."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.corpus.candidate_store import corpus_rows
from reciperec_layers.corpus.corpus import Corpus
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.indexes.candidate_lists import allowed_lists, excluded_lists
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
    if not isinstance(exclude, Seen):
        return excluded_lists(corpus.vocabulary, exclude, num_queries, _OWNER)
    if exclude.query not in features:
        fix = f"Add the column {exclude.query!r} to the features"
        problem = "`exclude` looks queries up by a column that the features lack"
        raise ArgumentError(explain(_OWNER, problem, features=list(features), fix=fix))
    return corpus_rows(corpus, *exclude.rows(features[exclude.query]))


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
    return allowed_lists(corpus.vocabulary, allow, num_queries, excluded, _OWNER)
