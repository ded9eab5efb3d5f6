"""Functions of the MovieLens tutorials."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.indexes import exact_top_k


def evaluate(
    user_model: Any,
    movie_model: Any,
    test: tf.data.Dataset,
    movies: tf.data.Dataset,
    train: tf.data.Dataset | None = None,
    k: int = 10,
) -> dict[str, float]:
    """Returns precision and recall at k, means over the users of the test data.

    Args:
        user_model: From `{"user_id": ids}` to embeddings.
        movie_model: From `{"movie_id": ids}` to embeddings.
        test: Rows with `user_id` and `movie_id`.
        movies: Rows with `movie_id`, all candidates.
        train: Rows like those of `test`, whose movies are not recommended to their users; `None` to leave nothing out.
        k: Number of movies.

    Returns:
        `precision_at_k` and `recall_at_k`.

    Source:
        `tfrs.examples.movielens.evaluate` of TensorFlow Recommenders 0.7.7, which ranks user by user.
    """
    batches = list(movies.batch(4096))
    movie_ids = np.concatenate([batch["movie_id"].numpy() for batch in batches])
    candidates = tf.concat([movie_model({"movie_id": batch["movie_id"]}) for batch in batches], axis=0)
    rows = {movie: row for row, movie in enumerate(movie_ids.tolist())}
    held_out = _rows_by_user(test, rows)
    seen = {} if train is None else _rows_by_user(train, rows)
    users = list(held_out)
    queries = user_model({"user_id": tf.constant(users)})
    excluded = tf.ragged.constant([seen.get(user, []) for user in users], dtype=tf.int64, ragged_rank=1)
    most = min(k, len(rows))
    found = exact_top_k(tf.cast(queries, tf.float32), tf.cast(candidates, tf.float32), most, excluded)[1].numpy()
    hits = np.array([np.isin(held_out[user], found[place]).sum() for place, user in enumerate(users)])
    sizes = np.array([len(held_out[user]) for user in users])
    return {"precision_at_k": float(np.mean(hits / k)), "recall_at_k": float(np.mean(hits / sizes))}


def sample_listwise(
    rating_dataset: tf.data.Dataset,
    num_list_per_user: int = 10,
    num_examples_per_list: int = 10,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Returns lists of movies with their ratings, drawn for each user from those that he rated.

    Args:
        rating_dataset: Rows with `user_id`, `movie_title` and `user_rating`.
        num_list_per_user: Number of lists of each user.
        num_examples_per_list: Number of movies of a list, none twice. Users with fewer are left out.
        seed: Seed of the draws.

    Returns:
        Rows with `user_id`, `movie_title` of shape `(num_examples_per_list,)`, and `user_rating` of the same shape.

    Source:
        `tfrs.examples.movielens.sample_listwise` of TensorFlow Recommenders 0.7.7, with the same draws.
    """
    random = np.random.RandomState(seed)
    titles: dict[Any, list[Any]] = {}
    ratings: dict[Any, list[Any]] = {}
    for row in rating_dataset.as_numpy_iterator():
        titles.setdefault(row["user_id"], []).append(row["movie_title"])
        ratings.setdefault(row["user_id"], []).append(row["user_rating"])
    lists: dict[str, list[Any]] = {"user_id": [], "movie_title": [], "user_rating": []}
    for user, of_user in titles.items():
        if len(of_user) < num_examples_per_list:
            continue
        for _ in range(num_list_per_user):
            chosen = random.choice(range(len(of_user)), size=num_examples_per_list, replace=False)
            lists["user_id"].append(user)
            lists["movie_title"].append([of_user[place] for place in chosen])
            lists["user_rating"].append([ratings[user][place] for place in chosen])
    return tf.data.Dataset.from_tensor_slices(lists)


movielens_to_listwise = sample_listwise  # as the tutorial's text calls it


def _rows_by_user(rows_of_users: tf.data.Dataset, rows: dict[Any, int]) -> dict[Any, list[int]]:
    """Returns the rows of the movies of each user, in the order of the users."""
    found: dict[Any, list[int]] = {}
    for row in rows_of_users.as_numpy_iterator():
        found.setdefault(row["user_id"], []).append(rows[row["movie_id"]])
    return found
