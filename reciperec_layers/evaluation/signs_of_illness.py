"""Signs that a model, or the way it is evaluated, is ill: one plain sentence each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.evaluation.rankings import Rankings
from reciperec_layers.evaluation.signs_in_training import signs_in_training
from reciperec_layers.models import RetrievalModel

_K = 10
_MOST_QUERIES = 500
_LEAST_QUERIES = 50
# Below these numbers a sign may be chance.
_LEAST_CANDIDATES = 5 * _K
_LEAST_ROWS = 100
# From where on something is a sign.
_LEAKED_SHARE = 0.2
_FEW_LISTS = 2
_RARE = 0.5
_COLLAPSED = 0.9
_EXPLODED = 1000.0


def symptoms(model: RetrievalModel, test: Any, train: Any, *, query: str | None = None) -> list[str]:
    """Returns one sentence for each sign of illness that a model and its evaluation show; none if all is well.

    - More than a fifth of the held-out pairs of a query and a candidate are among the training rows.
    - The query ids count the rows, so that no query has two.
    - Queries of the training rows all get the same few candidates: the best 10 of all of them are 20 or fewer.
    - What they get has half as many training interactions as a candidate has on average: popular ones are pushed down.
    - The embeddings of candidates are nearly one: their mean cosine is above .9.
    - An embedding is more than a thousand times as long as the one in the middle.

    And where the model was trained in this process, by its last `fit`:

    - The loss is that of scores that are all equal, or has not fallen in three epochs or more.
    - A validation metric has lost a fifth of its best value while the loss went on falling.

    Args:
        model: A model with candidates.
        test: Held-out interactions: the columns that the query tower reads, and the candidate id.
        train: Training interactions: the query id and the candidate id.
        query: Column of query ids in both frames; by default the model's.

    Raises:
        StateError: The model has no candidates.
        ArgumentError: The query column is not known.
        ArgumentTypeError: `model` is not a `RetrievalModel`, or `test` or `train` is not a data frame.
        ColumnError: A frame lacks a column.

    Example:
        >>> from reciperec_layers import IdTower
        >>> train = pd.DataFrame({"user_id": range(100), "recipe_id": ["pie", "soup"] * 50})
        >>> towers = IdTower(range(100), 4, feature="user_id"), IdTower(["pie", "soup"], 4, feature="recipe_id")
        >>> model = RetrievalModel(*towers, {"recipe_id": ["pie", "soup"]})
        >>> for sentence in symptoms(model, train[:9], train):
        ...     print(sentence)
        9 of 9 held-out pairs are among the training rows, so what was learned by heart is a hit. Split ...
        The column 'user_id' counts the rows: no query has two, and nothing can be learned of any. Name ...
    """
    return symptoms_of(Rankings(model, test, train, query, exclude_seen=False))


def symptoms_of(rankings: Rankings) -> list[str]:
    """Returns what `symptoms` does.

    Args:
        rankings: Of held-out rows, with the training rows.

    Example:
        >>> train = pd.DataFrame({"user_id": [7, 9], "recipe_id": ["pie", "soup"]})
        >>> from reciperec_layers import IdTower
        >>> towers = IdTower([7, 9], 4, feature="user_id"), IdTower(["pie", "soup"], 4, feature="recipe_id")
        >>> symptoms_of(Rankings(RetrievalModel(*towers, {"recipe_id": ["pie", "soup"]}), train[:0], train))
        []
    """
    of_rows = [sentence for sentence in (_leaked(rankings), _row_numbers(rankings)) if sentence]
    model = rankings.model
    return [*of_rows, *signs_in_training(model), *_of_recommendations(rankings), *_of_embeddings(rankings)]


def _leaked(rankings: Rankings) -> str:
    names = [rankings.query, rankings.candidate]
    held_out, trained = (pd.MultiIndex.from_frame(frame[names]) for frame in (rankings.test, rankings.train))
    num = int(held_out.isin(trained).sum())
    if num <= _LEAKED_SHARE * len(held_out):
        return ""
    outcome = "what was learned by heart is a hit" if rankings.exclude is None else "as seen ones they are misses"
    return (
        f"{num:,} of {len(held_out):,} held-out pairs are among the training rows, so {outcome}. Split before "
        "training, or drop the rows that repeat."
    )


def _row_numbers(rankings: Rankings) -> str:
    ids = rankings.train[rankings.query].to_numpy()
    if len(ids) < _LEAST_ROWS or ids.dtype.kind not in "iu" or not (np.diff(np.sort(ids)) == 1).all():
        return ""
    return (
        f"The column {rankings.query!r} counts the rows: no query has two, and nothing can be learned of any. Name the "
        "column of the query ids."
    )


def _of_recommendations(rankings: Rankings) -> list[str]:
    rows = rankings.test.drop_duplicates(rankings.query)
    rows = rows[rows[rankings.query].isin(rankings.train[rankings.query])][:_MOST_QUERIES]
    vocabulary = rankings.corpus.vocabulary
    if len(rows) < _LEAST_QUERIES or len(vocabulary) < _LEAST_CANDIDATES:
        return []
    _, ids = rankings.model.recommend(rows, k=_K)
    recommended = vocabulary.lookup(ids.ravel())
    counted = vocabulary.lookup(rankings.train[rankings.candidate].to_numpy())
    counts = np.bincount(counted[counted >= 0], minlength=len(vocabulary))
    found, distinct = [], len(np.unique(recommended))
    if distinct <= _FEW_LISTS * _K:
        found.append(
            f"Everybody gets the same few candidates: the {_K} best of {len(rows):,} queries of the training rows are "
            f"{distinct} in all. Train longer or with a lower temperature, or see whether the id column is right."
        )
    of_recommended, of_all = counts[recommended].mean(), counts.mean()
    if of_recommended < _RARE * of_all:
        found.append(
            f"Popular candidates are pushed down: what is recommended has {of_recommended:.1f} training rows on "
            f'average, a candidate {of_all:.1f}. Use sampling_correction="counts", or losses.CorpusSoftmax.'
        )
    return found


def _of_embeddings(rankings: Rankings) -> list[str]:
    model = rankings.model
    embeddings = model.candidate_embeddings().to_numpy(np.float64)[:, : model.candidate_tower.embedding_dim]
    lengths = np.linalg.norm(embeddings, axis=1)
    if len(lengths) < _LEAST_CANDIDATES or not (lengths > 0).any():
        return []
    found, directions = [], embeddings[lengths > 0] / lengths[lengths > 0, np.newaxis]
    cosine = float(np.square(directions.mean(axis=0)).sum())  # the mean over all pairs
    if cosine > _COLLAPSED:
        found.append(
            f"The embeddings of candidates are nearly one: their mean cosine is {cosine:.2f}. Try a lower learning "
            "rate, a loss with more negatives, or fewer layers."
        )
    longest, middle = lengths.max(), np.median(lengths[lengths > 0])
    if longest > _EXPLODED * middle:
        found.append(
            f"Embeddings explode: the longest is {longest / middle:,.0f} times as long as the one in the middle. Try a "
            "lower learning rate, or normalize=True."
        )
    return found
