"""PopularityPrior: what is known of candidates before any query, as columns of the embeddings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.columns.time_arrays import MISSING_TIME
from reciperec_layers.columns.time_tensors import to_microseconds
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.recency import SECONDS_A_DAY, choose_half_life, decayed_counts, far_future
from reciperec_layers.saving.keras_names import deserialize_nested, serializable
from reciperec_layers.vocabulary import Vocabulary

# A prior that drifts is known at the newest time, and at times before that lie ever farther apart.
_NUM_AGES = 7
# Parts of the time between two ages, for `periods`.
_PERIODS_OF_AGE = 4
# Interactions that a candidate without any counts as.
_PSEUDO_COUNT = 0.5

# Share of the popularity of all times in that of any one, so that no candidate is impossible.
_ALL_TIME_SHARE = 0.01
_WEIGHT_IF_NORMALIZED = 0.5
# How often an interaction's weight is halved on the way from one age to the one before.
_DECAY_BETWEEN_AGES = 4.0


@serializable
class PopularityPrior(keras.layers.Layer):
    """The popularity of candidates in the training interactions, appended to the embeddings of both towers.

    With `q` and `c` the embeddings of the towers, `g` a vector that starts at zero, `p` the popularity of the candidate
    and `s` the temperature of the loss times `weight`:

        query = [g * q, s * a(t)]        candidate = [c, log p]
        score = (g * q) . c + s * sum_k a_k(t) * log p_k

    So the ranking is that of popularity before the first step, by an inner product, which every index searches. The
    loss trains what a query differs in from all others. It trains `g` as well, or the first step sets it to 1: where
    embeddings have length 1, a `g` that grows would undo what the temperature is for.

    Popularity drifts where times are known: column `k` is the popularity around `ages[k]` days before the newest
    training interaction, and `a(t)` weighs the two nearest of these for a query at time `t`. Ages grow by a constant
    factor, from the half-life with which the newest part of the training data is told best to the span of the data.
    A later time, and one that is not given, is the newest. One more column is the popularity of all times, which is
    that of training rows without a time. A time far after all others, of at most one in a hundred rows, is taken for
    wrong, with a warning: it counts as one that is missing.

        p_0 = sum of 0.5 ** (age of the interaction / half-life), and of pseudo-counts
        p_k = sum of 0.5 ** (|age of the interaction - ages[k]| / (ages[k] - ages[k - 1]) * 4)

    Args:
        vocabulary: Candidates that are counted, a `Vocabulary`. All others count as one without interactions.
        embedding_dim: Size of the towers' embeddings.
        time: Column of the queries' times, or `None` for a popularity that does not drift.
        weight: How much of the log of the popularity is in the logits, a number > 0: with 1 the towers learn what
            differs from popularity, with less also a part of it.
        trains_gate: Whether `g` is trained.
        name: Name of the layer.
        **kwargs: `trainable`.

    Example:
        >>> from reciperec_layers.vocabulary import Vocabulary
        >>> prior = PopularityPrior(Vocabulary(["pie", "soup"]), embedding_dim=4)
        >>> prior.count(["soup", "soup", "pie"])
        >>> candidates = prior.with_candidates(tf.zeros((2, 4)), tf.constant(["pie", "soup"]))
        >>> queries = prior.with_queries(tf.ones((1, 4)), {})
        >>> (queries @ tf.transpose(candidates)).numpy().round(2)
        array([[-1.1 , -0.59]], dtype=float32)
    """

    def __init__(
        self,
        vocabulary: Any,
        embedding_dim: int,
        *,
        time: str | None = None,
        weight: float = 1.0,
        trains_gate: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Half precision would make candidates of like popularity equal, also where a model of it reads the weights.
        super().__init__(name=name, **{**kwargs, "dtype": "float32", "autocast": False})
        self.lookup = IdLookup(vocabulary)
        self.embedding_dim = check_integer("PopularityPrior", "embedding_dim", embedding_dim, example=32)
        self.time = time
        self.weight = float(check_number("PopularityPrior", "weight", weight, above=0, example=0.5))
        self.trains_gate = bool(trains_gate)
        self.width = 1 if time is None else _NUM_AGES + 1
        rows = self.lookup.num_rows
        constant: dict[str, Any] = {"initializer": "zeros", "trainable": False, "autocast": False}
        gate = {**constant, "trainable": self.trains_gate}
        self.gate = self.add_weight(name="gate", shape=(self.embedding_dim,), **gate)
        self.log_popularity = self.add_weight(name="log_popularity", shape=(rows, self.width), **constant)
        self.scale = self.add_weight(name="scale", shape=(), **{**constant, "initializer": "ones"})
        self.ages = self.add_weight(name="ages", shape=(max(self.width - 1, 1),), **constant)
        self.newest = self.add_weight(name="newest", shape=(), dtype="int64", **constant)
        self.num_interactions = self.add_weight(name="num_interactions", shape=(rows,), dtype="int64", **constant)
        self.built = True

    @property
    def is_counted(self) -> bool:
        """Whether interactions have been counted."""
        return bool(np.any(self.num_interactions.numpy()))

    @property
    def query_weights(self) -> list[keras.Variable]:
        """The weights on which `with_queries` depends."""
        return [self.gate, self.scale, self.ages, self.newest]

    def count(self, candidate_ids: Any, times: np.ndarray | None = None) -> None:
        """Counts training interactions, in place of those counted before.

        Args:
            candidate_ids: Candidate of each interaction, shape `(n,)`.
            times: Their times, int64 of shape `(n,)` as `features.Time` reads them; needed where the prior drifts.

        Raises:
            ArgumentError: Times are missing.
        """
        if self.time is not None and times is None:
            problem = f"the prior drifts with column {self.time!r}, and there are no times"
            raise ArgumentError(explain("PopularityPrior", problem, fix="Add the column, or create it with time=None"))
        rows = self.lookup.lookup(to_id_array(candidate_ids, "PopularityPrior"))
        rows[rows == 0] = -1  # row 0 stands for candidates without interactions
        counts = np.bincount(rows[rows > 0], minlength=self.lookup.num_rows)
        columns = [_shares(counts)]
        if times is not None and self.time is not None:
            microseconds = to_microseconds(tf.constant(times)).numpy()
            is_known = microseconds != MISSING_TIME
            is_known[is_known] = ~far_future(microseconds[is_known] / 1e6, "PopularityPrior")
            microseconds = microseconds[is_known]
            ages, columns = _drift(rows[is_known], microseconds / 1e6, columns[0])
            self.ages.assign(ages)
            self.newest.assign(microseconds.max(initial=0))
        self.log_popularity.assign(np.log(np.stack(columns, axis=1)))
        self.num_interactions.assign(counts)

    def open_gate(self) -> None:
        """Lets the embeddings of the towers count as they are, where training does not learn how much."""
        if not self.trains_gate:
            self.gate.assign(tf.ones_like(self.gate))

    def set_temperature(self, temperature: float) -> None:
        """Takes what the loss divides the scores by, so that the prior's part of them stays what `weight` says.

        Args:
            temperature: A number > 0.
        """
        self.scale.assign(temperature * self.weight)

    def with_queries(self, embeddings: Any, columns: Mapping[str, Any], training: bool | None = None) -> Any:
        """Returns query embeddings with those of the prior, float32 of shape `(batch, embedding_dim + width)`.

        Args:
            embeddings: Of the query tower, shape `(batch, embedding_dim)`.
            columns: Columns of the batch. Without times queries are asked now, and training rows at any time.
            training: Whether these are training rows.
        """
        embeddings = tf.cast(embeddings, tf.float32)
        gate = tf.ones_like(self.gate) if training and not self.trains_gate else self.gate
        weights = self._weights_of_ages(embeddings, None if self.time is None else columns.get(self.time), training)
        return tf.concat([gate * embeddings, self.scale * weights], axis=1)

    def with_candidates(self, embeddings: Any, candidate_ids: Any) -> Any:
        """Returns candidate embeddings with those of the prior, float32 of shape `(batch, embedding_dim + width)`.

        Args:
            embeddings: Of the candidate tower, shape `(batch, embedding_dim)`.
            candidate_ids: Shape `(batch,)`.
        """
        log_popularity = tf.gather(tf.convert_to_tensor(self.log_popularity), self.lookup(candidate_ids))
        return tf.concat([tf.cast(embeddings, tf.float32), log_popularity], axis=1)

    def periods(self, times: Any) -> tf.Tensor:
        """Returns the period that each time is in, int64 of shape `(batch,)`: within one popularity is much the same.

        Args:
            times: Of queries, as `with_queries` takes them.
        """
        lower, share = self._places(times)
        return tf.cast(lower * _PERIODS_OF_AGE, tf.int64) + tf.cast(share * _PERIODS_OF_AGE, tf.int64)

    def of_towers(self, embeddings: Any) -> Any:
        """Returns embeddings without the columns of the prior, shape `(batch, embedding_dim)`."""
        return embeddings[:, : self.embedding_dim]

    def occurred(self, candidate_ids: Any) -> np.ndarray | None:
        """Returns which candidates occurred among the interactions, bool of shape `(n,)`; `None` if none are counted.

        Args:
            candidate_ids: Shape `(n,)`.
        """
        return self.num_interactions.numpy()[self.lookup.lookup(candidate_ids)] > 0 if self.is_counted else None

    def counts(self) -> Vocabulary:
        """Returns the candidates that were counted, with how often each occurred."""
        counts = self.num_interactions.numpy()[1:]
        occurred = counts > 0
        return Vocabulary(self.lookup.vocabulary.ids[occurred], counts[occurred])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("dtype")
        return {
            **config,
            "vocabulary": self.lookup.vocabulary,
            "embedding_dim": self.embedding_dim,
            "time": self.time,
            "weight": self.weight,
            "trains_gate": self.trains_gate,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**deserialize_nested(config))

    def _weights_of_ages(self, embeddings: tf.Tensor, times: Any, training: bool | None) -> tf.Tensor:
        """Returns how much each column of the prior counts for each query, shape `(batch, width)`."""
        if times is None or self.time is None:
            column = self.width - 1 if training else 0
            return tf.one_hot(tf.fill([tf.shape(embeddings)[0]], column), self.width)
        lower, share = self._places(times)
        share = share[:, tf.newaxis]
        return (1 - share) * tf.one_hot(lower, self.width) + share * tf.one_hot(lower + 1, self.width)

    def _places(self, times: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns between which two ages each time lies, the number of the lower one, and where between them."""
        newest, ages = tf.convert_to_tensor(self.newest), tf.convert_to_tensor(self.ages)
        times = to_microseconds(times)
        times = tf.where(times == MISSING_TIME, newest, tf.minimum(times, newest))
        age = tf.cast(newest - times, tf.float32) / (SECONDS_A_DAY * 1e6)
        lower = tf.clip_by_value(tf.searchsorted(ages, age, side="right") - 1, 0, _NUM_AGES - 2)
        begin, end = tf.gather(ages, lower), tf.gather(ages, lower + 1)
        return lower, tf.clip_by_value(tf.math.divide_no_nan(age - begin, end - begin), 0.0, 1.0)


def _shares(counts: np.ndarray) -> np.ndarray:
    counts = counts + _PSEUDO_COUNT
    return counts / counts.sum()


def _drift(rows: np.ndarray, seconds: np.ndarray, of_all_times: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns ages in days, and the popularity around each."""
    num_candidates = len(of_all_times)
    half_life = choose_half_life(rows, seconds, num_candidates)
    if half_life is None:  # also where no time is known
        return np.arange(_NUM_AGES, dtype=np.float64), [of_all_times] * (_NUM_AGES + 1)
    before = (seconds.max() - seconds) / SECONDS_A_DAY
    ages = np.concatenate([[0.0], np.geomspace(half_life, max(before.max(), 2 * half_life), _NUM_AGES - 1)])
    known = rows >= 0
    counts = [decayed_counts(rows, seconds, num_candidates, half_life)]
    for earlier, age in itertools.pairwise(ages):
        weights = np.exp2(-np.abs(before[known] - age) / (age - earlier) * _DECAY_BETWEEN_AGES)
        counts.append(np.bincount(rows[known], weights, minlength=num_candidates))
    return ages, [*(_mixed(each, of_all_times) for each in counts), of_all_times]


def _mixed(counts: np.ndarray, of_all_times: np.ndarray) -> np.ndarray:
    total = counts.sum()
    shares = counts / total if total > 0 else of_all_times
    return (1 - _ALL_TIME_SHARE) * shares + _ALL_TIME_SHARE * of_all_times


def resolve_prior(
    prior: Any, corpus: Corpus | None, embedding_dim: int, owner: str, normalized: bool = False
) -> PopularityPrior | None:
    """Converts a user's `prior=` argument to a `PopularityPrior`, or `None` for no prior.

    Args:
        prior: `None`, `"popularity"`, `{"prior": "popularity", "time": column}`, or a `PopularityPrior`.
        corpus: The candidates, or `None`.
        embedding_dim: Size of the towers' embeddings.
        owner: Name of the model's class, for messages.
        normalized: Whether the embeddings of the towers have length 1. Then the gate is not trained, and the prior
            weighs .5: on five public data sets this was as good as any other weight, or better.

    Raises:
        ArgumentError: It is something else, or there are no candidates, or sizes differ.

    Example:
        >>> corpus = Corpus({"recipe_id": [7, 9]}, "recipe_id")
        >>> resolve_prior("popularity", corpus, 4, "RetrievalModel").width
        1
    """
    if prior is None:
        return None
    if isinstance(prior, PopularityPrior):
        if prior.embedding_dim != embedding_dim:
            problem = f"the prior is for embeddings of size {prior.embedding_dim}, and the towers' is {embedding_dim}"
            raise ArgumentError(explain(owner, problem, fix="Give both one embedding_dim"))
        return prior
    time = prior.get("time") if isinstance(prior, Mapping) else None
    name = prior.get("prior") if isinstance(prior, Mapping) else prior
    if name != "popularity":
        problem = '`prior` must be "popularity", a PopularityPrior, or None'
        raise ArgumentError(explain(owner, problem, prior=name, fix='Use prior="popularity"'))
    if corpus is None:
        fix = "Create it with candidates=..."
        raise ArgumentError(explain(owner, "a prior needs the candidates", candidates=None, fix=fix))
    weight = _WEIGHT_IF_NORMALIZED if normalized else 1.0
    return PopularityPrior(corpus.vocabulary, embedding_dim, time=time, weight=weight, trains_gate=not normalized)
