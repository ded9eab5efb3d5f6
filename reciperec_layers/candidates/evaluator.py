"""Evaluator: ranks rows against the candidates of a store, and updates metrics with the ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.candidates.candidate_filters import corpus_rows
from reciperec_layers.candidates.candidate_rows import CandidateRows
from reciperec_layers.candidates.candidate_store import CandidateStore
from reciperec_layers.candidates.distinct_queries import DistinctQueries
from reciperec_layers.candidates.held_out_ranks import ranks_in_tiles
from reciperec_layers.candidates.ranks_by_query import RanksByQuery
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import num_rows, spec_of_rows
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.graph.not_finite import checked_finite
from reciperec_layers.indexes import exact_top_k
from reciperec_layers.layers import IdLookup
from reciperec_layers.metrics import MISS, RankMetric, RecommendationMetric
from reciperec_layers.seen import Seen

# Queries searched at once.
_NUM_SEARCHED = 8192


class Evaluator:
    """Ranks held-out candidates among the corpus, recommends, and updates metrics with both.

    Args:
        store: The candidates and their embeddings.
        metrics: Metrics of ranks and of recommendations.
        exclude: Seen candidates, which cannot be hit, or `None`. A held-out candidate that was seen is a miss, and
            is counted under `num_seen_held_out`.
        unknown_candidates: `"error"`, or `"miss"`: a held-out candidate outside of the corpus is then a miss, and is
            counted under `num_unknown_held_out`.
        query_id: Column that says which pairs belong to one query, for metrics per query and of recommendations;
            `None` where it is not known.
        owner: Name of the class that errors name.

    Raises:
        ArgumentError: `unknown_candidates` is something else, `exclude` is not a `Seen`, or a metric per query or
            of recommendations meets an unknown `query_id` or a `tf.distribute` strategy.

    Example:
        >>> from reciperec_layers.corpus import Corpus
        >>> from reciperec_layers.graph.change_counter import ChangeCounter
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> from reciperec_layers.metrics import TopKAccuracy
        >>> corpus = Corpus({"recipe_id": [7, 9]}, "recipe_id")
        >>> encode = lambda features: tf.cast(features["recipe_id"], tf.float32)[:, tf.newaxis]
        >>> weights = ChangeCounter(keras.layers.Identity())
        >>> store = CandidateStore(encode, weights, ["recipe_id"], 1, BruteForceIndex(), corpus)
        >>> evaluator = Evaluator(store, [TopKAccuracy(1)])
        >>> evaluator.begin()
        >>> evaluator.update(tf.constant([[1.0]]), {"recipe_id": tf.constant([9])})
        >>> evaluator.finish()
        >>> [float(metric.result()) for metric in evaluator.metrics]
        [1.0]
    """

    def __init__(
        self,
        store: CandidateStore,
        metrics: Sequence[RankMetric | RecommendationMetric],
        exclude: Seen | None = None,
        unknown_candidates: str = "error",
        query_id: str | None = None,
        owner: str = "RetrievalModel",
    ) -> None:
        self._owner = owner
        if unknown_candidates not in ("error", "miss"):
            problem = '`unknown_candidates` must be "error" or "miss"'
            received = {"unknown_candidates": unknown_candidates}
            raise ArgumentError(explain(self._owner, problem, fix='Use "miss" to count them as misses', **received))
        if exclude is not None and not isinstance(exclude, Seen):
            fix = "Make it by data.seen(frame, query, candidate)"
            raise ArgumentError(explain(self._owner, "`exclude` must be a `Seen`", exclude=exclude, fix=fix))
        self._store = store
        self._corpus = corpus = store.require_corpus("evaluate")
        self._metrics = list(metrics)
        of_ranks = [metric for metric in self._metrics if isinstance(metric, RankMetric)]
        self._by_row = [metric for metric in of_ranks if metric.per == "row"]
        self._by_query = [metric for metric in of_ranks if metric.per == "query"]
        self._of_recommendations = [metric for metric in self._metrics if isinstance(metric, RecommendationMetric)]
        if query_id is None:
            self._refuse_unknown_queries()
        self._query_id = query_id
        self._log = RanksByQuery() if self._by_query else None
        self._queries = DistinctQueries(store.embedding_dim) if self._of_recommendations else None
        self._lookup = CandidateRows(corpus)
        self._exclude = exclude
        self._unknown_candidates = unknown_candidates
        is_counted = unknown_candidates == "miss"
        self._num_unknown = keras.metrics.Sum(name="num_unknown_held_out") if is_counted else None
        self._num_seen = None if exclude is None else keras.metrics.Sum(name="num_seen_held_out")
        if exclude is not None:
            exclude.check_candidate_type(corpus.vocabulary.dtype, f"{owner}.evaluate")
            self._seen_lookup = IdLookup(exclude.vocabulary, num_oov_indices=1)
            # One empty row more, in front, for queries that are not known.
            splits = np.concatenate([[0], exclude.offsets])
            self._seen_rows = corpus_rows(corpus, splits, exclude.candidate_ids)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """All metrics, those of what was counted last."""
        counted = [metric for metric in (self._num_unknown, self._num_seen) if metric is not None]
        return [*self._metrics, *counted]

    @property
    def query_columns(self) -> tuple[str, ...]:
        """Columns that say which query a row is of, as far as they are read."""
        of_metrics = self._query_id if self._by_query or self._of_recommendations else None
        named = (of_metrics, None if self._exclude is None else self._exclude.query)
        return tuple(name for name in named if name is not None)

    def has_arguments(self, exclude: Seen | None, unknown_candidates: str) -> bool:
        """Returns whether it was made with these arguments, the same objects."""
        return self._exclude is exclude and self._unknown_candidates == unknown_candidates

    def begin(self) -> None:
        """Forgets an evaluation that did not come to its end, and encodes the corpus."""
        self._store.begin_ranking(encode_anew=True)
        if self._log is not None:
            self._log.clear()
        if self._queries is not None:
            self._queries.clear()
        for metric in self._of_recommendations:
            metric.set_candidates(self._corpus.vocabulary)

    def finish(self) -> None:
        """Updates the metrics per query and of recommendations, now that all rows are there."""
        self._store.end_ranking()
        if self._log is not None:
            for held_out in self._log.by_query():
                for metric in self._by_query:
                    metric.update_state(held_out.ranks, held_out.weights, held_out.num_candidates)
            self._log.clear()
        if self._queries is not None:
            self._recommend(self._queries)
            self._queries.clear()

    def update(self, queries: tf.Tensor, features: dict[str, Any], sample_weight: Any = None) -> None:
        """Updates the metrics with a batch.

        Args:
            queries: Query embeddings, shape `(batch, dim)`.
            features: The batch's columns: the candidate id, and the query id when candidates are excluded.
            sample_weight: Shape `(batch,)`, or `None`.
        """
        ranks, num_candidates, true_rows = self.ranked(queries, features)
        for metric in self._by_row:
            metric.update_state(ranks, sample_weight, num_candidates)
        if self._query_id is not None and (self._log is not None or self._queries is not None):
            self._refuse_strategy()
            query_ids = features[require_column(features.keys(), self._query_id, f"{self._owner}: features")]
            weights = tf.ones(tf.shape(ranks)) if sample_weight is None else sample_weight
            if self._log is not None:
                self._log.append(query_ids, ranks, weights, num_candidates)
            if self._queries is not None:
                none = tf.zeros_like(ranks)
                seen_rows = none if self._exclude is None else self._rows_of_seen(features, self._exclude)
                self._queries.append(query_ids, queries, seen_rows, weights)
        if self._num_unknown is not None:
            self._num_unknown.update_state(tf.cast(true_rows < 0, tf.float32))
        if self._num_seen is not None:
            self._num_seen.update_state(tf.cast((true_rows >= 0) & (ranks == MISS), tf.float32))

    def known(self, features: dict[str, Any]) -> tf.Tensor | None:
        """Returns whether each row's candidate is in the corpus, bool of shape `(batch,)`.

        `None` where candidates outside of the corpus are an error.
        """
        if self._unknown_candidates == "error":
            return None
        return self._lookup.rows(features[self._corpus.id_column]) >= 0

    def ranked(
        self, queries: tf.Tensor, features: dict[str, Any], columns: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns of each row the held-out candidate's rank, the number of candidates, and its row in the corpus.

        Args:
            queries: As for `update`.
            features: As for `update`.
            columns: Candidate embeddings, shape `(dim, num_candidates)`; by default those of `begin`.

        Raises:
            DivergedError: A query embedding is not finite.
        """
        owner = f"{self._owner}.evaluate"
        queries = checked_finite(tf.cast(queries, tf.float32), owner, "query embeddings", features)
        true_rows = self._true_rows(features[self._corpus.id_column])
        excluded = None
        num_candidates = tf.fill(tf.shape(true_rows), tf.constant(len(self._corpus), tf.int64))
        if self._exclude is not None:
            excluded = tf.gather(self._seen_rows, self._rows_of_seen(features, self._exclude))
            num_candidates -= excluded.row_lengths()
        columns = self._store.by_column if columns is None else columns
        ranks = ranks_in_tiles(queries, columns, len(self._corpus), true_rows, excluded)
        return ranks, num_candidates, true_rows

    def ranker(
        self, encode: Callable[[dict[str, Any]], tf.Tensor], columns: dict[str, Any], batch_size: int
    ) -> Callable[[], np.ndarray]:
        """Returns a function that ranks all held-out candidates at the present weights, without metrics.

        It gives int64 of shape `(n,)`. Any thread may call it, as often as weights change; it is traced once.

        Args:
            encode: From columns to query embeddings.
            columns: Tensors by name, with the candidate id, and the query id when candidates are excluded.
            batch_size: Rows at a time.
        """
        starts = range(0, num_rows(next(iter(columns.values()))), batch_size)
        # One trace for all batches: a function that is called traces each length, and warns of it.
        ranked = tf.function(
            lambda embeddings, batch: self.ranked(encode(batch), batch, embeddings)[0], autograph=False
        )
        specs = {name: spec_of_rows(column) for name, column in columns.items()}

        def rank() -> np.ndarray:
            if not starts:
                return np.zeros(0, np.int64)
            embeddings = tf.transpose(self._store.embeddings_of(self._corpus))
            of_batch = ranked.get_concrete_function(tf.TensorSpec.from_tensor(embeddings), specs)
            batches = ({name: column[at : at + batch_size] for name, column in columns.items()} for at in starts)
            return tf.concat([of_batch(embeddings, batch) for batch in batches], axis=0).numpy()

        return rank

    def _rows_of_seen(self, features: dict[str, Any], seen: Seen) -> tf.Tensor:
        query_ids = features[seen.query]
        seen.check_query_type(query_ids.dtype.name, f"{self._owner}.evaluate")
        return self._seen_lookup(query_ids)

    def _recommend(self, asked: DistinctQueries) -> None:
        """Updates the metrics of recommendations: one search serves all."""
        k = min(max(metric.k for metric in self._of_recommendations), len(self._corpus))
        embeddings = None
        for queries in asked.in_parts(_NUM_SEARCHED):
            embeddings = self._store.embeddings_of(self._corpus) if embeddings is None else embeddings
            excluded = None if self._exclude is None else tf.gather(self._seen_rows, queries.seen_rows)
            _, rows = exact_top_k(queries.embeddings, embeddings, k, excluded)
            for metric in self._of_recommendations:
                metric.update_state(rows, queries.weights)

    def _refuse_unknown_queries(self) -> None:
        if self._by_query:
            name, fix = self._by_query[0].name, 'Create the model with query_id="...", or the metric with per="row"'
        elif self._of_recommendations:
            name, fix = self._of_recommendations[0].name, 'Create the model with query_id="..."'
        else:
            return
        problem = f"the metric {name!r} is per query, and which column names a query is not known"
        raise ArgumentError(explain(self._owner, problem, query_id=None, fix=fix))

    def _refuse_strategy(self) -> None:
        if tf.distribute.has_strategy():
            problem = "metrics per query need the rows of all replicas together"
            fix = 'Evaluate without tf.distribute, or with rank metrics of per="row" alone'
            names = [metric.name for metric in self._metrics if metric not in self._by_row]
            raise ArgumentError(explain(self._owner, problem, metrics=names, fix=fix))

    def _true_rows(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns the corpus row of each held-out candidate, -1 outside of the corpus."""
        if self._unknown_candidates == "miss":
            return self._lookup.rows(ids)
        where = f"not in the corpus (column {self._corpus.id_column!r})"
        problem = f"{self._owner}.evaluate: {{}} held-out candidates of a batch are {where}"
        fix = 'Add them to the candidates, or count them as misses by unknown_candidates="miss"'
        return self._lookup.known_rows(ids, problem, fix)
