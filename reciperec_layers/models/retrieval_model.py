"""RetrievalModel: two towers, trained, evaluated against the whole corpus, saved with all they need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.columns.names import CANDIDATE_COLUMNS, QUERY_COLUMNS, find_column, require_column
from reciperec_layers.graph.graph_errors import raised_as_ours
from reciperec_layers.losses import InBatchSoftmax
from reciperec_layers.metrics import RankMetric, RecommendationMetric
from reciperec_layers.models.evaluated_recommender import EvaluatedRecommender
from reciperec_layers.optimizers.model_gradients import with_rows_summed
from reciperec_layers.saving.keras_names import serializable
from reciperec_layers.towers import TOWERS
from reciperec_layers.training.callbacks import EpochOrder, StopOnDivergence
from reciperec_layers.training.compile_arguments import (
    check_options,
    loss_of,
    metrics_of,
    optimizer_of,
    takes_candidates_once,
)
from reciperec_layers.training.fit_arguments import (
    as_tensors,
    check_batch,
    refuse_class_weight,
    targets,
    validation_tensors,
    weights_as_array,
    with_callbacks,
)
from reciperec_layers.training.grouped_batches import in_groups
from reciperec_layers.training.step_functions import over_batches, takes_own_steps

# Up to so many rows it costs less to compute all candidates than to find the distinct ones.
_SMALL_BATCH = 512


@serializable
class RetrievalModel(EvaluatedRecommender):
    """Two-tower retrieval: learns from pairs of a query and its candidate, and recommends from a corpus.

    Batches are dicts of columns (or `(features, y, sample_weight)`, where `y` is not used): those that both towers
    read, and `candidate_id`. Calling the model, and `predict`, give query embeddings. Where the candidate tower reads
    the id alone and is deterministic (see `Tower.deterministic`), a step computes each candidate of the batch once,
    with the same loss.

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
        `regularization_loss` and `total_loss` are means over the epoch's steps, where TFRS shows the last batch.
    """

    train_function: Any  # which Keras declares without a type

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
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        options = {"query_id": query_id, "keep_columns": keep_columns, "index": index, "name": name}
        super().__init__(query_tower, candidate_tower, candidates, candidate_id, **options, **kwargs)
        self.in_batch_loss: Any = None
        self._takes_candidates_once = False
        self._metrics_in_training = False
        self._compile_arguments: dict[str, Any] = {}

    @classmethod
    def from_data(
        cls,
        interactions: Any,
        candidates: Any,
        *,
        query_tower: str = "id",
        candidate_tower: str = "id",
        embedding_dim: int = 32,
        query_id: str | None = None,
        candidate_id: str | None = None,
        keep_columns: Sequence[str] = (),
        index: Any = "brute_force",
        query_options: dict[str, Any] | None = None,
        candidate_options: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> Self:
        """Returns a model whose towers are made by name from data frames.

        Args:
            interactions: Training interactions: a column of queries and one of candidates.
            candidates: The corpus, as for the constructor.
            query_tower: Registered name of the query tower, made from `interactions`.
            candidate_tower: Registered name of the candidate tower, made from `candidates`.
            embedding_dim: Size of the embeddings.
            query_id: Column of query ids, by convention `user_id`.
            candidate_id: Column of candidate ids, by convention `recipe_id`, `item_id` or `movie_id`.
            keep_columns: As for the constructor.
            index: As for the constructor.
            query_options: Further options of the query tower.
            candidate_options: Further options of the candidate tower.
            seed: Seed of both towers.
        """
        owner = f"{cls.__name__}.from_data"
        query_id = find_column(interactions.keys(), QUERY_COLUMNS, query_id, owner)
        candidate_id = find_column(interactions.keys(), CANDIDATE_COLUMNS, candidate_id, owner)
        shared: dict[str, Any] = {"embedding_dim": embedding_dim, "seed": seed}
        query = TOWERS.get(query_tower).from_data(interactions, feature=query_id, **shared, **(query_options or {}))
        candidate = TOWERS.get(candidate_tower).from_data(
            candidates, feature=candidate_id, **shared, **(candidate_options or {})
        )
        kept = {"query_id": query_id, "keep_columns": keep_columns, "index": index}
        return cls(query, candidate, candidates, candidate_id, **kept)

    def compile(
        self,
        optimizer: Any = "adagrad",
        loss: InBatchSoftmax | None = None,
        metrics: Iterable[RankMetric | RecommendationMetric] | RankMetric | RecommendationMetric | None = None,
        *,
        corpus_metrics_in_training: bool = False,
        **kwargs: Any,
    ) -> None:
        """Prepares training and evaluation.

        Args:
            optimizer: Keras optimizer or its name; those of this package's `optimizers` cost what a batch costs, and
                are wrapped in its `LossScaleOptimizer` where Keras would wrap them in its own (`auto_scale_loss`).
            loss: The loss, `InBatchSoftmax()` by default.
            metrics: One or more metrics of the held-out candidate's rank in the corpus, or of what is recommended;
                by default top-k accuracy at 1, 5, 10, 50 and 100.
            corpus_metrics_in_training: Whether training computes those of ranks; every step then encodes the corpus.
            **kwargs: `run_eagerly`, `steps_per_execution`, `jit_compile` and `auto_scale_loss`, as for
                `keras.Model.compile`. Lookups of ids cannot be compiled by XLA.

        Raises:
            ArgumentError: The loss is no layer or does not reduce, a metric cannot be had, `jit_compile` is `True`,
                `steps_per_execution` is no positive integer, or there is no such argument.
        """
        metrics, loss = metrics_of(metrics, corpus_metrics_in_training), loss_of(loss)
        check_options(kwargs)
        optimizer = optimizer_of(optimizer, self.dtype_policy, kwargs.get("auto_scale_loss", True))
        super().compile(optimizer=optimizer, **kwargs)
        if all(layer.built for layer in self._flatten_layers()):
            self.optimizer.build(self.trainable_variables)  # so that a file can fill its slots before training
        self.in_batch_loss = loss
        reads_ids_alone = self.candidate_columns == (self.candidate_id,)
        self._takes_candidates_once = (
            reads_ids_alone and self.candidate_tower.deterministic and takes_candidates_once(loss)
        )
        self._corpus_metrics = metrics if self._index is not None else []
        self._metrics_in_training = bool(corpus_metrics_in_training) and self._index is not None
        self._set_evaluation()
        self._num_changes += 1
        self._compile_arguments = {"corpus_metrics_in_training": corpus_metrics_in_training, **kwargs}

    def train_step(self, data: Any) -> dict[str, Any]:
        features, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            queries, losses = self._losses_of(features, sample_weight, training=True)
            scaled_loss = self.optimizer.scale_loss(losses[-1])
        variables = self.trainable_weights
        # A table that is read twice gives repeated rows, which Keras's optimizers would take for separate updates.
        gradients = with_rows_summed("RetrievalModel", tape.gradient(scaled_loss, variables))
        self.optimizer.apply(gradients, variables)
        if not self._metrics_in_training or self._index is None or self._evaluation is None:
            return self._updated(losses)
        self._index.encode_in_graph(self.encode_candidates)
        self._evaluation.update(queries, features, sample_weight)
        return self._updated(losses, self._evaluation.metrics)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does; also takes data frames and dicts of lists, arrays or pandas columns.

        A dataset of `data.batches` gets the order of each epoch, also when training is resumed. As in Keras,
        `steps_per_epoch` is rounded up to a multiple of `steps_per_execution`.

        Raises:
            ArgumentError: `class_weight` is given: there are no classes.
            DivergedError: The loss is not finite; names the epoch and step.
            UnknownIdError: An id is unknown to a tower without OOV rows.
        """
        refuse_class_weight(kwargs)
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)  # Keras's default is True, at which it warns
        own = [StopOnDivergence(), *([EpochOrder(x)] if hasattr(x, "set_epoch") else [])]
        kwargs["validation_data"] = validation_tensors(kwargs.get("validation_data"))
        kwargs["callbacks"] = with_callbacks(kwargs.get("callbacks"), own)
        with raised_as_ours():
            kwargs |= weights_as_array(kwargs)
            x = in_groups(as_tensors(x, "fit"), self._batches_per_group)
            return super().fit(x, targets(x, y, kwargs.get("sample_weight")), *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """Returns query embeddings, float of shape `(n, embedding_dim)`."""
        with raised_as_ours():
            return super().predict(as_tensors(x, "predict"), *args, **kwargs)

    def make_train_function(self, force: bool = False) -> Any:
        """Sets the function that trains on the next batches of an iterator, as Keras asks for it."""
        if not takes_own_steps(self):
            return super().make_train_function(force)
        if force or self.train_function is None:
            self.train_function = over_batches(self.train_step, self.steps_per_execution)
        return self.train_function

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        return keras.saving.serialize_keras_object(
            {
                **self._compile_arguments,
                "optimizer": self.optimizer,
                "loss": self.in_batch_loss,
                "metrics": self._corpus_metrics or None,
            }
        )

    def compile_from_config(self, config: dict[str, Any]) -> None:
        if config:
            self.compile(**keras.saving.deserialize_keras_object(config))

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Towers are built from the start, and Keras would make up a batch in which ids become floats.
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

    def _losses_of(self, features: Any, sample_weight: Any, training: bool) -> tuple[Any, tuple[Any, Any, Any]]:
        """Returns the query embeddings, and loss, regularization loss and their sum."""
        check_batch(features)
        queries = self(features, training=training)
        candidate_ids, options = None, {"sample_weight": sample_weight, "training": training}
        if self.candidate_id is not None:
            require_column(features.keys(), self.candidate_id, "RetrievalModel: features")
            candidate_ids = features[self.candidate_id]
        if self._takes_candidates_once and _is_large(candidate_ids):
            candidate_ids, options["positive_columns"] = tf.unique(candidate_ids)
            features = {self.candidate_id: candidate_ids}
        candidates = self.encode_candidates(features, training=training)
        loss = self.in_batch_loss(queries, candidates, candidate_ids=candidate_ids, **options)
        if not self.losses:
            return queries, (loss, tf.zeros(()), loss)
        regularization_loss = tf.add_n(self.losses)
        return queries, (loss, regularization_loss, loss + regularization_loss)


def _is_large(candidate_ids: tf.Tensor) -> bool:
    """Returns whether a column of ids may have many rows; those of rank 2 are refused later, as they are."""
    rank, rows = candidate_ids.shape.rank, candidate_ids.shape[0]
    return rank == 1 and (rows is None or rows > _SMALL_BATCH)
