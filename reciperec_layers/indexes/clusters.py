"""Clusters of directions, found by scikit-learn's k-means."""

from __future__ import annotations

import warnings

import numpy as np
import tensorflow as tf

from reciperec_layers.errors import MissingExtraError, explain
from reciperec_layers.graph.traced_once import traced_once

# Candidates per cluster that k-means sees; more hardly change its centroids.
SAMPLE_OF_CLUSTER = 64
_ITERATIONS = 10
_ROWS_AT_ONCE = 8192


def learn_directions(embeddings: tf.Tensor, num_clusters: int, seed: int | None) -> np.ndarray:
    """Returns the centroids of k-means over the candidates scaled to unit length.

    Args:
        embeddings: float32 of shape `(num_candidates, dim)`.
        num_clusters: Number of clusters, at most `num_candidates`.
        seed: Seed of the sample and the initial centroids.

    Returns:
        float32 of shape `(num_clusters, dim)`, of unit length.

    Raises:
        MissingExtraError: scikit-learn is not installed.

    Example:
        >>> learn_directions(tf.constant([[2.0, 0.0], [3.0, 0.0]]), num_clusters=1, seed=0).tolist()
        [[1.0, 0.0]]
    """
    try:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
    except ImportError as error:
        fix = 'Install it: pip install "reciperec-layers[indexes]"'
        problem = "clusters of candidates need scikit-learn, which is not installed"
        raise MissingExtraError(explain("InvertedFileIndex", problem, fix=fix)) from error
    generator = np.random.default_rng(seed)
    size = int(embeddings.shape[0])
    rows = generator.choice(size, min(size, SAMPLE_OF_CLUSTER * num_clusters), replace=False)
    sample = tf.math.l2_normalize(tf.gather(embeddings, np.sort(rows)), axis=1).numpy()
    k_means = KMeans(num_clusters, init="random", n_init=1, max_iter=_ITERATIONS, tol=0, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal candidates form fewer clusters
        centroids = k_means.fit(sample).cluster_centers_
    return tf.math.l2_normalize(tf.constant(centroids, tf.float32), axis=1).numpy()


def nearest_directions(embeddings: tf.Tensor, directions: np.ndarray) -> np.ndarray:
    """Returns the nearest direction of each candidate, int32 of shape `(num_candidates,)`.

    Args:
        embeddings: float32 of shape `(num_candidates, dim)`.
        directions: As returned by `learn_directions`.

    Example:
        >>> nearest_directions(tf.constant([[0.0, 2.0]]), np.eye(2, dtype=np.float32)).tolist()
        [1]
    """
    columns = tf.constant(directions.T)
    starts = range(0, int(embeddings.shape[0]), _ROWS_AT_ONCE)
    parts = [_nearest(embeddings[start : start + _ROWS_AT_ONCE], columns).numpy() for start in starts]
    return np.concatenate(parts)


@traced_once
def _nearest(embeddings: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return tf.argmax(tf.matmul(embeddings, columns), axis=1, output_type=tf.int32)
