"""InvertedFileIndex: approximate search that scores a small part of the candidates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.graph.traced_once import traced_once
from reciperec_layers.indexes.block_search import mask_excluded, scores_of_blocks
from reciperec_layers.indexes.clusters import learn_directions, nearest_directions
from reciperec_layers.indexes.exact_search import MAX_SCORES, top_k_of_all
from reciperec_layers.indexes.index import INDEXES, Index

# Candidates of a block. Smaller blocks are more homogeneous, but more of them are compared with every query.
BLOCK = 32
# Minimum that is scored: some blocks, which cost next to nothing, and 4 candidates per result.
_MIN_BLOCKS = 64
_RESULTS_PER_BLOCK = BLOCK // 4
_SEARCHED = "summaries", "blocks", "rows", "places", "num_scored_blocks"


@INDEXES.register("inverted_file")
class InvertedFileIndex(Index):
    r"""Finds most of the k candidates with the largest inner products, by scoring a small part of them.

    For several hundred thousand candidates or more, and few queries at a time; `audit` measures its recall and speed,
    and `tune` sets the part that is scored. `BruteForceIndex` is exact.

    Candidates are sorted by cluster of their directions and, within a cluster, by norm, largest first, and cut into
    blocks of 32. A query is compared with each block by \(q \mu + \|q\| \sigma\), where \(\mu\) is the mean of the
    block and \(\sigma\) the standard deviation of its candidates along one axis; the candidates of the best blocks are
    scored exactly. Clusters of directions alone, as usual for inner products, miss candidates with large norms in other
    directions; blocks of similar norms do not. If fewer than k are found, or more than half would be scored, all are.

    Args:
        scored_fraction: Share of the candidates that is scored for a query, in (0, 1], but at least about 2,000
            candidates. May be set at any time.
        num_clusters: Number of clusters; by default twice the square root of the number of candidates.
        seed: Seed of the clusters, an integer >= 0; `None` for other clusters each time.
        k: Default number of candidates that a call returns.
        name: Name of the layer.
        **kwargs: As for every Keras layer.

    Call arguments:
        queries: Query embeddings, shape `(num_queries, embedding_dim)`.
        k: How many candidates.

    Returns:
        Scores, float32 of shape `(num_queries, k)`, best first, and ids.

    Raises:
        ArgumentError: A number is out of range.
        StateError: The index has no candidates.
        MissingExtraError: Candidates are assigned, and scikit-learn is not installed.

    Source:
        Jégou et al. 2011, Product quantization for nearest neighbor search, has the inverted file. Cutting by length
        follows Yan et al. 2018, Norm-ranging LSH for maximum inner product search.

    Example:
        >>> index = InvertedFileIndex(scored_fraction=0.1)
        >>> index.assign([[2.0], [3.0], [2.0]], ids=["pie", "soup", "stew"])
        >>> index.search([[1.0]], k=2)[1].tolist()
        [['soup', 'pie']]
    """

    def __init__(
        self,
        scored_fraction: float = 0.02,
        num_clusters: int | None = None,
        seed: int | None = 0,
        k: int = 10,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(k, name, **kwargs)
        owner = "InvertedFileIndex"
        self.num_clusters = check_integer(owner, "num_clusters", num_clusters, optional=True, example=1000)
        self.seed = check_integer(owner, "seed", seed, least=0, optional=True)
        self.scored_fraction = scored_fraction

    @property
    def scored_fraction(self) -> float:
        """Share of the candidates that is scored for a query, in (0, 1]."""
        return self._scored_fraction

    @scored_fraction.setter
    def scored_fraction(self, value: float) -> None:
        owner = "InvertedFileIndex"
        self._scored_fraction = check_number(owner, "scored_fraction", value, above=0, most=1, example=0.02)
        if self.num_candidates:
            self.replace_tensor("num_scored_blocks", self._num_scored_blocks(int(self.tensors()["rows"].shape[0])))

    def learn(self, embeddings: tf.Tensor) -> dict[str, np.ndarray]:
        size = int(embeddings.shape[0])
        num_clusters = min(size, self.num_clusters or round(2 * math.sqrt(size)))
        directions = learn_directions(embeddings, num_clusters, self.seed)
        return {"directions": directions, "clusters": nearest_directions(embeddings, directions)}

    def extend(self, learned: dict[str, np.ndarray], embeddings: tf.Tensor) -> dict[str, np.ndarray]:
        added = nearest_directions(embeddings, learned["directions"])
        return {**learned, "clusters": np.concatenate([learned["clusters"], added])}

    def select(self, learned: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
        return {**learned, "clusters": learned["clusters"][rows]}

    def arrange(self, embeddings: tf.Tensor, learned: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
        size, dim = embeddings.shape
        _check_learned(learned, size, dim)
        lengths = tf.norm(embeddings, axis=1).numpy()
        order = np.lexsort((-lengths, learned["clusters"]))
        places = _places(learned["clusters"][order])
        num_blocks = int(places[-1]) // BLOCK + 1
        rows = np.full(num_blocks * BLOCK, -1, np.int32)
        rows[places] = order
        place_of_row = np.empty(size, np.int32)
        place_of_row[order] = places
        is_filled = tf.constant(rows >= 0)[:, tf.newaxis]
        candidates = tf.where(is_filled, tf.gather(embeddings, np.maximum(rows, 0)), 0.0)
        return {
            "blocks": tf.reshape(candidates, (num_blocks, BLOCK * dim)),
            "summaries": _summaries(tf.reshape(candidates, (num_blocks, BLOCK, dim)), rows.reshape(num_blocks, BLOCK)),
            "rows": tf.constant(rows.reshape(num_blocks, BLOCK)),
            "places": tf.constant(place_of_row),
            "num_scored_blocks": self._num_scored_blocks(num_blocks),
        }

    def find(
        self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return _find(queries, *(tensors[name] for name in _SEARCHED), k, excluded)

    def embeddings_of(self, tensors: dict[str, tf.Tensor], rows: tf.Tensor | None = None) -> tf.Tensor:
        places = tensors["places"] if rows is None else tf.gather(tensors["places"], rows)
        return _embeddings_at(places, tensors["blocks"])

    def queries_at_once(self, k: int, num_excluded: int) -> int:
        tensors = self.tensors()
        num_blocks, width = tensors["blocks"].shape
        count = max(int(tensors["num_scored_blocks"]), k // _RESULTS_PER_BLOCK)
        # All candidates are scored if a query finds too few.
        return max(1, MAX_SCORES // max(min(count, num_blocks) * width, self.num_candidates))

    def get_config(self) -> dict[str, Any]:
        own = {"scored_fraction": self.scored_fraction, "num_clusters": self.num_clusters, "seed": self.seed}
        return {**super().get_config(), **own}

    def _num_scored_blocks(self, num_blocks: int) -> tf.Tensor:
        return tf.constant(max(_MIN_BLOCKS, math.ceil(self.scored_fraction * num_blocks)))


@traced_once
def _find(
    queries: tf.Tensor,
    summaries: tf.Tensor,
    blocks: tf.Tensor,
    rows: tf.Tensor,
    places: tf.Tensor,
    num_scored_blocks: tf.Tensor,
    k: tf.Tensor,
    excluded: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    count = tf.maximum(num_scored_blocks, k // _RESULTS_PER_BLOCK)

    def all_scored() -> tuple[tf.Tensor, tf.Tensor]:
        return top_k_of_all(queries, _embeddings_at(places, blocks), k, excluded)

    def some_scored() -> tuple[tf.Tensor, tf.Tensor]:
        chosen = tf.math.top_k(guesses_of_blocks(queries, summaries), count, sorted=False).indices
        chosen = tf.sort(chosen, axis=1)
        of_chosen = tf.reshape(tf.gather(rows, chosen), (tf.shape(queries)[0], -1))
        scores = tf.where(of_chosen >= 0, scores_of_blocks(queries, blocks, chosen), -float("inf"))
        if excluded is not None:
            excluded_places = tf.where(excluded >= 0, tf.gather(places, tf.maximum(excluded, 0)), -1)
            scores = mask_excluded(scores, chosen, excluded_places)
        found, best = tf.math.top_k(scores, k)
        is_full = tf.reduce_all(found[:, -1] > -float("inf"))
        found_rows = tf.cast(tf.gather(of_chosen, best, batch_dims=1), tf.int64)
        return tf.cond(is_full, lambda: (found, found_rows), all_scored)

    return tf.cond(2 * count <= tf.shape(rows)[0], some_scored, all_scored)


def guesses_of_blocks(queries: tf.Tensor, summaries: tf.Tensor) -> tf.Tensor:
    """Returns estimates of the best score in each block, float32 of shape `(num_queries, num_blocks)`.

    Args:
        queries: float32 of shape `(num_queries, dim)`.
        summaries: Mean and spread of each block, shape `(num_blocks, dim + 1)`.

    Example:
        >>> guesses_of_blocks(tf.constant([[3.0, 4.0]]), tf.constant([[1.0, 0.0, 0.5]])).numpy()
        array([[5.5]], dtype=float32)
    """
    lengths = tf.norm(queries, axis=1, keepdims=True)
    return tf.matmul(tf.concat([queries, lengths], axis=1), summaries, transpose_b=True)


def _embeddings_at(places: tf.Tensor, blocks: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.reshape(blocks, (-1, tf.shape(blocks)[1] // BLOCK)), places)


def _check_learned(learned: dict[str, np.ndarray], size: int, dim: int) -> None:
    """Raises `ValueError` if the arrays do not fit the candidates, as in a damaged file."""
    directions, clusters = learned["directions"], learned["clusters"]
    if directions.shape[1:] != (dim,) or clusters.shape != (size,) or clusters.dtype.kind != "i":
        raise ValueError("clusters do not fit the candidates")
    if clusters.min() < 0 or clusters.max() >= len(directions):
        raise ValueError("a cluster has no direction")


def _places(clusters: np.ndarray) -> np.ndarray:
    """Returns the place of each candidate in blocks, each with candidates of a single cluster.

    Args:
        clusters: Clusters of the candidates, ascending, shape `(num_candidates,)`.
    """
    sizes = np.bincount(clusters)
    sizes = sizes[sizes > 0]
    starts = np.cumsum(sizes) - sizes
    blocks = -(-sizes // BLOCK)
    first_places = (np.cumsum(blocks) - blocks) * BLOCK
    return np.repeat(first_places - starts, sizes) + np.arange(len(clusters))


def _summaries(candidates: tf.Tensor, rows: np.ndarray) -> tf.Tensor:
    """Returns mean and spread of each block, float32 of shape `(num_blocks, dim + 1)`.

    Args:
        candidates: Shape `(num_blocks, BLOCK, dim)`, padded with 0.
        rows: Shape `(num_blocks, BLOCK)`, padded with -1.
    """
    is_filled = tf.constant((rows >= 0)[:, :, np.newaxis], tf.float32)
    counts = tf.reduce_sum(is_filled, axis=1)
    means = tf.reduce_sum(candidates, axis=1) / counts
    squares = tf.reduce_sum(is_filled * tf.square(candidates - means[:, tf.newaxis]), axis=(1, 2)) / counts[:, 0]
    spreads = tf.sqrt(squares / candidates.shape[2])
    return tf.concat([means, spreads[:, tf.newaxis]], axis=1)
