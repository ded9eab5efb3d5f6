"""CorpusNegatives: all candidates that can be recommended, or in training some of them for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from reciperec_layers.candidates.candidate_rows import CandidateRows
from reciperec_layers.corpus import Corpus
from reciperec_layers.negatives.negatives import DrawnCandidates, Encode, Negatives


class CorpusNegatives(Negatives):
    """Takes the whole corpus, encoded anew in each step, in its order; or in training a sample that stands for it.

    The sample has all candidates of the batch, each for itself, and `num_sampled` of the corpus with equal chances. Of
    these, those outside of the batch stand for all candidates outside of it, so that a sum over the sample with these
    weights is on average the sum over the corpus.

    Args:
        corpus: The candidates. Read when the first batch is drawn, so that a model may be made before its file is read.
        owner: Name of the model's class, for messages.
        num_sampled: How many are drawn, with replacement; `None`, or as many as there are, for the whole corpus.
        next_seed: Returns the seed of the next draw, integers of shape `(2,)`; needed for a sample.

    Example:
        >>> encode = lambda features: tf.cast(features["recipe_id"], tf.float32)[:, tf.newaxis]
        >>> corpus, ids = Corpus({"recipe_id": [7, 9, 8]}, "recipe_id"), tf.constant([9, 9], tf.int64)
        >>> drawn = CorpusNegatives(corpus).draw({}, ids, encode, distinct=False, training=True)
        >>> drawn.embeddings.numpy().ravel(), drawn.positive_columns.numpy()
        (array([7., 9., 8.], dtype=float32), array([1, 1], dtype=int32))
        >>> sampled = CorpusNegatives(corpus, num_sampled=2, next_seed=lambda: tf.constant([1, 2]))
        >>> drawn = sampled.draw({}, ids, encode, distinct=False, training=True)
        >>> len(drawn.embeddings), drawn.positive_columns.numpy()
        (3, array([0, 0], dtype=int32))
    """

    def __init__(
        self,
        corpus: Corpus,
        owner: str = "RetrievalModel",
        num_sampled: int | None = None,
        next_seed: Callable[[], Any] | None = None,
    ) -> None:
        self._corpus, self._owner = corpus, owner
        self._num_sampled, self._next_seed = num_sampled, next_seed
        self._rows: CandidateRows | None = None
        self._ids: tf.Tensor | None = None

    def draw(
        self, features: dict[str, Any], ids: tf.Tensor | None, encode: Encode, *, distinct: bool, training: bool
    ) -> DrawnCandidates:
        if self._rows is None or self._ids is None:
            with tf.init_scope():  # every graph captures the same tensor
                self._rows = CandidateRows(self._corpus)
                self._ids = tf.convert_to_tensor(self._corpus.columns[self._corpus.id_column])
        problem = f"{self._owner}: {{}} candidate ids of a batch are not in the corpus, which the loss compares with"
        fix = 'Add them to the candidates, leave their rows out, or evaluate with unknown_candidates="miss"'
        positives = self._rows.known_rows(ids, problem, fix)
        name, size = self._corpus.id_column, len(self._corpus)
        if not training or self._num_sampled is None or self._num_sampled >= size or self._next_seed is None:
            embeddings = encode({name: self._ids})
            return DrawnCandidates(embeddings, positive_columns=tf.cast(positives, tf.int32))
        of_batch, columns = tf.unique(positives)
        seed = tf.cast(self._next_seed(), tf.int32)
        sampled = tf.random.stateless_uniform((self._num_sampled,), seed, maxval=size, dtype=of_batch.dtype)
        embeddings = encode({name: tf.gather(self._ids, tf.concat([of_batch, sampled], axis=0))})
        weights = tf.concat([tf.zeros_like(of_batch, tf.float32), _log_weights(of_batch, sampled, size)], axis=0)
        return DrawnCandidates(embeddings, positive_columns=columns, log_weights=weights)


def _log_weights(of_batch: tf.Tensor, sampled: tf.Tensor, size: int) -> tf.Tensor:
    """Returns log of how many candidates outside of the batch each sampled row stands for, -inf for those in it."""
    occurrences = tf.scatter_nd(of_batch[:, tf.newaxis], tf.ones_like(of_batch, tf.int32), [size])
    is_left_out = tf.gather(occurrences, sampled) > 0
    num_outside = tf.cast(size - tf.size(of_batch), tf.float32)
    num_drawn = tf.reduce_sum(tf.cast(~is_left_out, tf.float32))
    return tf.where(is_left_out, -math.inf, tf.math.log(tf.math.divide_no_nan(num_outside, num_drawn)))
