"""SamplingCorrection: the probability that a candidate is drawn into a batch."""

from __future__ import annotations

import functools
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import VocabularyMismatchError, explain
from reciperec_layers.graph.hashing import hash_buckets
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.losses.call_arguments import check_dtype
from reciperec_layers.saving.keras_names import deserialize_nested, serializable
from reciperec_layers.vocabulary import Vocabulary, to_counted_vocabulary


@serializable
class SamplingCorrection(keras.layers.Layer):
    """Log of the probability `q` that a candidate is drawn into a batch, estimated from its number of interactions.

    In-batch negatives are drawn in proportion to their interactions, so the plain softmax learns
    `p(candidate | query) / q(candidate)` and ranks popular candidates too low. Subtracting `log q` from the logits
    gives `p(candidate | query)`. `InBatchSoftmax(sampling_correction="counts")` contains this layer.

        q = max(count of the candidate, 1) / max(total of all counts, 1)

    With `candidate_counts` the counts are fixed. Otherwise they are running counts: each call with `training=True`
    first adds one for every row of `candidate_ids`, extra negatives included, since `q` is how often a candidate occurs
    in batches in any role. Ids are hashed into `num_buckets` buckets; candidates in one bucket share its count. While
    counts are low, all `q` are similar and the correction is small.

    Running counts are state but not part of `weights`, so `get_weights` and `set_weights` of a model do not depend on
    its loss. They are saved with the model and in its weights file. Loading a weights file without them keeps them.

    Args:
        candidate_counts: Candidate ids, one for each interaction, of any shape (a list, array or frame column); or
            counts by id: a dict `{id: count}`, what `frame[column].value_counts()` returns (a Series named "count"),
            or a `Vocabulary` that has counts; or `None` for running counts.
        num_buckets: Buckets of the running counts, a positive integer; 8 bytes each. With the default, 99 % of 10,000
            candidates have a bucket to themselves. Not used with `candidate_counts`.
        name: Name of the layer.

    Call arguments:
        candidate_ids: Integers or strings of any shape.
        occurrences: Integers of the same shape: how often each id occurs in the batch; `None` for once each. Not
            used with `candidate_counts`.
        training: Whether to add to the running counts. Not used with `candidate_counts`.

    Returns:
        `log q`, float32 of the shape of `candidate_ids`, <= 0.

    Raises:
        ArgumentError: `num_buckets` is not a positive integer, or a vocabulary has no counts.
        ArgumentTypeError: `candidate_ids` are neither integers nor strings.
        IdError: `candidate_counts` has missing ids, or ids that are neither integers nor text; `candidate_ids` are
            integers and the counted ids text, or the reverse.
        VocabularyMismatchError: The running counts in a file have another number of buckets.

    Example:
        >>> correction = SamplingCorrection(candidate_counts=["a", "b", "b", "b"])
        >>> keras.ops.exp(correction(tf.constant(["a", "b", "unknown"]))).numpy().round(2).tolist()
        [0.25, 0.75, 0.25]

    Source:
        Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019. Their
        Algorithm 2 keeps a moving average of the number of steps between two draws in a hashed array, and `q` is its
        inverse, so that it follows a drifting stream. Here the hashed array holds plain counts: the maximum-likelihood
        estimate for shuffled data without drift, and without a learning rate to choose.
    """

    def __init__(self, candidate_counts: Any = None, num_buckets: int = 2**20, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.num_buckets = check_integer("SamplingCorrection", "num_buckets", num_buckets, example=2**20)
        self.candidate_counts = None
        if candidate_counts is not None:
            self.candidate_counts = to_counted_vocabulary(candidate_counts, "SamplingCorrection")
        self._given: tuple[tf.Tensor, tf.Tensor] | None = None
        if self.candidate_counts is not None:
            # Only the call is kept: a sublayer would refuse all weights files saved without this loss.
            self._indices = IdLookup(self.candidate_counts, num_oov_indices=1).__call__
        else:
            # A plain tf.Variable is not one of Keras's weights. Counts of several replicas are summed.
            self._counts = _counter([self.num_buckets])
            self._total = _counter([])
        self.built = True

    def call(
        self, candidate_ids: tf.Tensor, occurrences: tf.Tensor | None = None, training: bool | None = None
    ) -> tf.Tensor:
        candidate_ids = tf.convert_to_tensor(candidate_ids)
        check_dtype("SamplingCorrection", "candidate_ids", candidate_ids, "ids")
        if self.candidate_counts is not None:
            indices = self._indices(candidate_ids)
            counts, total = self._given_counts(self.candidate_counts)
        else:
            indices = hash_buckets(candidate_ids, self.num_buckets)
            if training:
                self._add(indices, tf.ones_like(indices) if occurrences is None else occurrences)
            counts, total = self._counts, self._total
        count = tf.maximum(tf.gather(counts, indices), 1)
        return tf.math.log(tf.cast(count, tf.float32) / tf.cast(tf.maximum(total, 1), tf.float32))

    # Keras would run `call` for this, even while it loads a model whose counts are not read yet.
    def compute_output_spec(self, candidate_ids: Any, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        return keras.KerasTensor(candidate_ids.shape, dtype="float32")

    def _add(self, buckets: tf.Tensor, occurrences: tf.Tensor) -> None:
        added = tf.cast(tf.reshape(occurrences, [-1]), tf.int64)
        self._counts.scatter_add(tf.IndexedSlices(added, tf.reshape(buckets, [-1])))
        self._total.assign_add(tf.reduce_sum(added))

    def _given_counts(self, vocabulary: Vocabulary) -> tuple[tf.Tensor, tf.Tensor]:
        # On first use, because a vocabulary from a file is filled after the layer is made; outside of the graph that
        # is being traced, so that all graphs share the tensor instead of holding copies.
        if self._given is None:
            with tf.init_scope():
                counts = tf.constant(np.concatenate([[0], vocabulary.counts]))  # index 0 is for unknown ids
                self._given = counts, tf.reduce_sum(counts)
        return self._given

    def save_own_variables(self, store: Any) -> None:
        if self.candidate_counts is None:
            counts = self._counts.numpy()
            buckets = np.flatnonzero(counts)
            store["num_buckets"] = np.asarray(self.num_buckets)
            store["buckets"], store["counts"] = buckets, counts[buckets]

    def load_own_variables(self, store: Any) -> None:
        if self.candidate_counts is not None or "counts" not in store.keys():  # noqa: SIM118 - Keras's entry is not a mapping
            return
        if int(np.asarray(store["num_buckets"])) != self.num_buckets:
            problem = "the running counts in the file have another number of buckets"
            fix = "Make the layer with the number of buckets in the file"
            received = {"num_buckets": self.num_buckets, "in_file": int(np.asarray(store["num_buckets"]))}
            raise VocabularyMismatchError(explain("SamplingCorrection", problem, fix=fix, **received))
        counts = np.zeros(self.num_buckets, np.int64)
        counts[np.asarray(store["buckets"])] = np.asarray(store["counts"])
        self._counts.assign(counts)
        self._total.assign(counts.sum())

    def save_assets(self, directory: str) -> None:
        if self.candidate_counts is not None:
            self.candidate_counts.save(directory)

    def load_assets(self, directory: str | None) -> None:
        if self.candidate_counts is not None:
            self.candidate_counts.load(directory)

    def get_config(self) -> dict[str, Any]:
        return {"candidate_counts": self.candidate_counts, "num_buckets": self.num_buckets, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**deserialize_nested(config))


def _counter(shape: list[int]) -> tf.Variable:
    zeros = functools.partial(tf.zeros, shape, tf.int64)  # called when the size is known to be acceptable
    return tf.Variable(zeros, trainable=False, aggregation=tf.VariableAggregation.SUM)
