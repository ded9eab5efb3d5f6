"""Arguments of `compile`: their defaults, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from reciperec_layers.arguments import check_integer, closest_name
from reciperec_layers.candidates.popularity_prior import PopularityPrior
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.losses import CorpusSoftmax, InBatchSoftmax, RetrievalLoss
from reciperec_layers.metrics import RankMetric, RecommendationMetric, TopKAccuracy
from reciperec_layers.optimizers import Adam, LossScaleOptimizer
from reciperec_layers.optimizers.row_sparse_optimizer import RowSparseOptimizer
from reciperec_layers.training import temperature_search

_DEFAULT_KS = (1, 5, 10, 50, 100)
# Of the defaults; docs/decisions/0019, 0020, 0021 and 0023 have the measurements.
TEMPERATURE_IN_BATCH = 0.1
_NORMALIZER_WEIGHT = 1.2
# A corpus is large above the first number; above `_MOST_OF_TABLE` it is sampled even if the tower only reads a table.
_LARGE, _TOP_K, _MOST_OF_TABLE, NUM_SAMPLED = 10_000, 20, 50_000, 4096
_RATE, _RATE_IF_NORMALIZED = 0.003, 0.01
_OPTIONS = ("auto_scale_loss", "jit_compile", "run_eagerly", "steps_per_execution")


def resolve_metrics(
    metrics: RankMetric | RecommendationMetric | Iterable[RankMetric | RecommendationMetric] | None,
    owner: str,
    in_training: bool = False,
) -> list[RankMetric | RecommendationMetric]:
    """Returns the metrics as a list, by default top-k accuracies.

    Args:
        metrics: As for `RetrievalModel.compile`.
        owner: Name of the caller, for messages.
        in_training: Whether training computes them, too.

    Raises:
        ArgumentError: One is of another class, has the name of another, or cannot be computed in training.

    Example:
        >>> [metric.k for metric in resolve_metrics(None, "RetrievalModel.compile")]
        [1, 5, 10, 50, 100]
    """
    metrics = listed_metrics([TopKAccuracy(k) for k in _DEFAULT_KS] if metrics is None else metrics, owner)
    of_recommendations = [metric.name for metric in metrics if isinstance(metric, RecommendationMetric)]
    if in_training and of_recommendations:
        problem = "recommendations mean nothing while weights change: {} cannot be computed in training"
        fix = "Leave corpus_metrics_in_training out, and give validation_data to fit"
        named = problem.format(", ".join(map(repr, of_recommendations)))
        raise ArgumentError(explain(owner, named, corpus_metrics_in_training=True, fix=fix))
    return metrics


def listed_metrics(
    metrics: RankMetric | RecommendationMetric | Iterable[RankMetric | RecommendationMetric], owner: str
) -> list[RankMetric | RecommendationMetric]:
    """Returns metrics as a list, also where one is given alone.

    Args:
        metrics: One or more, each with a name of its own.
        owner: Name of the caller, for messages.

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


def resolve_loss(loss: Any, owner: str) -> Any:
    """Returns the loss of a model.

    Args:
        loss: A `RetrievalLoss`, or a Keras layer that is called like one and needs nothing but the batch.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: It is not a layer, or does not reduce the losses of the rows.

    Example:
        >>> resolve_loss(InBatchSoftmax(0.1), "RetrievalModel.compile").temperature
        0.1
    """
    if not isinstance(loss, keras.layers.Layer):
        fix = "Leave it out, or pass for example losses.CorpusSoftmax() or losses.InBatchSoftmax(temperature=0.1)"
        raise ArgumentError(explain(owner, "`loss` must be a loss of this package or like one", loss=loss, fix=fix))
    if getattr(loss, "reduction", None) == "none":
        fix = 'Use reduction="sum" or "mean"'
        raise ArgumentError(explain(owner, "`loss` must give one number for a batch", reduction="none", fix=fix))
    return loss


def is_large(num_candidates: int) -> bool:
    """Returns whether a corpus is so large that what a step does for all of it weighs more than its queries.

    Args:
        num_candidates: Size of the corpus.

    Example:
        >>> is_large(10_000), is_large(10_001)
        (False, True)
    """
    return num_candidates > _LARGE


def corpus_loss(num_candidates: int, seed: int | None = None, *, is_table: bool = True) -> CorpusSoftmax:
    """Returns the loss that compares with the whole corpus, at the temperature that a search begins with.

    Of more than 10,000 candidates pairs near the first 20 of their query count more. More than 50,000 are sampled, and
    more than 10,000 where embedding them costs more than to read a table.

    Args:
        num_candidates: Size of the corpus.
        seed: Seed of what is sampled.
        is_table: Whether embeddings of candidates are rows of a table.

    Example:
        >>> losses = [corpus_loss(size) for size in (10_000, 50_000, 50_001)]
        >>> [(loss.num_sampled, loss.top_k) for loss in losses]
        [(None, None), (None, 20), (4096, 20)]
        >>> corpus_loss(50_000, is_table=False).num_sampled
        4096
    """
    is_sampled = num_candidates > _MOST_OF_TABLE if is_table else is_large(num_candidates)
    return CorpusSoftmax(
        temperature_search.START,
        _NORMALIZER_WEIGHT,
        num_sampled=NUM_SAMPLED if is_sampled else None,
        seed=seed,
        top_k=_TOP_K if is_large(num_candidates) else None,
    )


def default_loss(
    prior: PopularityPrior | None,
    normalized: bool,
    num_candidates: int | None,
    seed: int | None = None,
    *,
    is_table: bool = True,
) -> RetrievalLoss:
    """Returns the loss of `compile()`.

    Where embeddings have length 1 it compares with the whole corpus. Otherwise it compares with the batch, and with a
    prior corrects for the popularity that this brings.

    Args:
        prior: The prior of the model, or `None`.
        normalized: Whether embeddings have length 1.
        num_candidates: Size of the corpus, or `None` where there is none.
        seed: Seed of what is sampled.
        is_table: As for `corpus_loss`.

    Example:
        >>> default_loss(None, False, 10).sampling_correction is None
        True
        >>> default_loss(None, True, 10).normalizer_weight
        1.2
    """
    if normalized and num_candidates is not None:
        return corpus_loss(num_candidates, seed, is_table=is_table)
    temperature = TEMPERATURE_IN_BATCH if normalized else 1.0
    if prior is None:
        return InBatchSoftmax(temperature)
    counts = prior.counts() if prior.is_counted else None
    return InBatchSoftmax(
        temperature, sampling_correction="counts", candidate_counts=counts, remove_accidental_hits=True
    )


def default_optimizer(normalized: bool) -> Adam:
    """Returns the optimizer of `compile()`.

    Args:
        normalized: Whether embeddings have length 1, so that a step of a length of its own turns them.

    Example:
        >>> round(float(default_optimizer(True).learning_rate), 3)
        0.01
    """
    return Adam(_RATE_IF_NORMALIZED if normalized else _RATE)


def resolve_optimizer(optimizer: Any, policy: keras.DTypePolicy, auto_scale_loss: bool, owner: str = "compile") -> Any:
    """Returns the optimizer; one of this package scales the loss itself, where Keras would wrap it.

    Args:
        optimizer: Keras optimizer or its name.
        policy: Of the model.
        auto_scale_loss: Whether the loss is scaled in mixed precision.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: It is neither an optimizer nor the name of one.

    Example:
        >>> from reciperec_layers.optimizers import Adagrad
        >>> type(resolve_optimizer(Adagrad(), keras.DTypePolicy("mixed_float16"), True)).__name__
        'LossScaleOptimizer'
    """
    try:
        optimizer = keras.optimizers.get(optimizer)
    except ValueError as error:
        raise _unknown_optimizer(optimizer, owner) from error
    scales = auto_scale_loss and policy.name == "mixed_float16" and isinstance(optimizer, RowSparseOptimizer)
    return LossScaleOptimizer(optimizer) if scales else optimizer


def _unknown_optimizer(optimizer: Any, owner: str) -> ArgumentError:
    base = keras.optimizers.Optimizer
    classes = [each for each in vars(keras.optimizers).values() if isinstance(each, type) and issubclass(each, base)]
    names = sorted({each.__name__.lower() for each in classes if each is not base})
    closest = closest_name(optimizer.lower(), names) if isinstance(optimizer, str) else ""
    fix = f"{closest}Known: {', '.join(map(repr, names))}"
    if isinstance(optimizer, type):
        fix = f"Pass an instance, for example optimizers.{optimizer.__name__}(...)"
    problem = "`optimizer` must be a Keras optimizer, such as those of `optimizers`, or the name of one"
    return ArgumentError(explain(owner, problem, optimizer=optimizer, fix=fix))


def check_options(options: dict[str, Any], accepted: Iterable[str], owner: str) -> None:
    """Raises `ArgumentError` for an option of `keras.Model.compile` that a model of this package ignores.

    Args:
        options: By name. `jit_compile="auto"` means no, for a model that looks ids up.
        accepted: Names of the other arguments, for messages.
        owner: Name of the caller, for messages.

    Example:
        >>> check_options({"jit_compile": "auto", "steps_per_execution": 32}, ["optimizer"], "RetrievalModel.compile")
    """
    unknown = sorted(options.keys() - set(_OPTIONS))
    if unknown:
        fix = f"Accepted: {', '.join((*accepted, *_OPTIONS))}"
        raise ArgumentError(explain(owner, f"there are no arguments {', '.join(map(repr, unknown))}", fix=fix))
    if options.get("jit_compile") is True:
        problem = "XLA cannot compile hash tables and row-sparse gradients"
        raise ArgumentError(explain(owner, problem, jit_compile=True, fix="Leave jit_compile out"))
    check_integer(owner, "steps_per_execution", options.get("steps_per_execution", 1))
