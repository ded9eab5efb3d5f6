"""Ratings of MovieLens as the tutorials of TensorFlow Recommenders have them: datasets of rows with text ids."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf


def options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", type=Path, help="folder with ratings.csv and movies.csv of ml-latest-small")
    parser.add_argument("--rows", type=int, default=50_000, help="how many ratings")
    parser.add_argument("--epochs", type=int, default=3)
    return parser.parse_args()


def frame(folder: Path, rows: int) -> pd.DataFrame:
    """Returns ratings with the columns of the tutorials, shuffled."""
    ratings = pd.read_csv(folder / "ratings.csv").merge(pd.read_csv(folder / "movies.csv"), on="movieId")
    ratings = ratings.sample(n=min(rows, len(ratings)), random_state=42)
    columns = {
        "user_id": ratings["userId"].astype(str).to_numpy(object),
        "movie_title": ratings["title"].to_numpy(object),
        "user_rating": ratings["rating"].to_numpy(np.float32),
        "timestamp": ratings["timestamp"].to_numpy(),
    }
    return pd.DataFrame(columns)


def split(ratings: pd.DataFrame) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Returns four fifths for training, and the others."""
    columns = {name: ratings[name].to_numpy() for name in ratings}
    columns = {name: values.astype(str) if values.dtype == object else values for name, values in columns.items()}
    rows = tf.data.Dataset.from_tensor_slices(columns)
    cut = len(ratings) * 4 // 5
    return rows.take(cut).cache(), rows.skip(cut).cache()
