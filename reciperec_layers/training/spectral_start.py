"""Embeddings to start from: the strongest directions of a table of interactions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.layers import EmbeddingTable, IdLookup
from reciperec_layers.towers import Tower

# Of a randomized decomposition: directions beyond those asked for, and passes over the table.
_SPARE_DIRECTIONS = 10
_PASSES = 3
# To which the counts of a query and of a candidate divide their interaction.
_POWER = 0.4
# Of embeddings that a tower scales to length 1, and the temperature at which such embeddings learn well.
_LENGTH = 0.5
_TEMPERATURE = 0.1


def spectral_embeddings(
    query_rows: np.ndarray,
    candidate_rows: np.ndarray,
    num_queries: int,
    num_candidates: int,
    embedding_dim: int,
    seed: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns embeddings of queries and candidates, of length 1, from a truncated singular value decomposition.

    The table has `(a * b) ** -0.4` where a query of `a` interactions had a candidate of `b`, so that neither active
    queries nor popular candidates dominate. With its decomposition `U S V'`, rows are those of `U S` and `V S`, scaled
    to length 1.

    Args:
        query_rows: Integers of shape `(num_pairs,)`. Pairs that repeat count once.
        candidate_rows: Integers of shape `(num_pairs,)`.
        num_queries: How many queries there are.
        num_candidates: How many candidates there are.
        embedding_dim: Size of the embeddings. Beyond the rank of the table they are zeros.
        seed: Seed of the random directions that the decomposition begins with.

    Returns:
        float32 of shape `(num_queries, embedding_dim)` and `(num_candidates, embedding_dim)`; zeros where there is no
        interaction.

    Example:
        >>> queries, candidates = spectral_embeddings(np.array([0, 0, 1]), np.array([0, 1, 2]), 2, 3, 2, seed=1)
        >>> (queries @ candidates.T).round(2) + 0.0
        array([[1., 1., 0.],
               [0., 0., 1.]], dtype=float32)

    Source:
        Halko, Martinsson and Tropp, SIAM Review 2011, algorithm 4.4; the scaled table is, but for the power of
        the counts (.5 there), that of spectral methods on graphs of users and items, such as Shen et al., "How Powerful
        is Graph Convolution for Recommendation?", CIKM 2021.
    """
    pairs = np.stack(np.divmod(np.unique(query_rows * num_candidates + candidate_rows), num_candidates), axis=1)
    had, were = np.bincount(pairs[:, 0], minlength=num_queries), np.bincount(pairs[:, 1], minlength=num_candidates)
    values = (had[pairs[:, 0]] * were[pairs[:, 1]]) ** -_POWER
    table = tf.sparse.SparseTensor(pairs, values.astype(np.float32), (num_queries, num_candidates))
    width = min(embedding_dim + _SPARE_DIRECTIONS, num_queries, num_candidates)
    basis = np.random.default_rng(seed).normal(size=(num_candidates, width)).astype(np.float32)
    for _ in range(_PASSES):
        of_queries = np.linalg.qr(_product(table, basis))[0]
        basis = np.linalg.qr(_product(table, of_queries, adjoint=True))[0]
    left, singular_values, right = np.linalg.svd(_product(table, basis), full_matrices=False)
    scaled = left * singular_values, basis @ right.T * singular_values
    queries, candidates = (_unit_rows(_with_width(each, embedding_dim)) for each in scaled)
    return np.where(had[:, np.newaxis] > 0, queries, 0), np.where(were[:, np.newaxis] > 0, candidates, 0)


@dataclass(frozen=True)
class Start:
    """Embeddings of ids.

    Args:
        ids: Shape `(n,)`.
        embeddings: float32 of shape `(n, embedding_dim)`, of length 1.

    Example:
        >>> Start(np.array([7]), np.array([[1.0, 0.0]])).embeddings.shape
        (1, 2)
    """

    ids: np.ndarray
    embeddings: np.ndarray


def starts_of_ids(query_ids: Any, candidate_ids: Any, embedding_dim: int, seed: int | None) -> tuple[Start, Start]:
    """Returns `spectral_embeddings` of the ids of queries and candidates that occur.

    Args:
        query_ids: Of each interaction, shape `(n,)`.
        candidate_ids: Shape `(n,)`.
        embedding_dim: As for `spectral_embeddings`.
        seed: As for `spectral_embeddings`.

    Example:
        >>> queries, candidates = starts_of_ids([7, 9], ["pie", "pie"], 2, seed=1)
        >>> queries.ids.tolist(), candidates.ids.tolist(), candidates.embeddings.shape
        ([7, 9], ['pie'], (1, 2))
    """
    (query_rows, queries), (candidate_rows, candidates) = (
        pd.factorize(np.asarray(ids), sort=True) for ids in (query_ids, candidate_ids)
    )
    sizes = len(queries), len(candidates), embedding_dim
    of_queries, of_candidates = spectral_embeddings(query_rows, candidate_rows, *sizes, seed)
    return Start(queries, of_queries), Start(candidates, of_candidates)


def start_length(is_normalized: bool, temperature: float) -> float:
    """Returns how long embeddings are to be at the start.

    Where a tower scales them to length 1 their own length says how fast they turn: a step of Adam is as long whatever
    it is. Elsewhere the logits of the softmax are to have the size that those of normalized embeddings have.

    Args:
        is_normalized: Whether the tower scales embeddings to length 1.
        temperature: Of the loss.

    Example:
        >>> start_length(True, 0.1), start_length(False, 0.1)
        (0.5, 1.0)
    """
    return _LENGTH if is_normalized else float(np.sqrt(temperature / _TEMPERATURE))


def require_table(tower: Tower, name: str, owner: str) -> tuple[IdLookup, EmbeddingTable]:
    """Returns the table of a tower's ids.

    Args:
        tower: A tower.
        name: Column of the ids.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: It has none.

    Example:
        >>> from reciperec_layers.towers import MLPTower
        >>> require_table(MLPTower([7], 4, feature="user_id"), "user_id", "RetrievalModel.warm_start")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: RetrievalModel.warm_start: MLPTower has no table of 'user_id'...
    """
    table = tower.table_of_ids(name)
    if table is None:
        problem = f"{type(tower).__name__} has no table of {name!r} whose rows are embeddings"
        fix = "Use IdTower, or a FeatureTower that sums, with an Id encoder as wide as its embeddings"
        raise ArgumentError(explain(owner, problem, fix=fix))
    return table


def start_table(lookup: IdLookup, table: EmbeddingTable, start: Start, length: float) -> None:
    """Sets the rows of the ids that a table knows.

    Args:
        lookup: Finds the rows.
        table: The table.
        start: Embeddings of length 1.
        length: To which they are scaled.

    Example:
        >>> lookup, table = IdLookup([7, 9]), EmbeddingTable(3, 2, initializer="zeros")
        >>> start_table(lookup, table, Start(np.array([9]), np.array([[1.0, 0.0]], np.float32)), 0.5)
        >>> table.embeddings.numpy().tolist()
        [[0.0, 0.0], [0.0, 0.0], [0.5, 0.0]]
    """
    rows = lookup.lookup(start.ids)
    is_known = rows >= lookup.num_oov_indices
    table.assign_rows(rows[is_known], length * start.embeddings[is_known])


def _product(table: tf.sparse.SparseTensor, dense: np.ndarray, adjoint: bool = False) -> np.ndarray:
    return tf.sparse.sparse_dense_matmul(table, dense, adjoint_a=adjoint).numpy()


def _with_width(rows: np.ndarray, width: int) -> np.ndarray:
    return np.pad(rows[:, :width], ((0, 0), (0, max(width - rows.shape[1], 0))))


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
