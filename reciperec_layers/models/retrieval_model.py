"""RetrievalModel: two towers, the candidates that can be recommended, and everything a user does with them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_flag, check_integer, check_k, check_number
from reciperec_layers.batching.batch_datasets import make_batches
from reciperec_layers.candidates.candidate_filters import allowed_rows, excluded_rows
from reciperec_layers.candidates.candidate_snapshot import warn_of_padding, with_ids
from reciperec_layers.candidates.candidate_store import CandidateStore
from reciperec_layers.candidates.collected_columns import collected_columns
from reciperec_layers.candidates.evaluations import Evaluations
from reciperec_layers.candidates.evaluator import Evaluator
from reciperec_layers.candidates.pair_encoder import PairEncoder
from reciperec_layers.candidates.popularity_prior import PopularityPrior, resolve_prior
from reciperec_layers.candidates.query_columns import query_table, query_tensors
from reciperec_layers.candidates.recommendation_frame import recommendation_frame, shown_columns
from reciperec_layers.candidates.recommender import Recommender
from reciperec_layers.candidates.similar_rows import similar_rows
from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.id_columns import id_column_of_candidates, renamed_ids
from reciperec_layers.columns.missing_values import refuse_missing_ids
from reciperec_layers.columns.named_columns import has_named_columns, require_named_columns
from reciperec_layers.columns.names import (
    CANDIDATE_COLUMNS,
    QUERY_COLUMNS,
    find_column,
    require_column,
    time_column,
)
from reciperec_layers.columns.tensors import num_rows, require_single_ids, to_tensors
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, IdError, StateError, explain
from reciperec_layers.export.column_forms import column_forms
from reciperec_layers.export.serving_bundle import export_bundle
from reciperec_layers.graph.change_counter import ChangeCounter
from reciperec_layers.graph.graph_errors import raised_as_ours
from reciperec_layers.indexes import INDEXES, Index
from reciperec_layers.indexes.resolve_index import resolve_index
from reciperec_layers.layers.resumable_dropout import ResumableDropout
from reciperec_layers.metrics import RankMetric, RecommendationMetric
from reciperec_layers.models.base_model import BaseModel
from reciperec_layers.models.first_training import FirstTraining
from reciperec_layers.models.model_summary import Part, summary_text, totals_of
from reciperec_layers.models.pair_loss import PairLoss
from reciperec_layers.models.towers_from_data import (
    frame_of_queries,
    names_column,
    refuse_unknown_arguments,
    tower_from_data,
)
from reciperec_layers.models.training_choice import TrainingChoice
from reciperec_layers.saving.keras_names import serializable
from reciperec_layers.towers import Tower
from reciperec_layers.towers.resolve_tower import resolve_tower
from reciperec_layers.towers.tower_columns import check_dims
from reciperec_layers.training.batch import Batch
from reciperec_layers.training.compile_arguments import (
    default_loss,
    default_optimizer,
    resolve_loss,
    resolve_metrics,
)
from reciperec_layers.training.fit_arguments import all_columns, require_columns_or_batches, to_weight_array
from reciperec_layers.training.named_arguments import named_arguments
from reciperec_layers.training.spectral_start import require_table, start_length, start_table, starts_of_ids


@serializable
class RetrievalModel(BaseModel):
    """Two-tower retrieval: learns from pairs of a query and its candidate, and recommends from a corpus.

    Batches are dicts of columns (or `(features, y, sample_weight)`, where `y` is not used): those that the query tower
    reads, and `candidate_id`. What else the candidate tower reads is taken from the corpus by id, unless the batch
    brings it. Calling the model, and `predict`, give query embeddings. Where a tower is deterministic (see
    `Tower.deterministic`) and depends on the id alone, a step computes each id of the batch once, with the same loss.

    Args:
        query_tower: A `Tower`, the config of one (`{"tower": "id", "vocabulary": ..., "embedding_dim": 32}`), or any
            Keras layer or model that maps features to `(batch, embedding_dim)`.
        candidate_tower: The same for candidates.
        candidates: The corpus, unique by id: data frame, dict of columns or dataset of dicts. `None` for a model that
            is only trained; then there are no corpus metrics and no recommendations.
        candidate_id: Column of the candidate ids; by convention `recipe_id`, `item_id` or `movie_id`.
        query_id: Column for a query tower that names none.
        keep_columns: Further columns of `candidates` to keep in the model and its file, such as names.
        index: What finds the candidates that are recommended: the registered name of an index, a config such as
            `{"index": "inverted_file", "scored_fraction": 0.02}`, or an `Index`, whose settings are copied. `evaluate`
            is exact whatever the index.
        prior: What is known of candidates before any query: `"popularity"`, counted when the model is first trained; a
            `PopularityPrior`; or `None`. It is a part of the embeddings. With a prior the ranking is that of popularity
            before the first step.
        queries: Table of queries, one row for each id of `query_id`, from which columns are taken that a batch does
            not bring: data frame or dict of columns.
        keep_queries: Whether the model's file has the table of queries; otherwise `set_queries` gives it anew.
        normalize: Whether the embeddings of both towers are scaled to length 1, so that scores are cosines, with the
            prior added.
        query_dropout: Share of the numbers of a query's embedding, in [0, 1), that training sets to 0.
        chooses_training: Whether the first `fit` chooses what `compile()` leaves open, as `choose_training` does, and
            starts from `warm_start`. Without candidates or `normalize=True` nothing is left open. A trained model says
            `False`, its file too.
        seed: Seed of what is dropped, and of the order of the rows when `fit` gets a frame or dict: that of
            `batches(frame, seed=seed)`. By default both follow `keras.utils.set_random_seed`.
        name: Name of the model.
        **kwargs: `trainable` and `dtype`, as for every Keras model.

    Call arguments:
        inputs: Dict of the columns that the query tower reads, each of shape `(batch, ...)`.
        training: Whether dropouts of the tower apply.

    Returns:
        Query embeddings, shape `(batch, embedding_dim)`.

    Raises:
        ArgumentError: Embedding dims differ, or a tower does not say which column it reads.
        ColumnError: A column is missing from the candidates.
        IdError: Candidate ids repeat or are missing.

    Example:
        >>> from reciperec_layers.towers import IdTower
        >>> model = RetrievalModel(
        ...     query_tower=IdTower([7, 9], 4, feature="user_id"),
        ...     candidate_tower=IdTower(["pie", "soup"], 4, feature="recipe_id"),
        ...     candidates={"recipe_id": ["pie", "soup"]}, candidate_id="recipe_id")
        >>> model.compile(optimizer="adagrad")
        >>> history = model.fit({"user_id": [7, 9], "recipe_id": ["pie", "soup"]}, epochs=2, verbose=0)
        >>> scores, ids = model.recommend({"user_id": [7]}, k=2)
        >>> sorted(ids[0])
        ['pie', 'soup']

    Source:
        The retrieval tutorial of TensorFlow Recommenders, variant without its base class. `loss`,
        `regularization_loss` and `total_loss` are per row, over all rows of the epoch, where TFRS shows the sum of the
        last batch.
    """

    def __init__(
        self,
        query_tower: Any,
        candidate_tower: Any,
        candidates: Any = None,
        candidate_id: str | None = None,
        *,
        query_id: str | None = None,
        keep_columns: Sequence[str] = (),
        index: Any = "brute_force",
        prior: Any = None,
        queries: Any = None,
        keep_queries: bool = False,
        normalize: bool = False,
        query_dropout: float = 0.0,
        chooses_training: bool = False,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        candidates = from_arrow(candidates, f"{self._owner}: candidates")
        if candidate_id is None and isinstance(candidates, Corpus):
            candidate_id = candidates.id_column
        elif candidate_id is None and has_named_columns(candidates):
            candidate_id = find_column(candidates.keys(), CANDIDATE_COLUMNS, owner=f"{self._owner}: candidates")
        super().__init__(name=name, **kwargs)
        self.candidate_id = candidate_id
        self.query_id = query_id
        # Keras walks attributes in alphabetical order and stores a layer under the first path it finds. These names
        # come before `layers`, where the path would be the class's name and a renamed class would break old files.
        self.encoder_of_candidates = resolve_tower(candidate_tower, "candidate_tower", candidate_id, self._owner)
        self.encoder_of_queries = resolve_tower(query_tower, "query_tower", query_id, self._owner)
        check_dims(self._owner, query_tower=self.query_tower, candidate_tower=self.candidate_tower)
        self._keeps_queries = check_flag(self._owner, "keep_queries", keep_queries)
        if isinstance(keep_columns, str):
            fix = f"Use keep_columns=[{keep_columns!r}]"
            problem = "`keep_columns` must be a list of names"
            raise ArgumentTypeError(explain(self._owner, problem, keep_columns=keep_columns, fix=fix))
        self._keep_columns = tuple(keep_columns)
        self.normalize = check_flag(self._owner, "normalize", normalize)
        self.query_dropout = check_number(self._owner, "query_dropout", query_dropout, least=0, below=1, example=0.2)
        self._order_seed = check_integer(self._owner, "seed", seed, least=0, optional=True)
        self.drop_of_queries = ResumableDropout(query_dropout, seed=seed) if query_dropout else None
        sides = self.query_tower, self.candidate_tower, query_id, candidate_id
        self._pairs = PairEncoder(*sides, self._owner, self.normalize, self.drop_of_queries)
        corpus = None if candidates is None else self._corpus_of(candidates, keep_columns, f"{self._owner}: candidates")
        self.candidate_prior = resolve_prior(
            prior, corpus, self.candidate_tower.embedding_dim, self._owner, self.normalize
        )
        self._pairs.prior = self.candidate_prior
        self._store = CandidateStore(
            lambda columns: self._pairs.candidates(columns, joined=False),
            ChangeCounter(*self._pairs.candidate_layers),
            self._pairs.corpus_columns,
            self._pairs.embedding_dim,
            resolve_index(index, self._owner),
            corpus,
            self._owner,
        )
        self._pairs.set_corpus(corpus)
        self._query_table: Corpus | None = None
        if queries is not None:
            self.set_queries(queries)
        self._recommender = self._new_recommender()
        # More threads at once would only wait for Python's lock, and whoever changes candidates with them.
        self._turns = threading.BoundedSemaphore(os.cpu_count() or 1)
        self._evaluations = Evaluations(self._new_evaluator)
        self._corpus_metrics: list[RankMetric | RecommendationMetric] = []
        self._metrics_in_training = False
        self._of_validation: tuple[Any, str] = (None, "error")
        self.in_batch_loss: Any = None
        self._pair_loss = PairLoss(
            self._pairs,
            self.query_tower,
            lambda columns, training: self(columns, training=training),
            lambda columns, training: self.encode_candidates(columns, training=training),
            self.candidate_id,
            self._owner,
        )
        is_due = check_flag(self._owner, "chooses_training", chooses_training)
        self._first_training = FirstTraining(
            self, self._count_prior, self._ranker, self._sampling, self._drawn_seed, is_due
        )
        self.built = True

    @classmethod
    def from_data(
        cls,
        interactions: Any,
        candidates: Any,
        *,
        query_tower: Any = "feature",
        candidate_tower: Any = "feature",
        embedding_dim: int = 32,
        queries: Any = None,
        keep_queries: bool = False,
        prior: Any = "popularity",
        time: str | None = "auto",
        query_id: str | None = None,
        candidate_id: str | None = None,
        candidates_id_column: str | None = None,
        keep_columns: Sequence[str] = (),
        index: Any = "brute_force",
        normalize: bool = True,
        query_dropout: float = 0.2,
        chooses_training: bool = True,
        query_options: dict[str, Any] | None = None,
        candidate_options: dict[str, Any] | None = None,
        seed: int | None = None,
        **unknown: Any,
    ) -> Self:
        """Returns a model with towers made by name from data frames, which starts at the popularity of candidates.

        Args:
            interactions: Training interactions: a column of queries and one of candidates.
            candidates: The corpus, as for the constructor.
            query_tower: What reads queries, made from `interactions` and `queries`: the registered name of a tower; a
                dict of the name under `"tower"` and options; or a tower or Keras layer as it is.
            candidate_tower: The same for candidates, made from `candidates`.
            embedding_dim: Size of the embeddings.
            queries: What is known of queries, one row for each id, such as the age of users.
            keep_queries: As for the constructor.
            prior: As for the constructor. It is counted from `interactions`.
            time: Column of times, with which the prior drifts; `"auto"` for one with a conventional name, if there is
                one, `None` for none. The query tower does not read it, unless its options name it.
            query_id: Column of query ids, by convention `user_id`.
            candidate_id: Column of candidate ids, by convention `recipe_id`, `item_id` or `movie_id`.
            candidates_id_column: Column of ids in `candidates`, if it has another name there; by default
                `candidate_id`, else `id` or another conventional name. The corpus has it under `candidate_id`.
            keep_columns: As for the constructor.
            index: As for the constructor.
            normalize: As for the constructor.
            query_dropout: As for the constructor.
            chooses_training: As for the constructor.
            query_options: Further options of the query tower.
            candidate_options: Further options of the candidate tower.
            seed: Seed of both towers, and as for the constructor.
            **unknown: Refused: options of towers, such as `columns`, go into `query_options` or `candidate_options`.

        Raises:
            ArgumentTypeError: A table is neither a data frame nor a dict of columns, or there is no such argument.
            ColumnError: A column is missing.
            IdError: Rows have no id of the query or the candidate.
        """
        owner = f"{cls.__name__}.from_data"
        refuse_unknown_arguments(cls.from_data, unknown, owner)
        seed = check_integer(owner, "seed", seed, least=0, optional=True, example=1)
        interactions = from_arrow(interactions, f"{owner}: interactions")
        interactions = require_named_columns(interactions, owner, "interactions")
        candidates = from_arrow(candidates, f"{owner}: candidates")
        queries = from_arrow(queries, f"{owner}: queries")
        query_id = find_column(interactions.keys(), QUERY_COLUMNS, query_id, owner)
        candidate_id = find_column(interactions.keys(), CANDIDATE_COLUMNS, candidate_id, owner)
        if has_named_columns(candidates):
            own = id_column_of_candidates(candidates.keys(), candidate_id, candidates_id_column)
            fix = "Say which of them has the ids, by candidates_id_column=..."
            own = require_column(candidates.keys(), own, f"{owner}: candidates", fix=fix)
            refuse_missing_ids(candidates[own], f"{owner}: candidates: column {own!r}")
            candidates = renamed_ids(candidates, own, candidate_id, owner)
        for name in (query_id, candidate_id):
            refuse_missing_ids(interactions[name], f"{owner}: interactions: column {name!r}")
        time = None if prior is None else time_column(interactions.keys(), time, owner)
        compared = {"interactions": interactions, "query_id": query_id, "candidate_id": candidate_id}
        make = partial(tower_from_data, owner=owner, embedding_dim=embedding_dim, seed=seed)
        left_out = None if names_column(time, query_tower, query_options) else time
        frame, table = frame_of_queries(interactions, queries, query_id, left_out, owner)
        query = make(query_tower, "query_tower", frame, query_id, query_options, {**compared, "queries": table})
        candidate = make(candidate_tower, "candidate_tower", candidates, candidate_id, candidate_options, compared)
        reads_table = table is not None and any(name != query_id and name in queries for name in query.features)
        model = cls(
            query,
            candidate,
            candidates,
            candidate_id,
            query_id=query_id,
            keep_columns=keep_columns,
            index=index,
            prior={"prior": prior, "time": time} if isinstance(prior, str) else prior,
            queries=queries if reads_table else None,
            keep_queries=keep_queries,
            normalize=normalize,
            query_dropout=query_dropout,
            chooses_training=chooses_training,
            seed=seed,
        )
        model._count_prior(interactions, f"{owner}: interactions")
        if model.prior is not None and not model.prior.num_interactions.numpy().any():
            problem = f"no id of the column {candidate_id!r} of the interactions is one of the candidates"
            assert model.corpus is not None
            ids = {"interactions": list(interactions[candidate_id][:3]), "candidates": model.corpus.vocabulary.ids[:3]}
            raise IdError(explain(owner, problem, fix="Check how both were read", **ids))
        return model

    @property
    def query_tower(self) -> Tower:
        """The tower of queries."""
        return self.encoder_of_queries

    @property
    def candidate_tower(self) -> Tower:
        """The tower of candidates."""
        return self.encoder_of_candidates

    @property
    def prior(self) -> PopularityPrior | None:
        """What is known of candidates before any query, or `None`."""
        return self.candidate_prior

    @property
    def query_columns(self) -> tuple[str, ...]:
        """Names of the columns that the query tower reads."""
        return self._pairs.query_columns

    @property
    def candidate_columns(self) -> tuple[str, ...]:
        """Names of the columns that the candidate tower reads."""
        return self._pairs.candidate_columns

    @property
    def query_id_column(self) -> str | None:
        """Name of the column that says which rows belong to one query: `query_id`, or the only one the tower reads."""
        return self.query_id or (self.query_columns[0] if len(self.query_columns) == 1 else None)

    @property
    def corpus(self) -> Corpus | None:
        """The candidates, or `None`."""
        return self._store.corpus

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The losses' means, and the corpus metrics."""
        current = self._evaluations.current
        return [*super().metrics, *(current.evaluator.metrics if current else self._corpus_metrics)]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self._pairs.queries(inputs, training)

    def encode_candidates(self, features: Any, training: bool | None = None) -> Any:
        """Returns candidate embeddings of a dict of columns, shape `(batch, embedding_dim)`.

        Columns that are missing are taken from the corpus by id, in eager code and in graphs.
        """
        return self._pairs.candidates(features, training)

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Iterable[RankMetric | RecommendationMetric] | RankMetric | RecommendationMetric | None = None,
        *,
        corpus_metrics_in_training: bool = False,
        **kwargs: Any,
    ) -> None:
        """Prepares training and evaluation.

        Args:
            optimizer: Keras optimizer or its name; those of this package's `optimizers` cost what a batch costs, and
                are wrapped in its `LossScaleOptimizer` where Keras would wrap them in its own (`auto_scale_loss`). By
                default `optimizers.Adam(0.01)` whose rate falls to 0 over the epochs of `fit`, if the model scales
                embeddings to length 1, and otherwise `Adam(0.003)`.
            loss: A `losses.RetrievalLoss`. By default `CorpusSoftmax(normalizer_weight=1.2)` if the model has
                candidates and scales embeddings to length 1, with `top_k=20` if there are more than 10,000 and
                `num_sampled=4096` if more than 50,000, or more than 10,000 of which the tower reads more than an id;
                the first `fit` then chooses its temperature. Otherwise `InBatchSoftmax()`; with a prior that also
                corrects for how often candidates occur, and removes accidental hits.
            metrics: One or more metrics of the held-out candidate's rank in the corpus, or of what is recommended;
                by default top-k accuracy at 1, 5, 10, 50 and 100.
            corpus_metrics_in_training: Whether training computes those of ranks; every step then encodes the corpus.
            **kwargs: `run_eagerly`, `steps_per_execution`, `jit_compile` and `auto_scale_loss`, as for
                `keras.Model.compile`. Lookups of ids cannot be compiled by XLA.

        Raises:
            ArgumentError: The loss is not a layer, does not reduce, or needs ids that the model does not know; a
                metric cannot be computed; `jit_compile` is `True`, `steps_per_execution` is not a positive integer, or
                there is no such argument.
        """
        owner = f"{self._owner}.compile"
        metrics = resolve_metrics(metrics, owner, corpus_metrics_in_training)
        self._first_training.set_open(
            chooses=loss is None and self.normalize and self.corpus is not None,
            lowers_rate=optimizer is None and self.normalize,
        )
        if loss is None:
            size = None if self.corpus is None else len(self.corpus)
            is_table = self._pairs.candidates_are_rows
            loss = default_loss(self.prior, self.normalize, size, self._order_seed, is_table=is_table)
        loss = resolve_loss(loss, owner)
        if self.candidate_id is None and getattr(loss, "needs_candidate_ids", False):
            problem = "`loss` needs candidate ids, and which column holds them is not known"
            raise ArgumentError(explain(owner, problem, loss=loss, fix='Create the model with candidate_id="..."'))
        if self.corpus is None and getattr(loss, "scores_corpus", False):
            problem = "`loss` compares with the whole corpus, and the model has no candidates"
            raise ArgumentError(explain(owner, problem, loss=loss, fix="Create the model with candidates=..."))
        super().compile(default_optimizer(self.normalize) if optimizer is None else optimizer, **kwargs)
        if self.prior is not None:
            self.prior.set_temperature(getattr(loss, "temperature", 1.0))
        self._recommender = self._new_recommender()
        for replaced in (self.in_batch_loss, *self._corpus_metrics):
            self._tracker.untrack(replaced)  # Keras would keep each that the model was ever compiled with
        self.in_batch_loss = loss
        self._pair_loss.set(loss, self.corpus)
        self._corpus_metrics = metrics if self.corpus is not None else []
        self._metrics_in_training = bool(corpus_metrics_in_training) and self.corpus is not None
        self._compile_arguments |= {
            "loss": loss,
            "metrics": self._corpus_metrics or None,
            "corpus_metrics_in_training": corpus_metrics_in_training,
        }
        self._renew_evaluation()

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        return {**config, "left_open": self._first_training.left_open} if config else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        super().compile_from_config({name: value for name, value in config.items() if name != "left_open"})
        if "left_open" in config:
            self._first_training.set_open(**config["left_open"])

    def columns_read(self, names: Sequence[str], method: str) -> Iterable[str]:
        """Returns the columns of a frame or dict that the model reads; others may hold anything.

        These are the columns of the query tower and, unless queries alone are asked for, the candidate id, and where
        they are there the columns of the candidate tower and those that say which query a row is of. A subclass that
        computes something else from batches reads all, unless it overrides this method.
        """
        if any(getattr(type(self), name) is not getattr(RetrievalModel, name) for name in _READING):
            return names
        of_queries = self._pairs.columns_to_take(names, may_miss=method == "predict")
        if method == "predict":
            return of_queries
        needed = (*of_queries, *(() if self.candidate_id is None else (self.candidate_id,)))
        current = self._evaluations.current
        of_metrics = () if current is None else current.evaluator.query_columns
        of_batches = (self.query_id_column,) if method == "batches" else ()
        exclude, _ = self._of_validation
        of_validation = () if exclude is None else (exclude.query,)
        others = (*self.candidate_columns, *of_metrics, *of_batches, *of_validation)
        found = [name for name in others if name in names]
        return dict.fromkeys((*needed, *found))

    def read_column(self, column: Any, owner: str, name: str) -> Any:
        """Returns a column as the tensor that the towers and the prior take."""
        return self._pairs.read(column, owner, name)

    def batches(
        self,
        data: Any,
        batch_size: int = 1024,
        *,
        seed: int | None = None,
        initial_epoch: int = 0,
        shuffle_window: int = 2**20,
        drop_remainder: bool = False,
        by: str | None = None,
    ) -> tf.data.Dataset:
        """Returns `data.batches` of the columns that the model reads; others may hold anything.

        Args:
            data: Data frame, dict of columns, or paths of Parquet files, as for `data.batches`. What `data.batches`
                leaves out of files or refuses, such as times, gaps and lists, is read as in a frame, piece by piece.
            batch_size: Rows of a batch; with `by` the queries of a batch.
            seed: Seed of the order of the rows, which is another one in each epoch; `None` to keep it.
            initial_epoch: As for `data.batches`.
            shuffle_window: As for `data.batches`.
            drop_remainder: As for `data.batches`.
            by: `"query"` to have all rows of a query in one batch, which makes `losses.CorpusSoftmax` cheap.

        Raises:
            ArgumentError: Which column has the query ids is not known, or `by` is something else.
            ColumnError: A column is missing.
            IdError: An id is missing.
        """
        columns = partial(self.columns_read, method="batches")
        owner = f"{self._owner}.batches"
        if by not in (None, "query") or (by is not None and self.query_id_column is None):
            problem = '`by` must be None or "query"' if by != "query" else "which column has the query ids is not known"
            fix = 'Use by="query", with a model that has query_id="..."'
            raise ArgumentError(explain(owner, problem, by=by, fix=fix))
        order = (seed, initial_epoch, shuffle_window, drop_remainder, None if by is None else self.query_id_column)
        return make_batches(data, batch_size, columns, *order, owner, self.read_column, self._pairs.is_plain)

    def warm_start(self, interactions: Any, seed: int | None = None) -> None:
        """Starts training where interactions point to, by a decomposition that takes seconds: fewer epochs are needed.

        Embeddings of the ids become the strongest directions of the table of queries and candidates; see
        `training.spectral_start`. With a prior they count from the first step on, beside popularity.

        Args:
            interactions: Training rows: data frame, dict of columns, or a dataset of batches.
            seed: Seed of the decomposition.

        Raises:
            ArgumentError: Which column holds the ids of queries or candidates is not known, or a tower has no table of
                ids whose rows are embeddings.
            ColumnError: A column is missing.
            StateError: Another thread trains or evaluates the model.
        """
        owner = f"{self._owner}.warm_start"
        query_id, candidate_id = self.query_id_column, self.candidate_id
        if query_id is None or candidate_id is None:
            fix = 'Create the model with query_id="..." and candidate_id="..."'
            raise ArgumentError(explain(owner, "which columns hold the ids is not known", fix=fix))
        sides = (self.query_tower, query_id), (self.candidate_tower, candidate_id)
        tables = [require_table(tower, name, owner) for tower, name in sides]
        with self._busy.doing("warm_start", self._owner), raised_as_ours():
            columns = collected_columns(interactions, [query_id, candidate_id], self.read_column, owner)
            starts = starts_of_ids(columns[query_id], columns[candidate_id], self.query_tower.embedding_dim, seed)
            temperature = getattr(self.in_batch_loss, "temperature", 1.0)
            for (tower, _), table, start in zip(sides, tables, starts, strict=True):
                is_normalized = self.normalize or getattr(tower, "normalize", False)
                start_table(*table, start, start_length(is_normalized, temperature))
            if self.prior is not None:
                if not self.prior.is_counted:
                    self._count_prior(interactions)
                self.prior.gate.assign(tf.ones_like(self.prior.gate))

    def choose_training(
        self,
        x: Any,
        *,
        epochs: int | None = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        callbacks: Iterable[Any] = (),
    ) -> TrainingChoice:
        """Chooses what `compile()` has left open, as the first `fit` does by itself, which then takes this choice.

        Of the rows of each query a tenth is held out, the newest where the prior knows times, at most 10,000 of all
        and none where a query has one. Temperatures are tried with some 100 steps each, unless `compile` was given a
        loss; then the model is trained until the held-out rows are ranked no better for five epochs, at most 30, at the
        best of them and the next lower ones as long as they are better. Where of 30 epochs one of the last five was the
        best, 60 are chosen. Steps of trials draw a sample of a corpus of more than 10,000. In the end the weights are
        what they were.

        Args:
            x: As for `fit`; a dataset must end.
            epochs: How many epochs `fit` will be asked for; by default they are chosen, at most 60.
            sample_weight: As for `fit`.
            batch_size: As for `fit`.
            verbose: Whether to print a line for each trial; or a function that gets the line.
            callbacks: Keras callbacks of the training that chooses the number of epochs.

        Returns:
            What was chosen. Where fewer than 100 rows could be held out none are: the temperature stays as it is, and
            there are ten epochs.

        Raises:
            StateError: The model has not `chooses_training=True`, is not compiled, or was trained.
            ArgumentError: All rows are needed, and the dataset does not end or is sparse.
        """
        owner = f"{self._owner}.choose_training"
        if not self._first_training.is_due or not self.compiled:
            problem = "only a compiled model with chooses_training=True that was not trained yet can be tried out"
            fix = "Call compile()" if self._first_training.is_due else "Make a new one, for example by from_data"
            raise StateError(explain(owner, problem, fix=fix))
        columns = all_columns(from_arrow(x, owner), partial(self._to_input, method="fit", caller="choose_training"))
        if columns is None:
            fix = "Pass a data frame or a dict of columns"
            raise ArgumentError(explain(owner, "all rows are needed at once", x=x, fix=fix))
        options = {"epochs": epochs, "sample_weight": sample_weight, "batch_size": batch_size, "verbose": verbose}
        options |= to_weight_array(options, columns, owner)
        with self._busy.doing("choose_training", self._owner), raised_as_ours():
            return self._first_training.choose_for_fit(columns, options, list(callbacks))

    def compute_losses(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns `{"loss": ...}`: that of the queries and their candidates, against the negatives."""
        features = batch.features
        if training and not tf.distribute.has_strategy():
            self._first_training.begin()  # for loops of a user's own; `fit` does it before each epoch, too
        if self.candidate_id is not None:
            name = require_column(features.keys(), self.candidate_id, f"{self._owner}: features")
            require_single_ids(features[name], name, self._owner)
        queries, query_rows = self._pair_loss.queries(features, training)
        batch.query_embeddings = queries if query_rows is None else tf.gather(queries, query_rows)
        batch.losses_are_sums = getattr(self.in_batch_loss, "reduction", "sum") == "sum"
        known = None if training else self._evaluations.known(features)
        if known is None:
            return {"loss": self._pair_loss.of(queries, features, batch.sample_weight, training, query_rows)}
        # Candidates outside of the corpus cannot be encoded: they are misses, and have no loss.
        rows = tf.where(known)[:, 0]
        batch.num_loss_rows = tf.size(rows)
        loss_of_known = lambda: self._pair_loss.of_rows(rows, batch, training)  # noqa: E731
        return {"loss": tf.cond(tf.size(rows) > 0, loss_of_known, lambda: tf.zeros(()))}

    def update_metrics(self, batch: Batch, training: bool) -> Iterable[keras.metrics.Metric]:
        """Updates the corpus metrics with a batch; in training only where `compile` asked for it."""
        current = self._evaluations.current
        if current is None or (training and not self._metrics_in_training):
            return ()
        if training:
            self._store.encode_in_graph()
        current.evaluator.update(batch.query_embeddings, batch.features, batch.sample_weight)
        return current.evaluator.metrics

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        exclude: Any = None,
        unknown_candidates: str = "error",
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does; also takes data frames and dicts of lists, arrays or pandas columns.

        A dataset of `data.batches` gets the order of each epoch, also when training is resumed. As in Keras,
        `steps_per_epoch` is rounded up to a multiple of `steps_per_execution`.

        Args:
            x: Batches, a data frame, or a dict of columns: those that the query tower reads, and the candidate id.
            y: Must be `None`: there are no targets beside the candidates.
            *args: As for `keras.Model.fit`; for columns `batch_size` is 1,024 by default. With a loss that takes
                queries once, such as `CorpusSoftmax`, rows of a query stay together, and it counts queries: a twentieth
                of all, between 64 and 128, or 256 where more than 10,000 candidates are taken whole, fewer for less
                than 512. Without `epochs`, where `compile` was given no loss, a model with `chooses_training`, as
                `from_data` makes it, chooses their number when it is first trained, as `choose_training` does.
                Otherwise there is one.
            exclude: As for `evaluate`, for `validation_data`: what is validated is then what `evaluate` reports.
            unknown_candidates: As for `evaluate`, for `validation_data`.
            **kwargs: As for `keras.Model.fit`.

        Returns:
            Keras's `History`. Losses are per row, over all rows of an epoch.

        Raises:
            ArgumentError: `class_weight` or `y` is given: there are no classes and no targets. `exclude` or
                `unknown_candidates` is given without validation data. A count, such as `epochs`, is not an integer or
                too small. There are more or fewer weights than rows.
            ArgumentTypeError: There is no such argument.
            DivergedError: The loss of a step is not finite; names the epoch, the step, and the columns of the batch
                that are not finite. The step has changed no weight.
            UnknownIdError: An id is unknown to a tower without OOV rows.
            StateError: Another thread trains or evaluates the model.
        """
        owner = f"{self._owner}.fit"
        kwargs = named_arguments("fit", args, kwargs, owner, ("exclude", "unknown_candidates"))
        x = from_arrow(x, owner)
        _refuse_targets(x, y, owner)
        with self._busy.doing("fit", self._owner):
            columns = partial(all_columns, x, partial(self._to_input, method="fit"))
            kwargs = self._first_training.options_of_fit(columns, kwargs)
            if self.prior is not None and not self.prior.is_counted:
                require_columns_or_batches(x, owner)
                with raised_as_ours():
                    self._count_prior(x)
            if exclude is not None or unknown_candidates != "error":
                self._check_validation(exclude, unknown_candidates, kwargs)
            self._of_validation = exclude, unknown_candidates
            try:
                return super().fit(x, y, **kwargs)
            finally:
                self._of_validation = None, "error"

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        exclude: Any = None,
        unknown_candidates: str = "error",
        **kwargs: Any,
    ) -> Any:
        """Evaluates each row against the whole corpus, which is encoded once.

        Args:
            x: As for `fit`.
            y: Must be `None`: there are no targets beside the candidates.
            *args: As for `keras.Model.evaluate`.
            exclude: `data.seen(...)`: candidates that a query has had cannot be hit. A held-out candidate that was
                seen is a miss, counted under `num_seen_held_out`.
            unknown_candidates: What a held-out candidate outside of the corpus is: an `"error"`, or a `"miss"` that
                is counted under `num_unknown_held_out`.
            **kwargs: As for `keras.Model.evaluate`.

        Returns:
            Losses per row and `factorized_top_k/...`, as for `keras.Model.evaluate`.

        Raises:
            UnknownIdError: A held-out candidate is not in the corpus.
            ArgumentError: `y` is given: there are no targets.
        """
        if kwargs.get("_use_cached_eval_dataset"):  # by which Keras's `fit` asks
            exclude, unknown_candidates = self._of_validation
        else:
            _refuse_targets(x, y, f"{self._owner}.evaluate")
        if exclude is None and unknown_candidates == "error":
            return super().evaluate(x, y, *args, **kwargs)
        self._store.require_corpus("evaluate with `exclude` or `unknown_candidates`")
        busy = self._busy.doing("evaluate", self._owner)
        with busy, self._evaluations.special(exclude, unknown_candidates) as special:
            plain_function, self.test_function = self.test_function, special.function
            try:
                return super().evaluate(x, y, *args, **kwargs)
            finally:
                special.function, self.test_function = self.test_function, plain_function

    def held_out_ranks(
        self, data: Any, exclude: Any = None, unknown_candidates: str = "error", batch_size: int = 1024
    ) -> np.ndarray:
        """Returns the rank of each row's candidate in the whole corpus, 1 for the best.

        Args:
            data: Data frame or dict of the columns that the query tower reads, the candidate id, and the query id
                where candidates are excluded.
            exclude: As for `evaluate`.
            unknown_candidates: As for `evaluate`.
            batch_size: Rows at a time.

        Returns:
            int64 of shape `(n,)`, `metrics.MISS` where a candidate cannot be recommended. What `evaluate` computes
            its metrics from.

        Raises:
            UnknownIdError: A candidate is not in the corpus.
            StateError: The model has no candidates.
        """
        rank = self._ranker(data, exclude, unknown_candidates, batch_size)
        with raised_as_ours():
            return rank()

    def _ranker(
        self, data: Any, exclude: Any = None, unknown_candidates: str = "error", batch_size: int = 1024
    ) -> Callable[[], np.ndarray]:
        """Returns a function that does what `held_out_ranks` does, at the weights that there are when it is called."""
        owner = f"{self._owner}.held_out_ranks"
        corpus = self._store.require_corpus("held_out_ranks")
        data = from_arrow(data, owner)
        evaluator = Evaluator(self._store, [], exclude, unknown_candidates, owner=self._owner)
        # Only these: other columns of a frame, such as times, need not fit into a tensor.
        of_queries = self._pairs.columns_to_take(data.keys())
        names = {*of_queries, corpus.id_column, *(() if exclude is None else (exclude.query,))}
        chosen = {name: data[require_column(data.keys(), name, owner)] for name in names}
        columns = to_tensors(chosen, owner, self.read_column)
        require_single_ids(columns[corpus.id_column], corpus.id_column, owner)
        return evaluator.ranker(self, columns, batch_size)

    def recommend(
        self, features: Any, k: int = 10, exclude: Any = None, *, allow: Any = None, as_frame: bool = False
    ) -> Any:
        """Returns the k best candidates of each query, as the model's index finds them: exactly, unless told otherwise.

        Args:
            features: Data frame or dict of the columns that the query tower reads, one row a query; for one query lists
                of one value, `{"user_id": [7]}`.
            k: How many; above the size of the corpus the rest is padded, with a warning, up to 67 million empty places.
            exclude: Candidates that a query may not get: `data.seen(...)`, which looks rows up by query id, or a list
                of lists of ids, one per row. Ids outside of the corpus are ignored.
            allow: Candidates that may be recommended: ids for all rows, or a list of lists of ids, one per row. What
                is excluded is left out of them; ids outside of the corpus are ignored.
            as_frame: Whether to return a data frame.

        Returns:
            Scores, float32 of shape `(n, k)`, best first, and ids of the same shape, int64 or `str` objects. Equal
            scores are in the order of the corpus. Empty places have the score -inf, which is the only signal, and
            the id -1 or `""`. With `as_frame` a data frame with one row a recommendation, without empty places:
            the query's columns as they were given, also those that the model does not read, unless the corpus has one
            of that name; `query_knowledge` and `candidate_knowledge`, each `"hot"`, `"warm"` or `"cold"`, as the
            methods of these names say; `rank` from 1, `score`, and the columns of the corpus, except for long ones that
            the candidate tower reads and `keep_columns` does not name: texts of more than 100 characters on average,
            and several values a row.

        Raises:
            StateError: The model has no candidates.
            ColumnError: A column is missing.
            ArgumentTypeError: `features` has no columns by name, or a single value in place of a column.
            DivergedError: The embeddings are not finite.
            ArgumentError: `exclude` or `allow` do not fit the rows.
            IdError: Ids of queries are missing or of another type than in training, or `exclude` or `allow` have ids of
                another type than the corpus's. A query that nobody knows has an id that was not in training.
        """
        owner = f"{self._owner}.recommend"
        with self._turns:
            snapshot = self._store.snapshot("recommend")
            corpus = snapshot.corpus
            features = from_arrow(features, owner)
            tensors = self._query_tensors(features, exclude, owner)
            rows = num_rows(next(iter(tensors.values())))
            excluded = None if exclude is None else excluded_rows(corpus, exclude, tensors, rows, owner)
            allowed = None if allow is None else allowed_rows(corpus, allow, rows, excluded, owner)
            k = check_k(owner, k, len(corpus), rows)
            scores, ids = self._recommender.search(snapshot, tensors, k, excluded, allowed, owner)
        warn_of_padding(k, len(corpus))
        if not as_frame:
            return scores, ids
        of_candidates = partial(self._pairs.knowledge_of_candidates, corpus)
        of_queries = self._pairs.knowledge_of_queries(tensors)
        names = shown_columns(corpus, self.candidate_columns, self._keep_columns)
        return recommendation_frame(corpus, features, scores, ids, of_queries, of_candidates, names)

    def query_knowledge(self, features: Any) -> Any:
        """Returns what the query tower knows of queries, by which it embeds them.

        Args:
            features: As for `recommend`.

        Returns:
            Data frame with one row a query. `knowledge` is `"hot"` if the id was trained, `"warm"` if it is unknown
            and other columns tell something, `"cold"` if nothing is known, and `None` where the tower cannot tell. A
            time tells nothing. `known_columns` has the names of the columns that tell something beside ids.

        Raises:
            ColumnError: A column is missing.
        """
        owner = f"{self._owner}.query_knowledge"
        tensors = self._query_tensors(from_arrow(features, owner), None, owner)
        return self._pairs.knowledge_of_queries(tensors).frame()

    def candidate_knowledge(self, candidate_ids: Any = None, trained_ids: Any = None) -> Any:
        """Returns what the candidate tower knows of candidates, by which it embeds them.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`; by default all.
            trained_ids: Candidates that occurred in training. By default those that the prior has counted; without
                one, all whose id the tower knows.

        Returns:
            Data frame as that of `query_knowledge`, by candidate id.

        Raises:
            UnknownIdError: An id is not in the corpus.
            StateError: The model has no candidates.
        """
        import pandas as pd  # not needed to train, and slow to import

        corpus = self._store.require_corpus("candidate_knowledge")
        rows = np.arange(len(corpus))
        if candidate_ids is not None:
            rows = self._store.rows_of(corpus, candidate_ids, "candidate_knowledge")
        ids = corpus.vocabulary.ids[rows]
        was_trained = None
        if trained_ids is not None:
            was_trained = np.isin(rows, corpus.vocabulary.lookup(trained_ids))
        knowledge = self._pairs.knowledge_of_candidates(corpus, rows, was_trained)
        return knowledge.frame(pd.Index(ids, name=corpus.id_column))

    def similar(self, candidate_ids: Any, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Returns the k candidates nearest to each of some candidates, by cosine similarity, without itself.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`.
            k: How many.

        Returns:
            Similarities in [-1, 1], float32 of shape `(n, k)`, best first, and ids, as for `recommend`.

        Raises:
            UnknownIdError: An id is not in the corpus.
            StateError: The model has no candidates.
        """
        corpus, embeddings = self._store.embedded("similar")
        embeddings = embeddings[:, : self.candidate_tower.embedding_dim]  # without the prior
        rows = self._store.rows_of(corpus, candidate_ids, "similar")
        k = check_k(f"{self._owner}.similar", k, len(corpus), len(rows))
        warn_of_padding(k, len(corpus))
        return with_ids(corpus, *similar_rows(embeddings, rows, min(k, len(corpus))), k)

    def candidate_embeddings(self) -> Any:
        """Returns the embeddings of the corpus as a data frame, float32, by candidate id.

        Raises:
            StateError: The model has no candidates.
        """
        import pandas as pd  # not needed to train, and slow to import

        corpus, embeddings = self._store.embedded("candidate_embeddings")
        return pd.DataFrame(embeddings.numpy(), index=pd.Index(corpus.vocabulary.ids, name=corpus.id_column))

    # A method: Keras reads all properties when it saves, and would take the index for one of the model's layers.
    def candidate_index(self) -> Index:
        """Returns the index of the corpus, encoded and built anew where weights have changed.

        It is searched by embeddings, as the query tower makes them, `audit` compares it with others, and
        `Index.save` writes it to a file of its own. `recommend` searches it by features. Add and remove candidates by
        the model, which keeps their columns too: an index that is changed here gets the model's candidates again.

        Raises:
            StateError: The model has no candidates.
            DivergedError: The embeddings are not finite.
        """
        return self._store.snapshot("candidate_index").index

    def warm_up(self, example: Any = None) -> None:
        """Encodes the corpus, builds the index and traces the graph of `recommend`, which else the first call does.

        Args:
            example: A few rows of the columns that the query tower reads, as `recommend` takes them, for their dtypes
                and shapes. Not needed for towers of one id column and for functional Keras models.

        Raises:
            StateError: The model has no candidates.
            DivergedError: The embeddings are not finite.
            ArgumentError: Dtype and shape of a column are not known.
        """
        snapshot, owner = self._store.snapshot("warm_up"), f"{self._owner}.warm_up"
        forms = self._query_forms(example, owner)
        shapes = {name: [0, *(size or 0 for size in form.shape[1:])] for name, form in forms.items()}
        columns = {name: tf.zeros(shape, forms[name].dtype) for name, shape in shapes.items()}
        self._recommender.warm_up(snapshot, columns, owner)

    def set_index(self, index: Any) -> None:
        """Searches the corpus with another index from now on. It is built when it is first needed.

        Args:
            index: As for the model.
        """
        with self._busy.doing("set_index", self._owner, brief=True):
            self._store.set_index(resolve_index(index, self._owner))
            self._recommender = self._new_recommender()

    def set_candidates(self, candidates: Any, keep_columns: Iterable[str] | None = None) -> None:
        """Takes another corpus, of any size. Weights stay as they are.

        Args:
            candidates: As for the model.
            keep_columns: Further columns to keep; by default those that are kept of the present corpus.

        Raises:
            ColumnError: A column is missing.
            IdError: An id repeats or is missing.
        """
        owner = f"{self._owner}.set_candidates"
        candidates = from_arrow(candidates, owner)
        kept = self._keep_columns if keep_columns is None else tuple(keep_columns)
        if keep_columns is None and self.corpus is not None:
            self.corpus.require_columns(candidates, owner)
            keep_columns = self.corpus.names
        keep_columns = () if keep_columns is None else tuple(keep_columns)
        corpus = self._corpus_of(candidates, keep_columns, owner)
        with self._busy.doing("set_candidates", self._owner, brief=True):
            self._keep_columns = kept
            self._store.set_corpus(corpus)
            self._corpus_changed()

    def append_candidates(self, candidates: Any) -> None:
        """Adds candidates behind the others. Only they are encoded, and no clusters of an index are learned anew.

        Args:
            candidates: As for the model, with all columns of the corpus.

        Raises:
            StateError: The model has no candidates, or another thread trains or evaluates it.
            ColumnError: A column is missing.
            IdError: An id is there already, or is missing.
        """
        corpus = self._store.require_corpus("append_candidates")
        owner = f"{self._owner}.append_candidates"
        candidates = from_arrow(candidates, owner)
        corpus.require_columns(candidates, owner)
        read = self._pairs.read_candidates
        added = Corpus(candidates, corpus.id_column, corpus.names, read=read, owner=owner)
        with self._busy.doing("append_candidates", self._owner, brief=True):
            self._store.append(added)
            self._corpus_changed()

    def remove_candidates(self, candidate_ids: Any) -> None:
        """Takes candidates out.

        Args:
            candidate_ids: Ids of the corpus, shape `(n,)`.

        Raises:
            StateError: The model has no candidates.
            UnknownIdError: An id is not in the corpus.
            ArgumentError: No candidate would be left.
        """
        with self._busy.doing("remove_candidates", self._owner, brief=True):
            self._store.remove(candidate_ids)
            self._corpus_changed()

    def set_queries(self, queries: Any) -> None:
        """Takes another table of queries, from which columns that a batch does not bring are taken by id.

        Args:
            queries: Data frame or dict of columns, one row for each query id; `None` for no table.

        Raises:
            ArgumentError: Which column holds the query ids is not known.
            ColumnError: It is missing, or there is no column that the query tower reads beside it.
            IdError: An id repeats, is missing, or has another type than the ids that the model knows.
        """
        owner, id_column = f"{self._owner}.set_queries", self.query_id_column
        form_of_ids = None if id_column is None else self._pairs.form(id_column)
        with self._busy.doing("set_queries", self._owner, brief=True):
            self._query_table = query_table(
                queries, id_column, self.query_columns, self.read_column, owner, form_of_ids
            )
            self._pairs.set_queries(self._query_table)
            self.train_function = self.test_function = None  # they were traced with columns of the other table
            self._recommender = self._new_recommender()

    def encode_corpus(self) -> None:
        """Computes the embeddings of the corpus anew. What needs them does so by itself when weights change."""
        self._store.encode()
        self._recommender = self._new_recommender()  # the query tower, too, may have changed in more than its weights

    def export(
        self,
        filepath: Any,
        *,
        k: int = 10,
        example: Any = None,
        overwrite: bool = True,
        format: str = "tf_saved_model",
    ) -> None:
        """Writes query tower and index as a SavedModel, which a process with TensorFlow alone loads and calls.

        `tf.saved_model.load(filepath).signatures` has three functions of the columns that the query tower reads. They
        return `"scores"` and `"ids"` of shape `(n, k)`, as `recommend` does, text as bytes. `"serving_default"` gives
        the `k` of the export. `"recommend"` takes also `k`, int32, and `exclude`, candidate ids of shape `(n, m)`,
        where -1 or `""` fills up a row and ids outside of the corpus are ignored; `"recommend_allowed"` in addition
        `allow`, of the same form. See also `models.verify_bundle`.

        Args:
            filepath: The folder. It is written beside its place and renamed, so that it is never half an export.
            k: How many candidates `"serving_default"` gives.
            example: A few rows of the columns that the query tower reads, as `recommend` takes them, for their dtypes
                and shapes. Not needed for towers of one id column and for functional Keras models.
            overwrite: Whether an exported folder may be replaced. Any other folder stays as it is.
            format: `"tf_saved_model"`, the only one.

        Raises:
            StateError: The model has no candidates.
            DivergedError: The embeddings are not finite.
            ArgumentError: Dtype and shape of a column are not known, or an argument is out of its range.
            OutputExistsError: The folder is there, and `overwrite` is not set or it is not an exported model.
            OutputError: It cannot be written.
        """
        owner = f"{self._owner}.export"
        if format != "tf_saved_model":
            fix = 'Use "tf_saved_model"'
            raise ArgumentError(explain(owner, "there is no such format", format=format, fix=fix))
        self._store.require_corpus("export")
        forms = self._query_forms(example, owner)
        encode = lambda columns: self(columns, training=False)  # noqa: E731 - as `recommend` does
        export_bundle(encode, self._pairs.query_parts, forms, self._store, filepath, k, overwrite, owner)

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Prints towers with the columns that they read, shapes and weights; the candidates, and the index.

        Args:
            line_length: Characters of a line.
            positions: Where columns end, as shares of the line.
            print_fn: Gets the whole text, in place of `print`.
            expand_nested: Whether to list the layers within towers.
            show_trainable: Whether to show what is trainable.
            layer_range: As for `keras.Model.summary`, whose list of layers is then printed.
        """
        if layer_range is not None:
            arguments = (line_length, positions, print_fn, expand_nested, show_trainable, layer_range)
            super().summary(*arguments)
            return
        printed: list[str] = []
        super().summary(print_fn=printed.append)
        shape = (None, self.query_tower.embedding_dim)
        parts = [
            Part("query_tower", self.query_tower, self.query_columns, shape),
            Part("candidate_tower", self.candidate_tower, self.candidate_columns, shape),
            *(Part(each.name, each) for each in self.layers if each not in (self.query_tower, self.candidate_tower)),
        ]
        corpus, index = self.corpus, self._store.index
        candidates = "none" if corpus is None else f"{len(corpus):,} (columns: {', '.join(corpus.names)})"
        notes = [f"Candidates: {candidates}", f"Index: {INDEXES.name_of(type(index)) or type(index).__name__}"]
        text = summary_text(
            f'{self._owner}: "{self.name}"',
            parts,
            notes,
            totals_of("".join(printed)),
            line_length,
            positions,
            expand_nested,
            show_trainable,
        )
        (print if print_fn is None else print_fn)(text)

    def make_test_function(self, force: bool = False) -> Any:
        """Encodes the corpus where weights have changed, and sets the function that evaluates the next batches."""
        if self._evaluations.current is not None:
            self._evaluations.current.evaluator.begin()
        return super().make_test_function(force)

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns all metrics as a dict, as Keras does at the end of an evaluation."""
        if self._evaluations.current is not None:
            self._evaluations.current.evaluator.finish()
        return super().get_metrics_result()

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains on one batch as `BaseModel.train_on_batch` does; then there is nothing for `fit` to choose."""
        self._first_training.begin()
        return super().train_on_batch(x, y, *args, **kwargs)

    def set_weights(self, weights: Any) -> None:
        """Sets all weights as `keras.Model.set_weights` does; then there is nothing for `fit` to choose."""
        super().set_weights(weights)
        self._first_training.is_due = False

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Loads weights as `BaseModel.load_weights` does; then there is nothing for `fit` to choose."""
        super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        self._first_training.is_due = False

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Saves as `BaseModel.save` does. Other threads that would change the candidates wait."""
        with self._store.unchanged():
            super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_assets(self, directory: str) -> None:
        self._store.save(directory)
        if self._query_table is not None and self._keeps_queries:
            (folder := Path(directory) / _QUERIES).mkdir()
            self._query_table.save(folder)

    def load_assets(self, directory: str | None) -> None:
        self._store.load(directory, lambda: int(self.optimizer.iterations.numpy()) if self.compiled else None)
        if self._query_table is not None:
            self._query_table.load(None if directory is None else Path(directory) / _QUERIES)
        self._corpus_changed()  # a file's model is compiled before its corpus is there

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "query_tower": self.query_tower,
            "candidate_tower": self.candidate_tower,
            "candidates": self.corpus,
            "candidate_id": self.candidate_id,
            "query_id": self.query_id,
            "keep_columns": list(self._keep_columns),
            "index": self._store.index,
            "prior": self.candidate_prior,
            "queries": self._query_table if self._keeps_queries else None,
            "keep_queries": self._keeps_queries,
            "normalize": self.normalize,
            "query_dropout": self.query_dropout,
            "chooses_training": self._first_training.is_due,
            "seed": self._order_seed,
        }

    def _corpus_of(self, candidates: Any, keep_columns: Iterable[str], owner: str) -> Corpus:
        if isinstance(candidates, Corpus):
            return candidates
        id_column = self.candidate_id or self.candidate_columns[0]
        columns = [*self.candidate_columns, *keep_columns]
        return Corpus(candidates, id_column, columns, read=self._pairs.read_candidates, owner=owner)

    def _corpus_changed(self) -> None:
        self._pairs.set_corpus(self.corpus)
        self._pair_loss.set(self.in_batch_loss, self.corpus)
        if self.candidate_columns != (self.candidate_id,) or self._pair_loss.takes_corpus:
            self.train_function = None  # it was traced with columns of the other corpus
        if self.compiled:
            self._renew_evaluation()

    def _count_prior(self, interactions: Any, owner: str | None = None) -> None:
        if self.prior is not None and self.candidate_id is not None:
            time, owner = self.prior.time, owner or f"{self._owner}: prior"
            names = [self.candidate_id, *([] if time is None else [time])]
            if time is not None and has_named_columns(interactions):
                fix = "Popularity drifts with it; to do without, make the model with time=None"
                require_column(interactions.keys(), time, owner, fix=fix, reader="the prior")
            columns = collected_columns(interactions, names, self.read_column, owner)
            self.prior.count(columns[self.candidate_id], None if time is None else columns[time])

    def _query_forms(self, example: Any, owner: str) -> dict[str, tf.TensorSpec]:
        pairs, example = self._pairs, from_arrow(example, f"{owner}: example")
        names = pairs.columns_to_export() if example is None else pairs.columns_to_take(example.keys(), may_miss=True)
        return column_forms(self.query_tower, names, example, owner, pairs.form, self.read_column)

    def _query_tensors(self, features: Any, exclude: Any, owner: str) -> dict[str, tf.Tensor]:
        names: Sequence[str] = self.query_columns
        if has_named_columns(features):
            names = self._pairs.columns_to_take(features.keys(), may_miss=True) or names[:1]
        return query_tensors(features, names, exclude, owner, self.read_column)

    @contextmanager
    def _sampling(self) -> Iterator[None]:
        """Draws a sample of a corpus of more than 10,000 candidates in place of all of it: steps take a third."""
        if self.corpus is None or not self._pair_loss.takes_large_corpus:
            yield
            return
        try:
            with self._pair_loss.sampled(self.corpus, self._order_seed):
                self.train_function = None  # it was traced with the whole corpus
                yield
        finally:
            self.train_function = None

    def _renew_evaluation(self) -> None:
        if self.corpus is not None and self.corpus.is_loaded:
            self._evaluations.renew()
        self.test_function = None

    def _new_evaluator(self, exclude: Any = None, unknown_candidates: str = "error") -> Evaluator:
        query_id = self.query_id_column
        return Evaluator(self._store, self._corpus_metrics, exclude, unknown_candidates, query_id, self._owner)

    def _new_recommender(self) -> Recommender:
        encode = lambda columns: self(columns, training=False)  # noqa: E731
        return Recommender(encode, self._pairs.columns_taken, eager=self.run_eagerly)

    def _rows_together(self, columns: dict[str, Any]) -> str | None:
        return self._pair_loss.column_of_queries(columns)

    @property
    def _most_together(self) -> int:
        return self._pair_loss.most_queries

    def _check_validation(self, exclude: Any, unknown_candidates: str, options: dict[str, Any]) -> None:
        if options.get("validation_data") is None and not options.get("validation_split"):
            problem = "`exclude` and `unknown_candidates` are of the validation, and there is no data for it"
            received = {"exclude": exclude, "unknown_candidates": unknown_candidates}
            fix = "Give validation_data, or leave them out: training excludes nothing"
            raise ArgumentError(explain(f"{self._owner}.fit", problem, fix=fix, **received))
        self._store.require_corpus("fit with `exclude` or `unknown_candidates`")
        with self._evaluations.special(exclude, unknown_candidates):
            pass  # raises for arguments that do not fit, before the first epoch

    def _columns_of_losses(self, batch: Batch) -> dict[str, Any]:
        return self._pairs.columns_of_losses(batch.features)


def _refuse_targets(x: Any, y: Any, owner: str) -> None:
    if y is not None and has_named_columns(x):
        fix = "Leave it out: the candidate of a row is a column of `x`"
        raise ArgumentError(explain(owner, "there are no targets", y=y, fix=fix))


_QUERIES = "queries"  # folder of the table of queries in a file

# What a subclass overrides to read something else of a batch.
_READING = ("call", "compute_losses", "update_metrics", "train_step", "test_step")
