"""Softmax cross-entropy of queries against candidates, in tiles of queries, with a gradient of its own."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.losses.negative_masks import Negatives
from reciperec_layers.losses.one_pass import weighted, weighted_losses
from reciperec_layers.losses.tiles import over_tiles, tile_of

# A tile of 2 MB stays in a core's caches from the product that computes it to the two that use it.
_LOGITS_OF_TILE = 2**19


def tiled_softmax(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    bias: tf.Tensor | None,
    negatives: Negatives,
    row_weights: tf.Tensor | None,
    *,
    summed: bool,
) -> tf.Tensor:
    """Returns the weighted cross-entropy of each row's positive, or the sum over the rows.

        logit[i, j] = queries[i] . candidates[j] + bias[j]
        loss[i]     = row_weights[i] * (log sum_j exp logit[i, j] - own[i])

    where `j` runs over the positive and the row's negatives, and `own[i]` is the logit of the positive; see
    `Negatives` for both. The matrix of logits never exists as a whole: memory grows linearly with the number of rows.
    When a tape records, the sum is computed together with its gradient, in one pass over the tiles.

    Args:
        queries: float32 of shape `(num_queries, embedding_dim)`.
        candidates: float32 of shape `(num_candidates, embedding_dim)`.
        bias: float32 of shape `(num_candidates,)`, or `None` for 0. Not differentiated.
        negatives: The positives, and which candidates are removed.
        row_weights: float32 of shape `(num_queries,)`, or `None` for 1.
        summed: Whether to return the sum, of shape `()`.

    Returns:
        float32 of shape `(num_queries,)` or `()`, differentiable once with respect to queries, candidates and weights.

    Example:
        >>> rows = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> loss = tiled_softmax(rows, 2 * rows, None, Negatives(), None, summed=True)
        >>> round(float(loss), 4)
        0.2539
    """
    return weighted_losses(
        queries,
        candidates,
        row_weights,
        lambda queries, candidates: _losses(queries, candidates, bias, negatives),
        lambda queries, candidates, weights: _losses_and_gradients(queries, candidates, weights, bias, negatives),
        summed=summed,
        owner="InBatchSoftmax",
    )


def _losses(queries: tf.Tensor, candidates: tf.Tensor, bias: tf.Tensor | None, negatives: Negatives) -> tf.Tensor:
    transposed = tf.transpose(candidates)

    def of_tile(start: Any, stop: Any, unused: tf.Tensor | None) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        losses, _, _ = _softmax(tile_of(queries, start, stop), transposed, bias, negatives, start, stop)
        return (losses,), tf.zeros(()) if unused is None else unused

    (losses,), _ = over_tiles(queries, candidates, of_tile, [[None]], tf.zeros(()), _LOGITS_OF_TILE)
    return losses


def _losses_and_gradients(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    row_weights: tf.Tensor | None,
    bias: tf.Tensor | None,
    negatives: Negatives,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the losses, and the gradients of their weighted sum with respect to queries and candidates."""
    transposed = tf.transpose(candidates)  # faster than transposing inside the product
    column_weights = None if row_weights is None else row_weights[:, tf.newaxis]

    def of_tile(start: Any, stop: Any, by_candidates: tf.Tensor | None) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        rows = tile_of(queries, start, stop)
        weights = None if column_weights is None else tile_of(column_weights, start, stop)
        losses, exponentials, totals = _softmax(rows, transposed, bias, negatives, start, stop)
        # Applied to the small factor of each product: the tile itself is never divided.
        scale = weighted(tf.math.reciprocal(totals), weights)
        by_queries = tf.matmul(exponentials, candidates) * scale
        by_queries -= weighted(tf.gather(candidates, negatives.columns_of(rows, start, stop)), weights)
        contribution = tf.matmul(exponentials, rows * scale, transpose_a=True)
        # TensorFlow fuses `+` into a kernel that takes the sum for a bias, and fails with a single candidate.
        added = contribution if by_candidates is None else tf.add_n([by_candidates, contribution])
        return (losses, by_queries), added

    parts = [[None], [None, queries.shape[1]]]
    initial = tf.zeros_like(candidates)
    (losses, by_queries), by_candidates = over_tiles(queries, candidates, of_tile, parts, initial, _LOGITS_OF_TILE)
    of_positives = weighted(queries, column_weights)
    columns = negatives.columns_of(queries, None, None)
    by_candidates -= tf.math.unsorted_segment_sum(of_positives, columns, keras.ops.shape(candidates)[0])
    return losses, by_queries, by_candidates


def _softmax(
    queries: tf.Tensor, transposed: tf.Tensor, bias: tf.Tensor | None, negatives: Negatives, start: Any, stop: Any
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the losses of rows, the exponentials of their logits, and the sums of those, of shape `(rows, 1)`."""
    logits = tf.matmul(queries, transposed)
    if bias is not None:
        logits = tf.nn.bias_add(logits, bias)  # TensorFlow fuses this with the product, unlike an addition
    logits, own = negatives.apply(logits, start, stop)
    highest = tf.reduce_max(logits, axis=1, keepdims=True)
    exponentials = tf.exp(logits - highest)
    totals = tf.reduce_sum(exponentials, axis=1, keepdims=True)
    # In this order small losses do not vanish in the rounding of large logits.
    losses = tf.squeeze(tf.math.log(totals), axis=1) + (tf.squeeze(highest, axis=1) - own)
    return losses, exponentials, totals
