"""RetrievalLoss: the contract of losses that two towers are trained with."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import keras
import tensorflow as tf


class RetrievalLoss(keras.layers.Layer):
    """A layer from pairs of a query and its candidate, and their negatives, to a loss. Base of retrieval losses.

    A loss sees embeddings, ids and weights, never columns, time or sequences. It says by attributes what it needs, so
    that a model need not look into it:

    - `needs_candidate_ids`: whether calls must bring `candidate_ids`.
    - `takes_distinct_candidates`: whether candidates may be given once each, with `positive_columns` that say which
      one each query has. The loss must be that of the candidates repeated in the order of the queries.
    - `scores_corpus`: whether candidates are all of the corpus, in its order, with `positive_columns`: none is drawn.
    - `takes_distinct_queries`: whether queries may be given once each, with `query_rows` that say which one each pair
      has. The loss must be that of the queries repeated for the pairs.
    - `corrects_sampling`: whether logits are corrected for how often candidates are drawn. They then tell how popular
      a candidate is; without a correction, they tell what a query prefers to what is popular.
    - `reduction`: `"sum"` for a loss that is a sum over the queries, `"mean"` for their mean, so that a model can
      report losses per row.

    Call arguments:
        query_embeddings: Floats of shape `(num_queries, embedding_dim)`.
        candidate_embeddings: Floats of shape `(num_candidates, embedding_dim)`. Row `i` belongs to query `i`, unless
            `positive_columns` say otherwise; rows that belong to no query are negatives of all.
        candidate_ids: Integers or strings of shape `(num_candidates,)`, or `None`.
        sample_weight: Numbers of shape `(num_queries,)`, or `None`.
        candidate_sampling_probability: With which probability each candidate was drawn, floats of shape
            `(num_candidates,)`; passed where the strategy of negatives knows it.
        positive_columns: Integers of shape `(num_pairs,)`; passed where `takes_distinct_candidates` or `scores_corpus`.
        query_rows: Integers of shape `(num_pairs,)`; passed where `takes_distinct_queries`.
        training: Whether the layer may change its state.

    Returns:
        The loss, a float32 scalar.

    Example:
        >>> class Hinge(RetrievalLoss):
        ...     def call(self, query_embeddings, candidate_embeddings, **unused):
        ...         scores = query_embeddings @ tf.transpose(candidate_embeddings)
        ...         own = tf.linalg.diag_part(scores)[:, tf.newaxis]
        ...         hinges = tf.nn.relu(1 + scores - own)
        ...         return tf.reduce_sum(tf.linalg.set_diag(hinges, tf.zeros(len(scores))))
        >>> float(Hinge()(tf.constant([[1.0], [-1.0]]), tf.constant([[2.0], [-2.0]])))
        0.0
    """

    needs_candidate_ids: bool = False
    takes_distinct_candidates: ClassVar[bool] = False
    scores_corpus: ClassVar[bool] = False
    takes_distinct_queries: ClassVar[bool] = False
    corrects_sampling: bool = False
    reduction: str = "sum"

    @abstractmethod
    def call(self, query_embeddings: tf.Tensor, candidate_embeddings: tf.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Returns the loss."""
