"""Arguments of `RetrievalModel.compile`: their defaults, and what is refused."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import keras

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.losses import InBatchSoftmax
from reciperec_layers.metrics import RankMetric, RecommendationMetric, TopKAccuracy
from reciperec_layers.optimizers import LossScaleOptimizer
from reciperec_layers.optimizers.row_sparse_optimizer import RowSparseOptimizer

_OWNER = "RetrievalModel.compile"
_DEFAULT_KS = (1, 5, 10, 50, 100)
_OPTIONS = ("auto_scale_loss", "jit_compile", "run_eagerly", "steps_per_execution")


def metrics_of(
    metrics: RankMetric | RecommendationMetric | Iterable[RankMetric | RecommendationMetric] | None,
    in_training: bool = False,
) -> list[RankMetric | RecommendationMetric]:
    """Returns the metrics as a list, by default top-k accuracies.

    Args:
        metrics: As for `RetrievalModel.compile`.
        in_training: Whether training computes them, too.

    Raises:
        ArgumentError: One is of another class, has the name of another, or cannot be computed in training.

    Example:
        >>> [metric.k for metric in metrics_of(None)]
        [1, 5, 10, 50, 100]
    """
    metrics = listed_metrics([TopKAccuracy(k) for k in _DEFAULT_KS] if metrics is None else metrics, _OWNER)
    of_recommendations = [metric.name for metric in metrics if isinstance(metric, RecommendationMetric)]
    if in_training and of_recommendations:
        problem = "what is recommended while weights change is that of no model: {} cannot be computed in training"
        fix = "Leave corpus_metrics_in_training out, and give validation_data to fit"
        named = problem.format(", ".join(map(repr, of_recommendations)))
        raise ArgumentError(explain(_OWNER, named, corpus_metrics_in_training=True, fix=fix))
    return metrics


def listed_metrics(
    metrics: RankMetric | RecommendationMetric | Iterable[RankMetric | RecommendationMetric], owner: str
) -> list[RankMetric | RecommendationMetric]:
    """Returns metrics as a list, also where one is given alone.

    Args:
        metrics: One or more, each with a name of its own.
        owner: Who asks, for messages.

    Raises:
        ArgumentError: One is of another class, or has the name of another.

    Example:
        >>> [metric.name for metric in listed_metrics(TopKAccuracy(5, name="top_5"), "compare")]
        ['top_5']
    """
    is_several = isinstance(metrics, Iterable) and not isinstance(metrics, str)
    listed: list[Any] = list(metrics) if is_several else [metrics]
    if not all(isinstance(metric, (RankMetric, RecommendationMetric)) for metric in listed):
        fix = "Pass for example [metrics.TopKAccuracy(10)]"
        problem = "`metrics` must be metrics of ranks or of recommendations"
        raise ArgumentError(explain(owner, problem, metrics=listed, fix=fix))
    names = [metric.name for metric in listed]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        problem = f"each metric needs a name of its own, and more than one is called {', '.join(map(repr, repeated))}"
        raise ArgumentError(explain(owner, problem, metrics=names, fix='Pass name="..." to one of them'))
    return listed


def loss_of(loss: Any) -> Any:
    """Returns the loss, by default `InBatchSoftmax()`.

    Raises:
        ArgumentError: It is no layer, or does not reduce the losses of the rows.

    Example:
        >>> loss_of(None).temperature
        1.0
    """
    if loss is None:
        return InBatchSoftmax()
    if not isinstance(loss, keras.layers.Layer):
        fix = "Pass for example losses.InBatchSoftmax(temperature=0.1)"
        raise ArgumentError(explain(_OWNER, "`loss` must be an in-batch loss", loss=loss, fix=fix))
    if getattr(loss, "reduction", None) == "none":
        fix = 'Use reduction="sum" or "mean"'
        raise ArgumentError(explain(_OWNER, "`loss` must give one number for a batch", reduction="none", fix=fix))
    return loss


def takes_candidates_once(loss: Any) -> bool:
    """Returns whether a loss takes each candidate once, and which is whose.

    Example:
        >>> takes_candidates_once(InBatchSoftmax())
        True
    """
    return "positive_columns" in inspect.signature(loss.call).parameters


def optimizer_of(optimizer: Any, policy: keras.DTypePolicy, auto_scale_loss: bool) -> Any:
    """Returns the optimizer; one of this package scales the loss where Keras would wrap it in its own class.

    Args:
        optimizer: Keras optimizer or its name.
        policy: Of the model.
        auto_scale_loss: Whether the loss is scaled in mixed precision.

    Example:
        >>> from reciperec_layers.optimizers import Adagrad
        >>> type(optimizer_of(Adagrad(), keras.DTypePolicy("mixed_float16"), True)).__name__
        'LossScaleOptimizer'
    """
    optimizer = keras.optimizers.get(optimizer)
    scales = auto_scale_loss and policy.name == "mixed_float16" and isinstance(optimizer, RowSparseOptimizer)
    return LossScaleOptimizer(optimizer) if scales else optimizer


def check_options(options: dict[str, Any]) -> None:
    """Raises `ArgumentError` for an option of `keras.Model.compile` that this model would not heed.

    Args:
        options: By name. `jit_compile="auto"` means no, for a model that looks ids up.

    Example:
        >>> check_options({"jit_compile": "auto", "steps_per_execution": 32})
    """
    unknown = sorted(options.keys() - set(_OPTIONS))
    if unknown:
        fix = f"Accepted: {', '.join(('optimizer', 'loss', 'metrics', 'corpus_metrics_in_training', *_OPTIONS))}"
        raise ArgumentError(explain(_OWNER, f"there are no arguments {', '.join(map(repr, unknown))}", fix=fix))
    if options.get("jit_compile") is True:
        problem = "hash tables and row-sparse gradients have no XLA form"
        raise ArgumentError(explain(_OWNER, problem, jit_compile=True, fix="Leave jit_compile out"))
    check_integer(_OWNER, "steps_per_execution", options.get("steps_per_execution", 1))
