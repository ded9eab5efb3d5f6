"""compare: a model beside the popularity baselines, by segment."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.candidates.knowledge import COLD, HOT, WARM
from reciperec_layers.candidates.ranks_by_query import by_query
from reciperec_layers.columns.frames import to_frame
from reciperec_layers.evaluation.rankings import POPULARITY, Rankings, check_model_and_frames
from reciperec_layers.evaluation.yardsticks.chosen_yardsticks import Yardsticks
from reciperec_layers.metrics import MRR, NDCG, Coverage, MeanPopularity, RankMetric, Recall, RecommendationMetric
from reciperec_layers.models import RetrievalModel
from reciperec_layers.training.compile_arguments import listed_metrics

_OWNER = "compare"
_OUTCOMES = {1: "beaten", 0: "level", -1: "better"}
_OUTCOME_K = 10


def compare(
    model: RetrievalModel,
    test: Any,
    train: Any,
    *,
    metrics: RankMetric | RecommendationMetric | Iterable[RankMetric | RecommendationMetric] | None = None,
    query: str | None = None,
    exclude_seen: bool = True,
    popular_share: float = 0.2,
    k: int = 10,
    batch_size: int = 1024,
    time: str | None = None,
    yardsticks: Yardsticks = None,
) -> pd.DataFrame:
    """Evaluates a model and its popularity baselines on the same held-out rows, overall and by segment.

    Where the training interactions have times, recent popularity stands beside popularity: counts that halve with every
    half-life, which is chosen on the newest training rows (`data.Popularity(half_life="recent")`).

    Queries with training interactions are known, others are new. The `popular_share` of the corpus with the most
    training interactions is popular, with ties in corpus order; the rest is rare. A held-out candidate outside the
    corpus is a miss for all.

    A small difference may be chance: `reciperec train`, `evaluate` and `compare` say "beats" only where an exact sign
    test over queries, two-sided at 5 %, finds that the hits at 10 differ, else "is level with".

    With `yardsticks`, other recommenders that learn from the ids of the training interactions stand beside them:
    item-kNN, EASE where the candidates fit, and ALS. By name they choose their options on the training rows, see
    `Yardstick`. Whoever is better than the model by that sign test is named in a warning.

    Where the query tower reads features, queries are also hot (the tower knows the id), warm (it knows only features)
    or cold (nothing); see `RetrievalModel.query_knowledge`. Where a held-out candidate of the corpus never occurs in
    training, there are segments of hot, warm and cold candidates, too, of those that occur.

    Args:
        model: A model with candidates.
        test: Held-out interactions: the columns that the query tower reads, and the candidate id.
        train: Training interactions: the query id and the candidate id.
        metrics: One or more metrics of ranks and of recommendations; by default recall at 10 and 50, NDCG at 10 and
            MRR, all by query.
        query: Column of query ids in both frames; by default the model's.
        exclude_seen: Whether to leave the training candidates of a query out of its ranking.
        popular_share: Share of the corpus that counts as popular, in (0, 1).
        k: Number of recommendations per query that the last two columns look at.
        batch_size: Number of rows to rank at once.
        time: Column of times in `train`, as for `data.Popularity`. By default the first with a conventional name; if
            its times cannot be read, a warning says so, and recent popularity is left out.
        yardsticks: `"all"`, or a list of names (`"item_knn"`, `"ease"`, `"als"`) and of `Yardstick` objects. They need
            the extra `baselines`. Of `"all"`, a warning names those that are not installed or do not fit.

    Returns:
        Data frame with the index levels `segment` (`all`, `known queries`, `new queries`, `popular candidates`, `rare
        candidates`, and hot, warm and cold ones) and `recommender` (`model`, `popularity`, and with times `recent
        popularity`), and the columns `num_rows`, `num_queries`, one of each metric, and those of `metrics.Coverage(k)`
        and `metrics.MeanPopularity(k)`: the share of the corpus that is recommended to any query of the segment, and
        the mean number of training interactions of the recommended candidates. NaN for a segment without rows.

        With `yardsticks` there are rows of `item-kNN`, `EASE` and `ALS`, and the columns `seconds`, which it took to
        make each; `outcome`, whether it is `beaten`, `level` or `better` by the sign test on the rows of the segment;
        and `recall@10_difference`, `recall@10_low` and `recall@10_high`, by how much the model is better, with the 95 %
        interval of `paired_difference`.

    Raises:
        StateError: The model has no candidates.
        ArgumentError: `popular_share` or `k` is out of range, the query column is not known, times of the column `time`
            cannot be read, `metrics` has values that are not metrics or share a name, or a yardstick is not known.
        MissingExtraError: What a yardstick of a list needs is not installed.
        ArgumentTypeError: `model` is not a `RetrievalModel`, or `test` or `train` is not a data frame.
        ColumnError: A frame lacks a column.

    Example:
        >>> from reciperec_layers import IdTower
        >>> train = pd.DataFrame({"user_id": [7, 7, 9], "recipe_id": ["pie", "soup", "pie"]})
        >>> test = pd.DataFrame({"user_id": [9, 5], "recipe_id": ["soup", "pie"]})
        >>> users = IdTower([7, 9], 4, feature="user_id")
        >>> recipes = IdTower(["pie", "soup"], 4, feature="recipe_id")
        >>> model = RetrievalModel(users, recipes, {"recipe_id": ["pie", "soup"]})
        >>> table = compare(model, test, train)
        >>> table.loc[("all", "popularity"), ["num_rows", "num_queries", "recall@10"]].tolist()
        [2.0, 2.0, 1.0]
    """
    test, train = to_frame(test, f"{_OWNER}: test"), to_frame(train, f"{_OWNER}: train")
    check_model_and_frames(model, test, train, needs_train=True)
    popular_share = check_number(_OWNER, "popular_share", popular_share, above=0, below=1, example=0.2)
    k = check_integer(_OWNER, "k", k, example=10)
    rankings = Rankings(model, test, train, query, exclude_seen, batch_size, time, yardsticks)
    segments = _segments(rankings, popular_share)
    table = _table(rankings, segments, metrics, k)
    if yardsticks is None:
        return table
    for sentence in rankings.losses(_OUTCOME_K):
        warnings.warn(f"{_OWNER}: {sentence}", stacklevel=2)
    return table.join(_differences(rankings, segments))


def by_segment(
    rankings: Rankings,
    metrics: RankMetric | RecommendationMetric | Iterable[RankMetric | RecommendationMetric] | None = None,
    popular_share: float = 0.2,
    k: int = 10,
) -> pd.DataFrame:
    """Returns the table of `compare` from existing rankings, which others may use as well.

    Args:
        rankings: Rankings, with training interactions.
        metrics: As for `compare`.
        popular_share: As for `compare`.
        k: As for `compare`.

    Example:
        >>> from reciperec_layers import IdTower
        >>> rows = pd.DataFrame({"user_id": [7, 9], "recipe_id": ["pie", "soup"]})
        >>> towers = IdTower([7, 9], 4, feature="user_id"), IdTower(["pie", "soup"], 4, feature="recipe_id")
        >>> rankings = Rankings(RetrievalModel(*towers, {"recipe_id": ["pie", "soup"]}), rows, rows)
        >>> by_segment(rankings).loc[("all", "model"), ["num_rows", "recall@10"]].tolist()
        [2.0, 0.0]
    """
    return _table(rankings, _segments(rankings, popular_share), metrics, k)


def _table(
    rankings: Rankings,
    segments: dict[str, np.ndarray],
    metrics: RankMetric | RecommendationMetric | Iterable[RankMetric | RecommendationMetric] | None,
    k: int,
) -> pd.DataFrame:
    test, train = rankings.test, rankings.train
    assert train is not None
    vocabulary = rankings.corpus.vocabulary
    k = min(k, len(vocabulary))
    metrics = [Recall(10), Recall(50), NDCG(10), MRR()] if metrics is None else copied(listed_metrics(metrics, _OWNER))
    metrics = [*metrics, Coverage(k), MeanPopularity(k, train[rankings.candidate])]
    recommendation_metrics = [metric for metric in metrics if isinstance(metric, RecommendationMetric)]
    for metric in recommendation_metrics:
        metric.set_candidates(vocabulary)
    recommended = rankings.recommended(min(max(metric.k for metric in recommendation_metrics), len(vocabulary)))
    rows_of = {
        name: np.where(scores > -np.inf, vocabulary.lookup(ids), -1) for name, (scores, ids) in recommended.items()
    }
    query_numbers = pd.factorize(test[rankings.query])[0]
    rows = []
    for segment, chosen in segments.items():
        queries, num_candidates = query_numbers[chosen], rankings.num_candidates[chosen]
        distinct = np.unique(queries)
        for recommender, ranks in rankings.ranks.items():
            values = {
                metric.name: _value(metric, rows_of[recommender][distinct])
                if isinstance(metric, RecommendationMetric)
                else value_of_ranks(metric, queries, ranks[chosen], num_candidates)
                for metric in metrics
            }
            counts = {"num_rows": len(queries), "num_queries": len(distinct)}
            rows.append({"segment": segment, "recommender": recommender, **counts, **values})
    return pd.DataFrame(rows).set_index(["segment", "recommender"])


def _segments(rankings: Rankings, popular_share: float) -> dict[str, np.ndarray]:
    """Returns by segment which test rows are in it."""
    test, train = rankings.test, rankings.train
    assert train is not None
    is_known = test[rankings.query].isin(train[rankings.query].unique()).to_numpy()
    num_popular = math.ceil(popular_share * len(rankings.corpus))
    is_popular = rankings.baselines[POPULARITY].held_out_ranks(test) <= num_popular
    return {
        "all": np.ones(len(test), bool),
        "known queries": is_known,
        "new queries": ~is_known,
        **_by_knowledge(rankings),
        "popular candidates": is_popular,
        "rare candidates": ~is_popular,
        **_by_knowledge_of_candidates(rankings),
    }


def _differences(rankings: Rankings, segments: dict[str, np.ndarray]) -> pd.DataFrame:
    """Returns by segment and baseline its seconds, whether it is beaten, and by how much."""
    rows = []
    for segment, chosen in segments.items():
        for name, seconds in rankings.seconds.items():
            rows.append({"segment": segment, "recommender": name, "seconds": seconds})
        if not chosen.any():
            continue
        outcomes, differences = rankings.outcomes(_OUTCOME_K, chosen=chosen), rankings.differences(chosen=chosen)
        for row, (name, found) in zip(rows[-len(differences) :], differences.items(), strict=True):
            row["outcome"] = _OUTCOMES[outcomes[name]]
            row |= {
                f"{found.metric}_difference": found.difference,
                f"{found.metric}_low": found.low,
                f"{found.metric}_high": found.high,
            }
    return pd.DataFrame(rows).set_index(["segment", "recommender"])


def copied(metrics: Iterable[Any]) -> list[Any]:
    """Returns copies without state; those of the caller may hold the state of another evaluation.

    Args:
        metrics: Metrics.

    Example:
        >>> [metric.name for metric in copied([Recall(10)])]
        ['recall@10']
    """
    return [type(metric).from_config(metric.get_config()) for metric in metrics]


def value_of_ranks(metric: RankMetric, queries: np.ndarray, ranks: np.ndarray, num_candidates: np.ndarray) -> float:
    """Returns the value of a metric for some rows, NaN for none.

    Args:
        metric: By query or by row.
        queries: Numbers that tell queries apart, shape `(n,)`.
        ranks: Ranks of their candidates, shape `(n,)`.
        num_candidates: How many candidates each chooses from, shape `(n,)`.

    Example:
        >>> value_of_ranks(Recall(1), np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([3, 3, 3]))
        0.25
    """
    metric.reset_state()
    if metric.per == "row":
        metric.update_state(ranks, num_candidates=num_candidates)
    else:
        for chunk in by_query(queries, ranks, np.ones(len(ranks)), num_candidates):
            metric.update_state(chunk.ranks, num_candidates=chunk.num_candidates)
    return float(metric.result()) if len(ranks) else math.nan


def _value(metric: RecommendationMetric, rows: np.ndarray) -> float:
    metric.reset_state()
    metric.update_state(rows)
    return float(metric.result()) if len(rows) else math.nan


def _by_knowledge(rankings: Rankings) -> dict[str, np.ndarray]:
    """Returns segments by what is known of queries; of a tower without features these are the known and the new."""
    if 1 not in rankings.model.query_tower.knowledge_levels:
        return {}
    return {f"{word} queries": rankings.query_knowledge == word for word in (HOT, WARM, COLD)}


def _by_knowledge_of_candidates(rankings: Rankings) -> dict[str, np.ndarray]:
    """Returns segments by what is known of candidates, unless all were trained."""
    words = rankings.candidate_knowledge
    if not np.isin(words, (WARM, COLD)).any():
        return {}
    return {f"{word} candidates": words == word for word in (HOT, WARM, COLD) if (words == word).any()}
