"""audit: recall, speed and memory of an index, compared with exact search and faiss."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.indexes import faiss_peers
from reciperec_layers.indexes.exact_answers import ExactAnswers, checked_queries
from reciperec_layers.indexes.index import INDEXES, Index

if TYPE_CHECKING:
    import pandas as pd

_OWNER = "audit"
# Number of queries drawn if none are given, and of queries searched alone.
_NUM_DRAWN = 256
_MAX_ALONE = 200


def audit(
    index: Index,
    queries: Any = None,
    *,
    k: int | Sequence[int] = (10, 100),
    beside: Sequence[str] | None = ("brute_force", "int8"),
    with_faiss: bool = True,
    batch_size: int = 256,
    repeats: int = 5,
    seed: int = 0,
    verbose: bool = True,
) -> pd.DataFrame:
    """Prints recall, speed and memory of an index, compared with exact indexes and faiss.

    All indexes are built from the same candidates, one after the other, and search the same queries on the same number
    of threads. faiss's `IndexFlatIP` is exact; its `IndexIVFFlat` probes the fewest lists that reach the recall of
    `index`.

    Args:
        index: An index with candidates.
        queries: Representative query embeddings, shape `(num_queries, embedding_dim)`. By default random candidates; an
            approximate index may find more with these than with embeddings of users, which are distributed
            differently, so pass real queries if there are any.
        k: Number of results for which recall is measured, or several; times are for the largest.
        beside: Registered names of the indexes to compare with, which are created with their defaults; `None` for
            none.
        with_faiss: Whether to measure faiss, if it is installed.
        batch_size: Largest number of queries in a batch.
        repeats: How often a batch is searched.
        seed: Seed of the random queries.
        verbose: Whether to print the table.

    Returns:
        Data frame indexed by `index`, the given one first, with the columns `recall@k` for each k, `ms_alone` and
        `ms_in_batch`: milliseconds per query, alone (median over the first 200) and in a batch (median over the
        repeats, divided by the size of the batch), and `megabytes`: size of the tensors searched, without ids.

    Raises:
        StateError: The index has no candidates.
        ArgumentTypeError: It is not an `Index`, or `beside` is not a list of names.
        ArgumentError: A number is out of range, or the shape of the queries does not fit.
        UnknownNameError: A name in `beside` is not registered.

    Example:
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> index = BruteForceIndex()
        >>> index.assign(np.random.default_rng(0).normal(size=(500, 8)))
        >>> table = audit(index, k=10, beside=["int8"], with_faiss=False, verbose=False)
        >>> table.columns.tolist()
        ['recall@10', 'ms_alone', 'ms_in_batch', 'megabytes']
        >>> table["recall@10"].to_dict()
        {'brute_force': 1.0, 'int8': 1.0}
    """
    import pandas as pd

    if not isinstance(index, Index):
        fix = "Pass an index, for example BruteForceIndex()"
        raise ArgumentTypeError(explain(_OWNER, "`index` must be an Index", index=index, fix=fix))
    ks = _checked_ks(k)
    batch_size = check_integer(_OWNER, "batch_size", batch_size, example=256)
    repeats = check_integer(_OWNER, "repeats", repeats, example=5)
    seed = check_integer(_OWNER, "seed", seed, least=0)
    peers = {name: INDEXES.get(name) for name in _checked_names(beside)}
    embeddings = index.embeddings
    is_drawn = queries is None
    queries = _drawn(embeddings, seed) if is_drawn else checked_queries(_OWNER, index, queries)
    asked = _Asked(queries, embeddings, ks, batch_size, repeats)
    name = INDEXES.name_of(type(index)) or type(index).__name__
    if verbose:
        print(_title(asked, index, is_drawn))
    rows = {name: asked.row_of(index)}
    for peer_name, cls in peers.items():
        if peer_name != name:
            peer = cls()
            peer.assign(embeddings)
            rows[peer_name] = asked.row_of(peer)
            del peer
    if with_faiss and faiss_peers.has_faiss():
        rows.update(_rows_of_faiss(asked, embeddings.numpy(), rows[name][f"recall@{ks[-1]}"]))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("index")
    if verbose:
        print(table.to_string(float_format="{:,.3f}".format))
    return table


class _Asked:
    """Queries, their exact answers, and how they are searched."""

    def __init__(
        self,
        queries: tf.Tensor,
        embeddings: tf.Tensor,
        ks: Sequence[int],
        batch_size: int,
        repeats: int,
    ) -> None:
        self.queries = queries
        self.found = {k: min(k, int(embeddings.shape[0])) for k in ks}
        self.k = self.found[ks[-1]]
        self.answers = ExactAnswers(queries, embeddings, self.k)
        self.batch = queries[:batch_size]
        self.num_alone = min(_MAX_ALONE, int(queries.shape[0]))
        self.repeats = repeats

    def row_of(self, index: Index) -> dict[str, float]:
        """Measures an index of this package."""
        rows = index.search_rows(self.queries, self.k)[1].numpy()
        numeric = [tensor for name, tensor in index.tensors().items() if name != "ids"]
        num_bytes = sum(tensor.dtype.size * tensor.shape.num_elements() for tensor in numeric)
        return self.row(rows, lambda queries: index.search(queries, self.k), lambda tensor: tensor, num_bytes)

    def row(
        self, rows: np.ndarray, search: Callable[[Any], Any], as_given: Callable[[tf.Tensor], Any], num_bytes: int
    ) -> dict[str, float]:
        """Measures any index.

        Args:
            rows: Rows that it found, of shape `(num_queries, k)`.
            search: Function that searches queries.
            as_given: Converts a tensor to the queries that `search` takes.
            num_bytes: Size of the index.
        """
        alone = [as_given(self.queries[place : place + 1]) for place in range(self.num_alone)]
        batch = as_given(self.batch)
        search(alone[0])
        one_by_one = statistics.median(_milliseconds(search, alone))
        search(batch)
        together = statistics.median(_milliseconds(search, [batch] * self.repeats))
        recalls = {f"recall@{k}": self.answers.recall(rows, found) for k, found in self.found.items()}
        return {
            **recalls,
            "ms_alone": one_by_one,
            "ms_in_batch": together / int(self.batch.shape[0]),
            "megabytes": num_bytes / 1e6,
        }


def _milliseconds(search: Callable[[Any], Any], all_queries: Sequence[Any]) -> Iterator[float]:
    for queries in all_queries:
        start = time.perf_counter()
        search(queries)
        yield 1000 * (time.perf_counter() - start)


def _rows_of_faiss(asked: _Asked, embeddings: np.ndarray, recall: float) -> dict[str, dict[str, float]]:
    """Measures faiss's indexes.

    Args:
        asked: The queries.
        embeddings: float32 of shape `(num_candidates, dim)`.
        recall: Recall for the largest k that the inverted file must reach.
    """
    queries, size = asked.queries.numpy(), embeddings.nbytes

    def found(index: Any) -> np.ndarray:
        return index.search(queries, asked.k)[1]

    def row(index: Any, num_bytes: int) -> dict[str, float]:
        return asked.row(
            found(index), lambda some: index.search(some, asked.k), lambda tensor: tensor.numpy(), num_bytes
        )

    with faiss_peers.faiss_threads(_num_threads()):
        rows = {"faiss IndexFlatIP": row(faiss_peers.flat(embeddings), size)}
        inverted = faiss_peers.inverted_file(embeddings)
        faiss_peers.smallest_nprobe(inverted, lambda: asked.answers.recall(found(inverted), asked.k), recall)
        label = f"faiss IndexIVFFlat, {inverted.nprobe} of {inverted.nlist} lists"
        # Each candidate has an int64 id in its list.
        of_lists = 8 * len(embeddings) + embeddings.itemsize * inverted.nlist * embeddings.shape[1]
        rows[label] = row(inverted, size + of_lists)
    return rows


def _num_threads() -> int:
    return tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1


def _drawn(embeddings: tf.Tensor, seed: int) -> tf.Tensor:
    size = int(embeddings.shape[0])
    rows = np.random.default_rng(seed).choice(size, min(size, _NUM_DRAWN), replace=False)
    return tf.gather(embeddings, rows)


def _title(asked: _Asked, index: Index, is_drawn: bool) -> str:
    num_queries = int(asked.queries.shape[0])
    of_candidates = f"{index.num_candidates:,} candidates of {index.embedding_dim} numbers"
    of_queries = f"{num_queries:,} queries{' drawn from them' if is_drawn else ''}"
    times = f"medians of {asked.num_alone} queries alone and of {asked.repeats} batches of {int(asked.batch.shape[0])}"
    return f"{of_candidates}, {of_queries}; times for k={asked.k}: {times}; {_num_threads()} threads"


def _checked_ks(k: Any) -> list[int]:
    k = k.tolist() if isinstance(k, np.ndarray) else k
    ks = list(k) if isinstance(k, Iterable) and not isinstance(k, (str, bytes)) else [k]
    if not ks:
        raise ArgumentError(explain(_OWNER, "`k` must have a number", k=k, fix="Use for example k=(10, 100)"))
    return sorted({check_integer(_OWNER, "k", each, example=(10, 100)) for each in ks})


def _checked_names(beside: Any) -> list[str]:
    if beside is None:
        return []
    names: list[Any] = list(beside) if isinstance(beside, Iterable) and not isinstance(beside, str) else [None]
    if not all(isinstance(name, str) for name in names):
        fix = f"Pass registered names, for example [{beside if isinstance(beside, str) else 'int8'!r}]"
        raise ArgumentTypeError(explain(_OWNER, "`beside` must be a list of names", beside=beside, fix=fix))
    return names
