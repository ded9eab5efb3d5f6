"""InBatchSoftmax: the loss that two towers are trained with."""

from __future__ import annotations

from typing import Any, NoReturn, Self

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.losses.call_arguments import Length, check_embeddings, check_reduction, checked_tensor
from reciperec_layers.losses.negative_masks import Negatives
from reciperec_layers.losses.retrieval_loss import RetrievalLoss
from reciperec_layers.losses.sampling_correction import SamplingCorrection
from reciperec_layers.losses.tiled_softmax import tiled_softmax
from reciperec_layers.saving.keras_names import deserialize_nested, serializable

_OWNER = "InBatchSoftmax"


@serializable
class InBatchSoftmax(RetrievalLoss):
    """Softmax cross-entropy of each query's candidate against the other candidates of the batch.

    Row `i` of the queries belongs to row `i` of the candidates, its positive; every other candidate is one of its
    negatives. With `q` the probability of a candidate to be drawn into the batch:

        logit[i, j] = query[i] . candidate[j] / temperature - log q[j]
        loss[i]     = -sample_weight[i] * log softmax(logit[i])[i]

    The steps, in this order: scores, temperature, minus log q, accidental hits, mask, hard negatives, softmax. What a
    step takes out has the logit -inf, so its probability and its gradient are exactly zero. A row's positive is never
    taken out: it is not an accidental hit of itself, and a mask that says `False` for it is overruled.

    Everything is computed in float32, whatever the dtype of the embeddings and of Keras's global policy. The logits
    are made in tiles of some rows and forgotten: memory grows with the batch, not with its square. There are first
    derivatives only.

    Args:
        temperature: Divides the scores; a number > 0. Below 1 it sharpens the softmax.
        sampling_correction: `"counts"` takes q from counts, see `SamplingCorrection`, and needs `candidate_ids` in
            each call; `None` corrects nothing unless a call brings `candidate_sampling_probability`.
        candidate_counts: For `"counts"`: candidate ids, one for each interaction (list, array or frame column); or
            counts by id: a dict `{id: count}`, what `frame[column].value_counts()` returns (a Series named "count"),
            or a `Vocabulary` that has counts. `None` counts while training.
        remove_accidental_hits: Take out candidates that have the same id as the row's positive.
        num_hard_negatives: Keep so many negatives of each row, those with the highest logits (all where there are
            fewer), >= 1; `None` keeps all.
        reduction: `"sum"` over the rows, as TFRS; `"mean"`, the sum divided by the number of rows, as Keras's
            `sum_over_batch_size`; or `"none"`.
        name: Name of the layer.

    Call arguments:
        query_embeddings: Floats of shape `(num_queries, embedding_dim)`, `num_queries` >= 1.
        candidate_embeddings: Floats of shape `(num_candidates, embedding_dim)`, `num_candidates >= num_queries`. Rows
            from `num_queries` on are negatives of every query.
        candidate_ids: Integers or strings of shape `(num_candidates,)`. For accidental hits and `"counts"`.
        sample_weight: Numbers of shape `(num_queries,)` that multiply the rows' losses.
        candidate_sampling_probability: q, floats of shape `(num_candidates,)`, clipped to 1e-6 .. 1. Takes the place
            of the counts, to which such a call adds nothing. Not differentiated.
        score_mask: bool of shape `(num_queries, num_candidates)`, `True` keeps a candidate for a query.
        positive_columns: Integers of shape `(num_queries,)`: which candidate is the positive of each row, where
            candidates are given once each. A candidate then counts as often as rows have it, and one that no row has
            counts once: the loss is that of the candidates repeated in the order of the rows, and costs less. There
            may be fewer candidates than queries. `None` where row `i` has candidate `i`.
        training: Whether the layer may count candidates.

    Returns:
        The loss, float32 of shape `()`, or `(num_queries,)` with reduction `"none"`.

    Raises:
        ArgumentError: An argument is out of its range, a shape does not fit, or `candidate_ids` are needed.
        ArgumentTypeError: A call argument has the wrong dtype.
        IdError: `candidate_counts` are not ids.

    Example:
        >>> queries = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> candidates = tf.constant([[2.0, 0.0], [0.0, 2.0]])
        >>> round(float(InBatchSoftmax()(queries, candidates)), 4)
        0.2539
        >>> loss = InBatchSoftmax(remove_accidental_hits=True, reduction="none")
        >>> loss(queries, candidates, candidate_ids=tf.constant([7, 7])).numpy()
        array([0., 0.], dtype=float32)

    Source:
        `tfrs.tasks.Retrieval` of TensorFlow Recommenders 0.7.7, whose value and gradient it has. Differences: TFRS adds
        large negative numbers instead of -inf, lets a mask take out a positive, and keeps all negatives when
        `num_hard_negatives` is not positive. The correction is that of Yi et al., RecSys 2019, section 3.
    """

    takes_distinct_candidates = True

    def __init__(
        self,
        temperature: float = 1.0,
        sampling_correction: str | None = None,
        candidate_counts: Any = None,
        remove_accidental_hits: bool = False,
        num_hard_negatives: int | None = None,
        reduction: str = "sum",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32")
        _check_arguments(temperature, sampling_correction, candidate_counts, num_hard_negatives, reduction)
        self.temperature = float(temperature)
        self.sampling_correction = sampling_correction
        self.correction = None if sampling_correction is None else SamplingCorrection(candidate_counts)
        self.remove_accidental_hits = bool(remove_accidental_hits)
        self.num_hard_negatives = None if num_hard_negatives is None else int(num_hard_negatives)
        self.reduction = reduction
        self.corrects_sampling = sampling_correction is not None
        self.needs_candidate_ids = self.remove_accidental_hits or sampling_correction is not None
        self.built = True

    def call(
        self,
        query_embeddings: tf.Tensor,
        candidate_embeddings: tf.Tensor,
        candidate_ids: tf.Tensor | None = None,
        sample_weight: tf.Tensor | None = None,
        candidate_sampling_probability: tf.Tensor | None = None,
        score_mask: tf.Tensor | None = None,
        positive_columns: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        query_embeddings, rows, columns = _checked_queries(query_embeddings, candidate_embeddings, positive_columns)
        candidate_ids = _checked("candidate_ids", candidate_ids, "ids", candidates=columns)
        sample_weight = _checked("sample_weight", sample_weight, "float32", queries=rows)
        probability = candidate_sampling_probability
        probability = _checked("candidate_sampling_probability", probability, "float32", candidates=columns)
        score_mask = _checked("score_mask", score_mask, "bool", queries=rows, candidates=columns)
        positive_columns = _checked("positive_columns", positive_columns, "integers", queries=rows)
        self._require_ids(candidate_ids, probability)

        if positive_columns is not None and self.num_hard_negatives is not None:
            # Of equal candidates some may be among the hardest and others not: only apart can they be counted.
            order = _one_by_one(positive_columns, columns)
            candidate_embeddings = tf.gather(candidate_embeddings, order)
            candidate_ids = None if candidate_ids is None else tf.gather(candidate_ids, order)
            probability = None if probability is None else tf.gather(probability, order)
            score_mask = None if score_mask is None else tf.gather(score_mask, order, axis=1)
            positive_columns = None

        # A candidate stands for as many as rows have it, or for itself.
        counts = None if positive_columns is None else tf.maximum(_rows_of_each(positive_columns, columns), 1)
        log_counts = None if counts is None else tf.math.log(tf.cast(counts, tf.float32))
        bias = log_counts
        log_q = self._log_q(candidate_ids, counts, probability, training)
        if log_q is not None:
            bias = -log_q if bias is None else bias - log_q
        negatives = Negatives(
            positive_columns,
            log_counts,
            candidate_ids if self.remove_accidental_hits else None,
            score_mask,
            self.num_hard_negatives,
        )
        loss = tiled_softmax(
            query_embeddings if self.temperature == 1 else query_embeddings / self.temperature,
            candidate_embeddings,
            bias,
            negatives,
            sample_weight,
            summed=self.reduction != "none",
        )
        return loss / tf.cast(rows, tf.float32) if self.reduction == "mean" else loss

    # Keras would run `call` to learn this, also while it loads a model whose counts are not read yet.
    def compute_output_spec(self, query_embeddings: Any, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        shape = (query_embeddings.shape[0],) if self.reduction == "none" else ()
        return keras.KerasTensor(shape, dtype="float32")

    def _log_q(
        self, candidate_ids: tf.Tensor, counts: tf.Tensor | None, probability: tf.Tensor | None, training: bool | None
    ) -> tf.Tensor | None:
        if probability is not None:
            return tf.math.log(tf.clip_by_value(probability, 1e-6, 1.0))
        return None if self.correction is None else self.correction(candidate_ids, counts, training=training)

    def _require_ids(self, candidate_ids: tf.Tensor | None, probability: tf.Tensor | None) -> None:
        if candidate_ids is not None:
            return
        if self.remove_accidental_hits:
            _refuse("`remove_accidental_hits` needs `candidate_ids`", "Pass candidate_ids", candidate_ids=None)
        if self.sampling_correction == "counts" and probability is None:
            fix = "Pass candidate_ids, or candidate_sampling_probability"
            _refuse('`sampling_correction="counts"` needs `candidate_ids`', fix, candidate_ids=None)

    def get_config(self) -> dict[str, Any]:
        return {
            "temperature": self.temperature,
            "sampling_correction": self.sampling_correction,
            "candidate_counts": None if self.correction is None else self.correction.candidate_counts,
            "remove_accidental_hits": self.remove_accidental_hits,
            "num_hard_negatives": self.num_hard_negatives,
            "reduction": self.reduction,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**deserialize_nested(config))


def _check_arguments(
    temperature: Any, sampling_correction: Any, candidate_counts: Any, num_hard_negatives: Any, reduction: Any
) -> None:
    check_number(_OWNER, "temperature", temperature, above=0, example=0.1)
    if sampling_correction is not None and not _is_counts(sampling_correction):
        fix = "For other probabilities pass candidate_sampling_probability in each call"
        _refuse('`sampling_correction` must be None or "counts"', fix, sampling_correction=sampling_correction)
    if candidate_counts is not None and sampling_correction is None:
        fix = 'Set sampling_correction="counts", or leave candidate_counts out'
        _refuse("`candidate_counts` are not used without a sampling correction", fix, candidate_counts=candidate_counts)
    check_integer(_OWNER, "num_hard_negatives", num_hard_negatives, optional=True, example=10)
    check_reduction(_OWNER, reduction)


def _is_counts(sampling_correction: Any) -> bool:
    return isinstance(sampling_correction, str) and sampling_correction == "counts"


def _checked_queries(
    queries: tf.Tensor, candidates: tf.Tensor, positive_columns: Any
) -> tuple[tf.Tensor, Length, Length]:
    """Returns the queries, their number and that of the candidates, after a look at the dtypes and shapes of both."""
    check_embeddings(_OWNER, queries, candidates)
    received = {"query_embeddings": queries, "candidate_embeddings": candidates}
    rows, columns = keras.ops.shape(queries)[0], keras.ops.shape(candidates)[0]
    least = rows if positive_columns is None else 1
    problem, fix = "there must be at least one query and a candidate for each", "Check the rows of the batch"
    if isinstance(rows, int) and isinstance(columns, int):
        if rows < 1 or columns < least:
            _refuse(problem, fix, **received)
        return queries, rows, columns
    message = explain(_OWNER, problem, fix=fix)
    fits = [tf.raw_ops.Assert(condition=fits, data=[message]) for fits in (rows >= 1, least <= columns)]
    with tf.control_dependencies(fits):
        return tf.identity(queries), rows, columns


def _checked(name: str, value: Any, dtype: str, **axes: Length) -> tf.Tensor | None:
    words = ", ".join(f"num_{axis}" for axis in axes)
    words = f"({words},)" if len(axes) == 1 else f"({words})"
    return checked_tensor(_OWNER, name, value, dtype, words, tuple(axes.values()))


def _refuse(problem: str, fix: str, **received: Any) -> NoReturn:
    raise ArgumentError(explain(_OWNER, problem, fix=fix, **received))


def _rows_of_each(positive_columns: tf.Tensor, num_candidates: Length) -> tf.Tensor:
    """Returns how many rows have each candidate, int32."""
    return tf.math.unsorted_segment_sum(tf.ones_like(positive_columns), positive_columns, num_candidates)


def _one_by_one(positive_columns: tf.Tensor, num_candidates: Length) -> tf.Tensor:
    """Returns the columns of all candidates, once for each row that has it, in row order, and then of the others."""
    others = tf.where(_rows_of_each(positive_columns, num_candidates) == 0)[:, 0]
    return tf.concat([positive_columns, tf.cast(others, tf.int32)], axis=0)
