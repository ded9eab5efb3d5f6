"""compare_models: several models trained and ranked on the same rows, with an interval over seeds."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, describe_ids, explain
from reciperec_layers.evaluation.comparison import copied, value_of_ranks
from reciperec_layers.evaluation.rankings import POPULARITY, RECENT_POPULARITY, Rankings
from reciperec_layers.evaluation.signs_of_illness import symptoms_of
from reciperec_layers.evaluation.yardsticks.chosen_yardsticks import Yardsticks, chosen_yardsticks
from reciperec_layers.metrics import MRR, NDCG, RankMetric, Recall
from reciperec_layers.models import RetrievalModel
from reciperec_layers.training.compile_arguments import listed_metrics

_OWNER = "compare_models"
_FIX = 'Pass for example {"id": make_model}, where make_model(seed) returns a trained RetrievalModel'

# From a seed to a trained model.
MakeModel = Callable[[int], RetrievalModel]


def compare_models(
    models: Mapping[str, MakeModel],
    test: pd.DataFrame,
    train: pd.DataFrame,
    *,
    seeds: Iterable[int] = (42, 43, 44),
    metrics: RankMetric | Iterable[RankMetric] | None = None,
    query: str | None = None,
    exclude_seen: bool = True,
    batch_size: int = 1024,
    time: str | None = None,
    yardsticks: Yardsticks = None,
) -> pd.DataFrame:
    """Trains several models with several seeds, and evaluates all and the popularity baselines on the same rows.

    For one trained model by segment, see `compare`. Before each model is made, its seed becomes that of Python, NumPy
    and Keras. Choose between models on the newest part of the training rows and not on the rows that you report.

    Args:
        models: Functions by name, each from a seed to a trained model. All have the same candidates.
        test: Held-out interactions, as for `compare`.
        train: Training interactions, as for `compare`.
        seeds: Seeds of the models.
        metrics: One or more metrics of ranks, as for `compare`.
        query: Column of query ids in both frames; by default the models'.
        exclude_seen: Whether to leave the training candidates of a query out of its ranking.
        batch_size: Number of rows to rank at once.
        time: Column of times in `train`, as for `compare`.
        yardsticks: As for `compare`.

    Returns:
        Data frame by `recommender` (the models as given, `popularity`, with times `recent popularity`, and the
        yardsticks), with the columns `num_seeds`, `num_parameters` (trainable numbers), `seconds` (mean time to make
        and train one model, or to make the baseline) and, for each metric, its mean over the seeds under its name and
        its smallest and largest value under the name with `_min` and `_max`. Baselines have no seeds.

    Raises:
        ArgumentTypeError: `models` is not a dict of functions, or one does not return a `RetrievalModel`.
        ArgumentError: There are no models or seeds, a name is that of a baseline, metrics are not of ranks, or
            candidates differ.
        ColumnError: A frame lacks a column.

    Example:
        >>> rows = pd.DataFrame({"user_id": [7, 7, 9], "recipe_id": ["pie", "soup", "pie"]})
        >>> recipes = pd.DataFrame({"recipe_id": ["pie", "soup"]})
        >>> def make_model(seed):
        ...     model = RetrievalModel.from_data(rows, recipes, embedding_dim=4, seed=seed)
        ...     model.compile()
        ...     model.fit(model.batches(rows), epochs=1, verbose=0)
        ...     return model
        >>> table = compare_models({"feature": make_model}, rows, rows, seeds=[1, 2], exclude_seen=False)
        >>> table.loc["feature", ["num_seeds", "recall@10", "recall@10_min", "recall@10_max"]].tolist()
        [2.0, 1.0, 1.0, 1.0]
    """
    options = (query, exclude_seen, batch_size, time, yardsticks)
    return compared_models(models, test, train, seeds, metrics, *options).table


@dataclass(frozen=True)
class ComparedModels:
    """What `compare_models` found.

    Attributes:
        table: As `compare_models` returns it.
        rankings: Of one of the models and of the baselines.
        ranks: Ranks of the test rows by each model, int64 of shape `(num_seeds, n)`.
        symptoms: What `symptoms` says of each model with the first seed.
    """

    table: pd.DataFrame
    rankings: Rankings
    ranks: dict[str, np.ndarray]
    symptoms: dict[str, list[str]]


def compared_models(
    models: Mapping[str, MakeModel],
    test: pd.DataFrame,
    train: pd.DataFrame,
    seeds: Iterable[int],
    metrics: RankMetric | Iterable[RankMetric] | None = None,
    query: str | None = None,
    exclude_seen: bool = True,
    batch_size: int = 1024,
    time: str | None = None,
    yardsticks: Yardsticks = None,
) -> ComparedModels:
    """Returns what `compare_models` returns, and the baselines. Arguments are as there.

    Args:
        models: As for `compare_models`.
        test: As for `compare_models`.
        train: As for `compare_models`.
        seeds: As for `compare_models`.
        metrics: As for `compare_models`.
        query: As for `compare_models`.
        exclude_seen: As for `compare_models`.
        batch_size: As for `compare_models`.
        time: As for `compare_models`.
        yardsticks: As for `compare_models`.

    Example:
        >>> rows = pd.DataFrame({"user_id": [7, 7, 9], "recipe_id": ["pie", "soup", "pie"]})
        >>> make = lambda seed: RetrievalModel.from_data(rows, rows.drop_duplicates("recipe_id"), seed=seed)
        >>> list(compared_models({"untrained": make}, rows, rows, [1]).rankings.baselines)
        ['popularity']
    """
    _check_models(models, [each.name for each in chosen_yardsticks(yardsticks, _OWNER)])
    seeds = [check_integer(_OWNER, "seeds", seed, least=0, example=42) for seed in seeds]
    if not seeds:
        raise ArgumentError(explain(_OWNER, "`seeds` must have a seed", seeds=seeds, fix="Use seeds=(42, 43, 44)"))
    measured = copied(listed_metrics([Recall(10), Recall(50), NDCG(10), MRR()] if metrics is None else metrics, _OWNER))
    refused = [metric.name for metric in measured if not isinstance(metric, RankMetric)]
    if refused:
        problem = f"metrics must be of ranks, and {describe_ids(refused)} are of recommendations"
        raise ArgumentError(explain(_OWNER, problem, fix="Give those to evaluation.compare"))
    rows: dict[str, dict[str, Any]] = {}
    ranks: dict[str, np.ndarray] = {}
    signs: dict[str, list[str]] = {}
    first: Rankings | None = None
    for name, make in models.items():
        ranks_of_seeds, seconds, num_parameters = [], [], 0
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            began = clock.perf_counter()
            model = make(seed)
            seconds.append(clock.perf_counter() - began)
            _check_model(model, name, first)
            rankings = Rankings(model, test, train, query, exclude_seen, batch_size, time, yardsticks)
            if name not in signs:
                signs[name] = symptoms_of(rankings)
            first = rankings if first is None else first
            ranks_of_seeds.append(rankings.model_ranks)
            num_parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        numbers = {"num_seeds": len(seeds), "num_parameters": num_parameters, "seconds": float(np.mean(seconds))}
        rows[name] = numbers | _over_seeds([_values(measured, rankings, each) for each in ranks_of_seeds])
        ranks[name] = np.stack(ranks_of_seeds)
    assert first is not None
    for name, of_baseline in first.baseline_ranks.items():
        rows[name] = {"seconds": first.seconds[name]} | _over_seeds([_values(measured, first, of_baseline)])
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("recommender")
    return ComparedModels(table.astype({"num_seeds": "Int64", "num_parameters": "Int64"}), first, ranks, signs)


def _values(metrics: list[Any], rankings: Rankings, ranks: np.ndarray) -> dict[str, float]:
    queries = pd.factorize(rankings.test[rankings.query])[0]
    return {metric.name: value_of_ranks(metric, queries, ranks, rankings.num_candidates) for metric in metrics}


def _over_seeds(values: list[dict[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in values[0]:
        of_seeds = [each[name] for each in values]
        found |= {name: float(np.mean(of_seeds)), f"{name}_min": min(of_seeds), f"{name}_max": max(of_seeds)}
    return found


def _check_models(models: Any, yardsticks: list[str]) -> None:
    if not isinstance(models, Mapping) or not all(isinstance(name, str) and callable(models[name]) for name in models):
        raise ArgumentTypeError(explain(_OWNER, "`models` must be a dict of functions", models=models, fix=_FIX))
    if not models:
        raise ArgumentError(explain(_OWNER, "`models` must have a model", models=models, fix=_FIX))
    taken = [name for name in models if name in (POPULARITY, RECENT_POPULARITY, *yardsticks)]
    if taken:
        raise ArgumentError(explain(_OWNER, f"{taken[0]!r} is the name of a baseline", fix="Call the model otherwise"))


def _check_model(model: Any, name: str, first: Rankings | None) -> None:
    if not isinstance(model, RetrievalModel):
        problem = f"`models[{name!r}]` must return a RetrievalModel"
        raise ArgumentTypeError(explain(_OWNER, problem, received=model, fix=_FIX))
    if first is None or model.corpus is None:  # which `Rankings` refuses
        return
    ids, others = model.corpus.vocabulary.ids, first.corpus.vocabulary
    if len(ids) != len(others) or (others.lookup(ids) < 0).any():
        problem = f"the candidates of {name!r} are not those of the first model, so that their ranks differ"
        raise ArgumentError(explain(_OWNER, problem, fix="Give all models the same candidates"))
