"""FactorizedTopK: how often the true candidate is among the k best of the corpus."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.candidates.held_out_ranks import num_above_in_tiles, ranks_in_tiles
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.layers import IdLookup
from reciperec_layers.tfrs.layers.factorized_top_k import Candidates, Streaming, TopK
from reciperec_layers.vocabulary import Vocabulary

# Share of the sum of absolute products by which two ways to compute one score may differ.
_ROUNDING = 1e-6


class Factorized(keras.layers.Layer, abc.ABC):
    """A metric of embeddings of both sides. Abstract: a subclass implements `update_state`.

    Args:
        name: Name of the layer.
        **kwargs: As for every Keras layer.

    Example:
        >>> class Length(Factorized):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.mean = keras.metrics.Mean(name="length")
        ...     def update_state(self, query_embeddings, *unused, **also_unused):
        ...         self.mean.update_state(tf.norm(query_embeddings, axis=1))
        >>> metric = Length()
        >>> metric.update_state(tf.constant([[3.0, 4.0]]))
        >>> [float(result) for result in metric.result()]
        [5.0]

    Source:
        `tfrs.metrics.Factorized` of TensorFlow Recommenders 0.7.7.
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics that are reported, by their names."""
        return list(self._metrics)

    @abc.abstractmethod
    def update_state(
        self,
        query_embeddings: Any,
        true_candidate_embeddings: Any,
        true_candidate_ids: Any = None,
        sample_weight: Any = None,
    ) -> None:
        """Updates the metrics with a batch.

        Args:
            query_embeddings: Floats of shape `(num_queries, dim)`.
            true_candidate_embeddings: Floats of shape `(num_queries, dim)`.
            true_candidate_ids: Identifiers of the true candidates, shape `(num_queries,)` or `(num_queries, 1)`.
            sample_weight: Numbers of shape `(num_queries,)` or `(num_queries, 1)`.
        """

    def reset_state(self) -> None:
        """Forgets all batches."""
        for metric in self.metrics:
            metric.reset_state()

    def reset_states(self) -> None:
        """Does what `reset_state` does; the name in Keras 2."""
        self.reset_state()

    def result(self) -> list[tf.Tensor]:
        """Returns the results of the metrics, in their order."""
        return [metric.result() for metric in self.metrics]


class FactorizedTopK(Factorized):
    """Share of rows whose true candidate is among the k best of all candidates, for several k.

    With identifiers a candidate is found by them. Without, it is found by its score, which is computed from its
    embedding: it need not be one of the candidates then, and counts as ahead of those with the same score. Scores that
    two ways to compute them tell apart by rounding alone are the same; in TensorFlow Recommenders such a true candidate
    can lose a place to itself.

    No best candidates are sorted out where all are at hand: what is counted are those ahead of the true one.

    Args:
        candidates: Dataset of batches of embeddings or of `(identifiers, embeddings)`, such as
            `movies.batch(128).map(movie_model)`; or a layer of `layers.factorized_top_k` that is indexed.
        ks: Numbers of candidates, positive integers.
        name: Name of the layer, before the names of its metrics.

    Raises:
        ArgumentError: The candidates are neither, or `ks` has something else.

    Example:
        >>> embeddings = tf.data.Dataset.from_tensor_slices([[1.0], [2.0], [3.0]]).batch(2)
        >>> metric = FactorizedTopK(embeddings, ks=(1, 2))
        >>> metric.update_state([[1.0]], [[2.0]])
        >>> [float(result) for result in metric.result()]
        [0.0, 1.0]

    Source:
        `tfrs.metrics.FactorizedTopK` of TensorFlow Recommenders 0.7.7.
    """

    def __init__(
        self, candidates: Any, ks: Sequence[int] = (1, 5, 10, 50, 100), name: str = "factorized_top_k"
    ) -> None:
        super().__init__(name=name)
        owner = "FactorizedTopK"
        if not isinstance(ks, (list, tuple)) or not ks:
            raise ArgumentError(explain(owner, "`ks` must be a list of numbers", ks=ks, fix="Use for example (1, 10)"))
        self._ks = tuple(check_integer(owner, "ks", k, example=10) for k in ks)
        if isinstance(candidates, tf.data.Dataset):
            candidates = Streaming(k=max(self._ks)).index_from_dataset(candidates)
        if not isinstance(candidates, TopK):
            fix = "Pass movies.batch(128).map(movie_model), or a layer of layers.factorized_top_k"
            problem = "candidates must be a dataset of embeddings or a top-k layer"
            raise ArgumentError(explain(owner, problem, candidates=candidates, fix=fix))
        self._candidates = candidates
        self._rows = _Rows()
        self._top_k_metrics = [keras.metrics.Mean(name=f"{self.name}/top_{k}_categorical_accuracy") for k in self._ks]

    def update_state(
        self,
        query_embeddings: Any,
        true_candidate_embeddings: Any,
        true_candidate_ids: Any = None,
        sample_weight: Any = None,
    ) -> None:
        queries = tf.cast(tf.convert_to_tensor(query_embeddings), tf.float32)
        if true_candidate_ids is None:
            num_ahead = self._num_ahead_by_score(queries, true_candidate_embeddings)
        else:
            num_ahead = self._num_ahead_by_id(queries, tf.convert_to_tensor(true_candidate_ids))
        if sample_weight is not None:
            sample_weight = tf.reshape(tf.convert_to_tensor(sample_weight), (-1,))
        for k, metric in zip(self._ks, self._top_k_metrics, strict=True):
            metric.update_state(tf.cast(num_ahead < k, tf.float32), sample_weight=sample_weight)

    def _num_ahead_by_score(self, queries: tf.Tensor, true_embeddings: Any) -> tf.Tensor:
        if not self._candidates.is_exact():
            problem = f"{type(self._candidates).__name__} does not return exact results, so that scores do not tell"
            fix = "Pass `true_candidate_ids`, and index the layer with identifiers"
            raise ArgumentError(explain("FactorizedTopK", problem, true_candidate_ids=None, fix=fix))
        products = queries * tf.cast(tf.convert_to_tensor(true_embeddings), tf.float32)
        true_scores = tf.reduce_sum(products, axis=1)
        thresholds = true_scores + _ROUNDING * tf.reduce_sum(tf.abs(products), axis=1)
        candidates = self._candidates.candidates()
        if candidates is None:
            scores, _ = self._candidates(queries, k=max(self._ks))
            num_ahead = tf.math.count_nonzero(scores > thresholds[:, tf.newaxis], axis=1)
        else:
            num_ahead = num_above_in_tiles(queries, candidates.columns, candidates.num_candidates, thresholds)
        return tf.where(tf.math.is_finite(true_scores), num_ahead, tf.int64.max)

    def _num_ahead_by_id(self, queries: tf.Tensor, true_ids: tf.Tensor) -> tf.Tensor:
        true_ids = tf.reshape(true_ids, (-1,))
        candidates = self._candidates.candidates()
        rows = None if candidates is None else self._rows.of(candidates, true_ids)
        if candidates is not None and rows is not None:
            return ranks_in_tiles(queries, candidates.columns, candidates.num_candidates, rows) - 1
        scores, identifiers = self._candidates(queries, k=max(self._ks))
        true_ids = tf.cast(true_ids, identifiers.dtype) if identifiers.dtype != tf.string else true_ids
        # ScaNN pads with scores that are no number.
        hits = (identifiers == true_ids[:, tf.newaxis]) & ~tf.math.is_nan(scores)
        places = tf.argmax(tf.cast(hits, tf.int8), axis=1)
        return tf.where(tf.reduce_any(hits, axis=1), places, tf.int64.max)


class _Rows:
    """Finds the rows of identifiers by a table, which is made at the first use."""

    def __init__(self) -> None:
        self._identifiers: Any = None
        self._lookup: IdLookup | None = None

    def of(self, candidates: Candidates, ids: tf.Tensor) -> tf.Tensor | None:
        """Returns the row of each identifier, int64, -1 for those that are unknown; `None` where they have no table."""
        if candidates.identifiers is not self._identifiers:
            self._identifiers, self._lookup = candidates.identifiers, _lookup_of(candidates.identifiers)
        if self._lookup is None:
            return None
        is_text = self._lookup.vocabulary.dtype == "string"
        if is_text != (ids.dtype == tf.string):
            problem = "the identifiers of the candidates are of another type"
            fix = "Convert one of them"
            kinds = {"true_candidate_ids": ids, "identifiers": candidates.identifiers}
            raise ArgumentTypeError(explain("FactorizedTopK", problem, fix=fix, **kinds))
        return tf.cast(self._lookup(ids), tf.int64) - 1


def _lookup_of(identifiers: tf.Tensor) -> IdLookup | None:
    if not (identifiers.dtype.is_integer or identifiers.dtype == tf.string):
        return None
    with tf.init_scope():
        ids = identifiers.numpy()
        if len({*ids.tolist()}) < len(ids):
            return None  # repeats: the best of them counts
        vocabulary = Vocabulary([text.decode() for text in ids] if identifiers.dtype == tf.string else ids)
        return IdLookup(vocabulary, num_oov_indices=1)
