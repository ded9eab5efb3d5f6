"""EvaluatedRecommender: a recommender and its evaluation against the whole corpus."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import num_rows, to_tensors
from reciperec_layers.corpus.candidate_store import CorpusIndex
from reciperec_layers.corpus.evaluator import CorpusEvaluation
from reciperec_layers.graph.graph_errors import raised_as_ours
from reciperec_layers.metrics import RankMetric, RecommendationMetric
from reciperec_layers.models.recommender import Recommender
from reciperec_layers.training.fit_arguments import as_tensors, targets, weights_as_array
from reciperec_layers.training.grouped_batches import in_groups
from reciperec_layers.training.loss_means import LossMeans
from reciperec_layers.training.step_functions import over_batches, takes_own_steps


class EvaluatedRecommender(Recommender):
    """Base of `RetrievalModel`, where the arguments are described: all of evaluation.

    Example:
        >>> from reciperec_layers.models import RetrievalModel
        >>> issubclass(RetrievalModel, EvaluatedRecommender)
        True
    """

    test_function: Any  # which Keras declares without a type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loss_means = LossMeans()
        self._corpus_metrics: list[RankMetric | RecommendationMetric] = []
        self._evaluation: CorpusEvaluation | None = None
        # The last with arguments, and its function, which may take longer to trace than to run.
        self._special_evaluation: CorpusEvaluation | None = None
        self._special_function: Any = None

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The losses' means, and the corpus metrics."""
        return [*self._loss_means.metrics, *(self._evaluation.metrics if self._evaluation else self._corpus_metrics)]

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
            y: Not used.
            *args: As for `keras.Model.evaluate`.
            exclude: `data.seen(...)`: candidates that a query has had cannot be hit. A held-out candidate that was
                seen is a miss, counted under `num_seen_held_out`.
            unknown_candidates: What a held-out candidate outside of the corpus is: an `"error"`, or a `"miss"` that
                is counted under `num_unknown_held_out`.
            **kwargs: As for `keras.Model.evaluate`.

        Returns:
            Losses and `factorized_top_k/...`, as for `keras.Model.evaluate`.

        Raises:
            UnknownIdError: A held-out candidate is not in the corpus.
        """
        special = exclude is not None or unknown_candidates != "error"
        with self._evaluating(exclude, unknown_candidates) if special else nullcontext(), raised_as_ours():
            kwargs |= weights_as_array(kwargs)
            x = in_groups(as_tensors(x, "evaluate"), self._batches_per_group)
            return super().evaluate(x, targets(x, y, kwargs.get("sample_weight")), *args, **kwargs)

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
        index = self._current_index("held_out_ranks")
        evaluation = CorpusEvaluation(index, [], exclude, unknown_candidates)
        # No others: what a frame has beside, such as times, need not fit into a tensor.
        owner = "RetrievalModel.held_out_ranks"
        names = {*self.query_columns, index.corpus.id_column, *(() if exclude is None else (exclude.query,))}
        columns = to_tensors({name: data[require_column(data.keys(), name, owner)] for name in names}, owner)
        starts = range(0, num_rows(next(iter(columns.values()))), batch_size)
        if not starts:
            return np.zeros(0, np.int64)
        specs = {name: _spec_of_rows(column) for name, column in columns.items()}
        with raised_as_ours():
            # One trace for all batches: a function that is called traces each length, and warns of it.
            ranked = tf.function(lambda batch: evaluation.ranked(self(batch), batch)[0])
            rank = ranked.get_concrete_function(specs)
            parts = [rank({name: column[at : at + batch_size] for name, column in columns.items()}) for at in starts]
        return tf.concat(parts, axis=0).numpy()

    def test_step(self, data: Any) -> dict[str, Any]:
        features, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        queries, losses = self._losses_of(features, sample_weight, training=False)
        if self._evaluation is None:
            return self._updated(losses)
        self._evaluation.update(queries, features, sample_weight)
        return self._updated(losses, self._evaluation.metrics)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluates one batch as `keras.Model.test_on_batch` does; a query counts once in each of its batches."""
        return_dict = kwargs.pop("return_dict", False)
        super().test_on_batch(*args, return_dict=True, **kwargs)
        logs = {name: float(value) for name, value in self.get_metrics_result().items()}
        return logs if return_dict else list(logs.values())

    def make_test_function(self, force: bool = False) -> Any:
        """Encodes the corpus, once per evaluation, and sets the function that evaluates the next batches."""
        if self._index is not None:
            self.encode_corpus()
        if self._evaluation is not None:
            self._evaluation.begin()
        if not takes_own_steps(self):
            return super().make_test_function(force)
        if force or self.test_function is None:
            self.test_function = over_batches(self.test_step, self.steps_per_execution)
        return self.test_function

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns all metrics as a dict, as Keras does at the end of an evaluation."""
        if self._evaluation is not None:
            self._evaluation.finish()
        return super().get_metrics_result()

    def load_assets(self, directory: str | None) -> None:
        super().load_assets(directory)
        self._corpus_changed()  # a file's model is compiled before its corpus is there

    def _corpus_changed(self) -> None:
        if self.compiled:
            self._set_evaluation()

    @property
    def _batches_per_group(self) -> int:
        return self.steps_per_execution if takes_own_steps(self) else 1

    def _updated(self, losses: Any, metrics: Iterable[keras.metrics.Metric] = ()) -> dict[str, Any]:
        self._loss_means.update(losses)
        return {**self._loss_means.results(), **{metric.name: metric.result() for metric in metrics}}

    def _set_evaluation(self) -> None:
        if self._index is not None and self._index.corpus.is_loaded:
            self._evaluation = self._new_evaluation(self._index)
        self.test_function = self._special_evaluation = self._special_function = None

    @contextmanager
    def _evaluating(self, exclude: Any, unknown_candidates: str) -> Iterator[None]:
        """Sets an evaluation with arguments, the last one where they are the same, and afterwards the one without."""
        index = self._require_index("evaluate with `exclude` or `unknown_candidates`")
        plain = self._evaluation, self.test_function
        special = self._special_evaluation
        if special is None or not special.is_with(index, exclude, unknown_candidates):
            self._special_evaluation = self._new_evaluation(index, exclude, unknown_candidates)
            self._special_function = None
        self._evaluation, self.test_function = self._special_evaluation, self._special_function
        try:
            yield
        finally:
            self._special_function = self.test_function
            self._evaluation, self.test_function = plain

    def _new_evaluation(
        self, index: CorpusIndex, exclude: Any = None, unknown_candidates: str = "error"
    ) -> CorpusEvaluation:
        return CorpusEvaluation(index, self._corpus_metrics, exclude, unknown_candidates, self.query_id_column)

    @abstractmethod
    def _losses_of(self, features: Any, sample_weight: Any, training: bool) -> tuple[Any, tuple[Any, Any, Any]]:
        """Returns the query embeddings, and loss, regularization loss and their sum."""


def _spec_of_rows(column: Any) -> tf.TypeSpec:
    """Returns what any number of a column's rows are."""
    shape = [None, *column.shape[1:]]
    if isinstance(column, tf.RaggedTensor):
        values = tf.TensorSpec([None, *column.flat_values.shape[1:]], column.dtype)
        return tf.RaggedTensorSpec(
            shape, column.dtype, column.ragged_rank, column.row_splits.dtype, flat_values_spec=values
        )
    return tf.TensorSpec(shape, column.dtype)
