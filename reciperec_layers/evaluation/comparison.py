"""compare: a model beside what is popular, per segment."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.arguments import check_positive
from reciperec_layers.columns import require_column
from reciperec_layers.data import Popularity, seen
from reciperec_layers.errors import ArgumentError, StateError, explain
from reciperec_layers.metrics import MRR, NDCG, RankMetric, Recall
from reciperec_layers.models import RetrievalModel
from reciperec_layers.models.corpus_index import corpus_rows
from reciperec_layers.models.held_out_log import by_query
from reciperec_layers.seen import Seen

_OWNER = "compare"


def compare(
    model: RetrievalModel,
    test: pd.DataFrame,
    train: pd.DataFrame,
    *,
    metrics: Iterable[RankMetric] | None = None,
    query: str | None = None,
    exclude_seen: bool = True,
    popular_share: float = 0.2,
    k: int = 10,
    batch_size: int = 1024,
) -> pd.DataFrame:
    """Returns metrics of a model and of recommending what is popular, on the same held-out rows and their segments.

    Queries are new when training has no interaction of theirs, else known. Candidates are popular when they are among
    the share `popular_share` of the corpus that training has most often, else rare; ties as in the corpus. A held-out
    candidate outside of the corpus is a miss of both.

    Args:
        model: A model with candidates.
        test: Held-out interactions: the columns that the query tower reads, and the candidate id.
        train: Training interactions: the query id and the candidate id.
        metrics: Metrics of ranks; by default recall at 10 and 50, NDCG at 10 and MRR, all by query.
        query: Column of query ids in both frames; by default the model's.
        exclude_seen: Whether what a query has in training is left out of its ranking.
        popular_share: In (0, 1).
        k: How many recommendations of each query the last two columns look at.
        batch_size: Rows ranked at a time.

    Returns:
        Data frame with the index levels `segment` (`all`, `known queries`, `new queries`, `popular candidates`, `rare
        candidates`) and `recommender` (`model`, `popularity`), and the columns `num_rows`, `num_queries`, one of each
        metric, `coverage@k`, the share of the corpus that is recommended to any of the segment's queries, and
        `interactions@k`, how many training interactions what is recommended has in the mean. NaN where a segment has
        no rows.

    Raises:
        StateError: The model has no candidates.
        ArgumentError: `popular_share` or `k` is out of its range, or it is not known which column names a query.
        ColumnError: A frame lacks a column.

    Example:
        >>> from reciperec_layers import IdTower
        >>> train = pd.DataFrame({"user_id": [7, 7, 9], "recipe_id": ["pie", "soup", "pie"]})
        >>> test = pd.DataFrame({"user_id": [9, 5], "recipe_id": ["soup", "pie"]})
        >>> towers = IdTower([7, 9], 4, feature="user_id"), IdTower(["pie", "soup"], 4, feature="recipe_id")
        >>> table = compare(RetrievalModel(*towers, {"recipe_id": ["pie", "soup"]}), test, train)
        >>> table.loc[("all", "popularity"), ["num_rows", "num_queries", "recall@10"]].tolist()
        [2.0, 2.0, 1.0]
    """
    if model.corpus is None:
        fix = "Create it with candidates=..."
        raise StateError(explain(_OWNER, "the model has no candidates", candidates=None, fix=fix))
    if not (isinstance(popular_share, (int, float)) and 0 < popular_share < 1):
        fix = "Use for example 0.2"
        raise ArgumentError(explain(_OWNER, "`popular_share` must be in (0, 1)", popular_share=popular_share, fix=fix))
    check_positive(_OWNER, "k", k)
    query, candidate = _query_column(model, query), model.corpus.id_column
    for frame, name in ((test, "test"), (train, "train")):
        for column in (query, candidate):
            require_column(frame.columns, column, f"{_OWNER}: {name}")
    metrics = [Recall(10), Recall(50), NDCG(10), MRR()] if metrics is None else list(metrics)
    corpus = pd.DataFrame({candidate: model.corpus.vocabulary.ids})
    popularity = Popularity(train, candidate, corpus)
    exclude = seen(train, query, candidate) if exclude_seen else None
    names = list(dict.fromkeys((*model.query_columns, query, candidate)))
    ranks = {
        "model": model.held_out_ranks(test[names], exclude, unknown_candidates="miss", batch_size=batch_size),
        "popularity": popularity.held_out_ranks(test, exclude),
    }
    # What is recommended depends on the query alone: each is asked once.
    of_query, distinct = pd.factorize(test[query])
    asked = test[~test.duplicated(query)]
    k = min(k, len(corpus))
    recommended = {
        "model": model.recommend(asked[list(dict.fromkeys((*model.query_columns, query)))], k, exclude)[1],
        "popularity": popularity.recommend(distinct, k, exclude)[1],
    }
    vocabulary, counts = model.corpus.vocabulary, train[candidate].value_counts()
    counts = counts.reindex(vocabulary.ids, fill_value=0).to_numpy()
    rows_of = {name: vocabulary.lookup(ids) for name, ids in recommended.items()}
    num_candidates = len(corpus) - _num_seen(test[query], exclude, model)
    is_known = test[query].isin(train[query].unique()).to_numpy()
    is_popular = popularity.held_out_ranks(test) <= math.ceil(popular_share * len(corpus))
    segments = {
        "all": np.ones(len(test), bool),
        "known queries": is_known,
        "new queries": ~is_known,
        "popular candidates": is_popular,
        "rare candidates": ~is_popular,
    }
    rows = [
        {
            "segment": segment,
            "recommender": recommender,
            **_values(metrics, of_query[chosen], of_all[chosen], num_candidates[chosen]),
            **_reach(rows_of[recommender][np.unique(of_query[chosen])], counts, k),
        }
        for segment, chosen in segments.items()
        for recommender, of_all in ranks.items()
    ]
    return pd.DataFrame(rows).set_index(["segment", "recommender"])


def _query_column(model: RetrievalModel, query: str | None) -> str:
    query = model.query_id_column if query is None else query
    if query is None:
        fix = 'Pass query="...", or create the model with query_id="..."'
        problem = "which column names a query is not known"
        raise ArgumentError(explain(_OWNER, problem, query_columns=model.query_columns, fix=fix))
    return query


def _num_seen(queries: pd.Series, exclude: Seen | None, model: RetrievalModel) -> np.ndarray:
    """Returns how many candidates of the corpus each row's query has seen, int64 of shape `(n,)`."""
    if exclude is None:
        return np.zeros(len(queries), np.int64)
    assert model.corpus is not None
    return corpus_rows(model.corpus, *exclude.rows(queries)).row_lengths().numpy()


def _values(
    metrics: list[RankMetric], queries: np.ndarray, ranks: np.ndarray, num_candidates: np.ndarray
) -> dict[str, Any]:
    values: dict[str, Any] = {"num_rows": len(ranks), "num_queries": len(pd.unique(queries))}
    ones = np.ones(len(ranks))
    for metric in metrics:
        metric = type(metric).from_config(metric.get_config())  # the user's may hold another evaluation
        if metric.per == "row":
            metric.update_state(ranks, num_candidates=num_candidates)
        else:
            for chunk in by_query(queries, ranks, ones, num_candidates):
                metric.update_state(chunk.ranks, num_candidates=chunk.num_candidates)
        values[metric.name] = float(metric.result()) if len(ranks) else math.nan
    return values


def _reach(recommended: np.ndarray, counts: np.ndarray, k: int) -> dict[str, float]:
    """Returns which share of the corpus is recommended, and how popular that is.

    Args:
        recommended: Corpus rows, int64 of shape `(num_queries, k)`, -1 where there is none.
        counts: Training interactions of each candidate of the corpus.
        k: For the names.
    """
    found = recommended[recommended >= 0]
    return {
        f"coverage@{k}": len(np.unique(found)) / len(counts) if len(recommended) else math.nan,
        f"interactions@{k}": float(np.mean(counts[found])) if len(found) else math.nan,
    }
