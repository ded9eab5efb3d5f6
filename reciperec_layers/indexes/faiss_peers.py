"""Indexes of faiss, to compare with."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reciperec_layers.indexes.clusters import SAMPLE_OF_CLUSTER


def has_faiss() -> bool:
    """Returns whether faiss is installed.

    Example:
        >>> has_faiss()
        True
    """
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


@contextlib.contextmanager
def faiss_threads(num_threads: int) -> Iterator[None]:
    """Sets the number of threads that faiss uses.

    Args:
        num_threads: How many.

    Example:
        >>> import faiss
        >>> with faiss_threads(1):
        ...     faiss.omp_get_max_threads()
        1
    """
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(num_threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def flat(embeddings: np.ndarray) -> Any:
    """Builds faiss's exact index for inner products.

    Args:
        embeddings: float32 of shape `(num_candidates, dim)`.

    Example:
        >>> flat(np.array([[1.0], [2.0]], np.float32)).search(np.array([[1.0]], np.float32), 1)[1]
        array([[1]])
    """
    import faiss

    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings)
    return index


def inverted_file(embeddings: np.ndarray, num_lists: int | None = None) -> Any:
    """Builds faiss's inverted file for inner products, without compression.

    Args:
        embeddings: float32 of shape `(num_candidates, dim)`.
        num_lists: Number of lists; by default four times the square root of the number of candidates, as faiss
            recommends, but at most one per 39 candidates, the minimum for its k-means.

    Example:
        >>> inverted_file(np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)).nlist
        10
    """
    import faiss

    size, dim = embeddings.shape
    num_lists = num_lists or max(1, min(4 * math.isqrt(size), size // 39))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, num_lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1  # faiss prints a warning below its default
    index.cp.max_points_per_centroid = SAMPLE_OF_CLUSTER
    index.train(embeddings)
    index.add(embeddings)
    return index


def smallest_nprobe(index: Any, recall_of: Callable[[], float], recall: float) -> int:
    """Sets the smallest number of lists to probe that reaches a recall, and returns it.

    Args:
        index: As returned by `inverted_file`.
        recall_of: Function that returns the current recall of the index.
        recall: The recall to reach; probing all lists gives 1.

    Example:
        >>> index = inverted_file(np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32))
        >>> smallest_nprobe(index, lambda: index.nprobe / 10, recall=0.5)
        5
    """
    low, high = 1, index.nlist
    while low < high:
        index.nprobe = (low + high) // 2
        if recall_of() >= recall:
            high = index.nprobe
        else:
            low = index.nprobe + 1
    index.nprobe = low
    return low
