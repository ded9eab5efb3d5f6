"""Retrieval: the task of two towers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.losses import InBatchSoftmax
from reciperec_layers.tfrs.layers.loss import (
    MIN_FLOAT,
    HardNegativeMining,
    RemoveAccidentalHits,
    SamplingProbablityCorrection,
)
from reciperec_layers.tfrs.metrics.factorized_top_k import Factorized
from reciperec_layers.tfrs.tasks.base import Task

_OWNER = "Retrieval"


class Retrieval(Task):
    """Softmax of each query's candidate among the candidates of the batch, and metrics of all candidates.

    Without `loss`, without batch metrics and with queries of one embedding each, the loss is `losses.InBatchSoftmax`
    with the reduction `"sum"`: the same value and gradient, in tiles. Otherwise all logits are made, in this order:
    scores, temperature, minus log q, accidental hits, mask, hard negatives.

    Args:
        loss: Keras loss of labels, one-hot of shape `(num_queries, num_candidates)`, and logits of the same shape; by
            default the sum of the cross-entropies.
        metrics: A `Factorized` metric, such as `metrics.FactorizedTopK`, or a list of them.
        batch_metrics: Keras metrics of labels and logits.
        loss_metrics: Keras metrics of the loss, such as means.
        temperature: Divides the scores; a number > 0, `None` for 1.
        num_hard_negatives: Keep so many negatives of each row, those with the highest logits, >= 1; `None` for all.
        remove_accidental_hits: Take out candidates with the same id as the row's own.
        name: Name of the layer.

    Call arguments:
        query_embeddings: Floats of shape `(num_queries, dim)`; or `(num_queries, num_heads, dim)`, where the best head
            counts for each candidate and metrics of all candidates are left out.
        candidate_embeddings: Floats of shape `(num_candidates, dim)`, row `i` for query `i`. Further rows are negatives
            of all queries.
        sample_weight: Numbers of shape `(num_queries,)`.
        candidate_sampling_probability: q, floats of shape `(num_candidates,)`, clipped to 1e-6 .. 1.
        candidate_ids: Integers or strings of shape `(num_candidates,)`; metrics find candidates by them.
        compute_metrics: Whether the metrics of all candidates are updated.
        compute_batch_metrics: Whether the batch metrics are updated.
        score_mask: bool of shape `(num_queries, num_candidates)`, `True` keeps a candidate for a query.

    Returns:
        The loss, float32 of the shape that the loss has, `()` by default.

    Raises:
        ArgumentError: Accidental hits are to be removed, and there are no ids. A metric is not `Factorized`.

    Example:
        >>> task = Retrieval()
        >>> embeddings = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> round(float(task(embeddings, embeddings)), 4)
        0.6265

    Source:
        `tfrs.tasks.Retrieval` of TensorFlow Recommenders 0.7.7. There extra negatives together with ids fail, and one
        metric that is assigned to `factorized_metrics` is dropped without a word.
    """

    def __init__(
        self,
        loss: keras.losses.Loss | None = None,
        metrics: Sequence[Factorized] | Factorized | None = None,
        batch_metrics: list[keras.metrics.Metric] | None = None,
        loss_metrics: list[keras.metrics.Metric] | None = None,
        temperature: float | None = None,
        num_hard_negatives: int | None = None,
        remove_accidental_hits: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self._loss = loss
        self.factorized_metrics = metrics
        self._batch_metrics = list(batch_metrics or [])
        self._loss_metrics = list(loss_metrics or [])
        self._temperature = temperature
        self._num_hard_negatives = num_hard_negatives
        self._remove_accidental_hits = bool(remove_accidental_hits)
        self._softmax = InBatchSoftmax(
            temperature=1.0 if temperature is None else temperature,
            remove_accidental_hits=remove_accidental_hits,
            num_hard_negatives=num_hard_negatives,
        )

    @property
    def factorized_metrics(self) -> list[Factorized]:
        """The metrics of all candidates. One of them may be assigned as it is."""
        return list(self._factorized_metrics)

    @factorized_metrics.setter
    def factorized_metrics(self, value: Sequence[Factorized] | Factorized | None) -> None:
        given: list[Any] = [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]
        wrong = next((each for each in given if not isinstance(each, Factorized)), None)
        if wrong is not None:
            fix = "Pass for example metrics.FactorizedTopK(candidates); others belong to batch_metrics or loss_metrics"
            raise ArgumentError(explain(_OWNER, "`metrics` must be metrics of all candidates", metrics=wrong, fix=fix))
        if hasattr(self, "_factorized_metrics"):
            self._factorized_metrics.clear()  # or Keras would go on reporting the metrics of before
        self._factorized_metrics: list[Factorized] = given

    def call(
        self,
        query_embeddings: Any,
        candidate_embeddings: Any,
        sample_weight: Any = None,
        candidate_sampling_probability: Any = None,
        candidate_ids: Any = None,
        compute_metrics: bool = True,
        compute_batch_metrics: bool = True,
        score_mask: Any = None,
    ) -> tf.Tensor:
        queries, candidates = tf.convert_to_tensor(query_embeddings), tf.convert_to_tensor(candidate_embeddings)
        if self._remove_accidental_hits and candidate_ids is None:
            fix = "Pass candidate_ids=..."
            problem = "when accidental hits are removed, candidate ids must be supplied"
            raise ArgumentError(explain(_OWNER, problem, candidate_ids=None, fix=fix))
        counts_batch = bool(self._batch_metrics) and compute_batch_metrics
        if self._loss is None and queries.shape.rank == 2 and not counts_batch and score_mask is None:
            loss = self._softmax(
                queries,
                candidates,
                candidate_ids=candidate_ids if self._remove_accidental_hits else None,
                sample_weight=sample_weight,
                candidate_sampling_probability=candidate_sampling_probability,
            )
        else:
            given = candidate_sampling_probability, candidate_ids, score_mask
            labels, logits = self._labels_and_logits(queries, candidates, *given)
            loss = self._loss_of(labels, logits, sample_weight)
            for metric in self._batch_metrics if compute_batch_metrics else ():
                metric.update_state(labels, logits, sample_weight=sample_weight)
        for metric in self._loss_metrics:
            metric.update_state(loss)
        if compute_metrics and queries.shape.rank == 2:
            self._update_factorized(queries, candidates, candidate_ids, sample_weight)
        return loss

    def _labels_and_logits(
        self, queries: tf.Tensor, candidates: tf.Tensor, probability: Any, ids: Any, mask: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if queries.shape.rank == 3:
            logits = tf.reduce_max(tf.einsum("qhe,ce->qhc", queries, candidates), axis=1)
        else:
            logits = tf.matmul(queries, candidates, transpose_b=True)
        labels = tf.eye(tf.shape(logits)[0], tf.shape(logits)[1], dtype=logits.dtype)
        if self._temperature is not None:
            logits /= self._temperature
        if probability is not None:
            logits = SamplingProbablityCorrection()(logits, probability)
        if self._remove_accidental_hits:
            logits = RemoveAccidentalHits()(labels, logits, ids)
        if mask is not None:
            logits = tf.where(mask, logits, MIN_FLOAT)
        if self._num_hard_negatives is not None:
            logits, labels = HardNegativeMining(self._num_hard_negatives)(logits, labels)
        return labels, logits

    def _loss_of(self, labels: tf.Tensor, logits: tf.Tensor, sample_weight: Any) -> tf.Tensor:
        if self._loss is not None:
            return self._loss(labels, logits, sample_weight=sample_weight)
        losses = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        if sample_weight is not None:
            losses *= tf.cast(tf.reshape(sample_weight, (-1,)), losses.dtype)
        return tf.reduce_sum(losses)

    def _update_factorized(self, queries: tf.Tensor, candidates: tf.Tensor, ids: Any, sample_weight: Any) -> None:
        num_queries = tf.shape(queries)[0]
        true_ids = None if ids is None else tf.convert_to_tensor(ids)[:num_queries]  # without extra negatives
        for metric in self._factorized_metrics:
            metric.update_state(
                queries, candidates[:num_queries], true_candidate_ids=true_ids, sample_weight=sample_weight
            )
