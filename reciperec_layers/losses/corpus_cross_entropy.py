"""Softmax cross-entropy of pairs against all candidates, each query's logits made once, in tiles of queries."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.losses.one_pass import weighted, weighted_losses
from reciperec_layers.losses.tiles import over_tiles, tile_of
from reciperec_layers.losses.top_k_weights import TopKWeights

# A tile of 64 MB: with larger ones fewer sums of gradients are added up, which weighs more than caches do.
_LOGITS_OF_TILE = 2**24
# exp(-80) is a normal float32: logits that differ by no more need not be compared with their highest.
_LARGEST_BOUND = 40.0


def corpus_cross_entropy(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    positive_columns: tf.Tensor,
    query_rows: tf.Tensor | None,
    pair_weights: tf.Tensor | None,
    normalizer_weight: float,
    *,
    summed: bool,
    log_weights: tf.Tensor | None = None,
    top_k_weights: TopKWeights | None = None,
) -> tf.Tensor:
    """Returns the weighted cross-entropy of each pair's candidate against all candidates, or the sum over the pairs.

        logit[i, j] = queries[i] . candidates[j]
        total[i]    = sum_j exp(logit[i, j] + log_weights[j])
        loss[p]     = pair_weights[p] * (normalizer_weight * log total[i] - logit[i, own])

    where `i` is `query_rows[p]` and `own` is `positive_columns[p]`. The logits of a query are computed once, however
    many pairs it has, in tiles that are forgotten. When a tape records, the sum is computed together with its gradient,
    in one pass over the tiles.

    Args:
        queries: float32 of shape `(num_queries, embedding_dim)`.
        candidates: float32 of shape `(num_candidates, embedding_dim)`.
        positive_columns: The candidate of each pair, int32 of shape `(num_pairs,)`.
        query_rows: The query of each pair, int32 of shape `(num_pairs,)`; `None` where pair `i` has query `i`.
        pair_weights: float32 of shape `(num_pairs,)`, or `None` for 1.
        normalizer_weight: Weight of the log of the sum.
        summed: Whether to return the sum, of shape `()`.
        log_weights: Log of how often each candidate counts in the sum, float32 of shape `(num_candidates,)`, -inf for
            not at all; `None` for once. Not differentiated.
        top_k_weights: Multiply the losses, and are taken from the logits of each tile; not differentiated.

    Returns:
        float32 of shape `(num_pairs,)` or `()`, differentiable once by queries, candidates and weights.

    Example:
        >>> rows, pairs = tf.constant([[1.0, 0.0], [0.0, 1.0]]), tf.constant([0, 1])
        >>> round(float(corpus_cross_entropy(rows, 2 * rows, pairs, None, None, 1.0, summed=True)), 4)
        0.2539
    """
    pairs = _Pairs(positive_columns, query_rows, normalizer_weight, top_k_weights)
    return weighted_losses(
        queries,
        candidates,
        pair_weights,
        lambda queries, candidates: _losses(queries, candidates, log_weights, pairs),
        lambda queries, candidates, weights: _losses_and_gradients(queries, candidates, weights, log_weights, pairs),
        summed=summed,
        owner="CorpusSoftmax",
    )


class _Pairs:
    """Which query and which candidate each pair has."""

    def __init__(
        self,
        columns: tf.Tensor,
        rows: tf.Tensor | None,
        normalizer_weight: float,
        top_k_weights: TopKWeights | None,
    ) -> None:
        self._columns, self._rows, self._normalizer_weight = columns, rows, normalizer_weight
        self.top_k_weights = top_k_weights

    def own_logits(self, queries: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self._of_queries(queries) * tf.gather(candidates, self._columns), axis=1)

    def losses(self, own_logits: tf.Tensor, log_totals: tf.Tensor) -> tf.Tensor:
        return self._normalizer_weight * self._of_queries(log_totals) - own_logits

    def near_top_k(self, own_logits: tf.Tensor, thresholds: tf.Tensor) -> tf.Tensor:
        """Returns the weights of the pairs, by the thresholds of all queries."""
        assert self.top_k_weights is not None
        return self.top_k_weights.of(own_logits, self._of_queries(thresholds))

    def weights_of_queries(self, pair_weights: tf.Tensor | None, num_queries: Any) -> tf.Tensor:
        """Returns how much the log of the sum of each query counts, shape `(num_queries, 1)`."""
        weights = tf.ones_like(self._columns, tf.float32) if pair_weights is None else pair_weights
        return self._normalizer_weight * self._sums(weights, num_queries)[:, tf.newaxis]

    def weights_of_tile(
        self, pair_weights: tf.Tensor | None, own_logits: tf.Tensor, thresholds: tf.Tensor, start: Any
    ) -> tf.Tensor:
        """Returns the same for the queries of a tile that begins at the row `start`, by their thresholds."""
        assert self.top_k_weights is not None
        num_rows = tf.shape(thresholds)[0]
        rows = tf.range(tf.shape(self._columns)[0]) if self._rows is None else self._rows
        places = rows if start is None else rows - start
        is_inside = tf.logical_and(places >= 0, places < num_rows)
        of_pairs = tf.gather(thresholds, tf.where(is_inside, places, 0))
        weights = weighted(self.top_k_weights.of(own_logits, of_pairs), pair_weights)
        # Negative places are left out.
        sums = tf.math.unsorted_segment_sum(weights, tf.where(is_inside, places, -1), num_rows)
        return self._normalizer_weight * sums[:, tf.newaxis]

    def gradients(
        self, queries: tf.Tensor, candidates: tf.Tensor, pair_weights: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the gradients of the weighted sum of the pairs' logits with respect to queries and candidates."""
        num_queries, num_candidates = keras.ops.shape(queries)[0], keras.ops.shape(candidates)[0]
        weights = None if pair_weights is None else pair_weights[:, tf.newaxis]
        by_queries = self._sums(weighted(tf.gather(candidates, self._columns), weights), num_queries)
        own = weighted(self._of_queries(queries), weights)
        return by_queries, tf.math.unsorted_segment_sum(own, self._columns, num_candidates)

    def _of_queries(self, tensor: tf.Tensor) -> tf.Tensor:
        return tensor if self._rows is None else tf.gather(tensor, self._rows)

    def _sums(self, of_pairs: tf.Tensor, num_queries: Any) -> tf.Tensor:
        return of_pairs if self._rows is None else tf.math.unsorted_segment_sum(of_pairs, self._rows, num_queries)


def _losses(queries: tf.Tensor, candidates: tf.Tensor, log_weights: tf.Tensor | None, pairs: _Pairs) -> tf.Tensor:
    exponentials_of = _exponentials_of(queries, tf.transpose(candidates), log_weights, pairs.top_k_weights)

    def of_tile(start: Any, stop: Any, unused: tf.Tensor | None) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        exponentials, highest, thresholds = exponentials_of(tile_of(queries, start, stop))
        log_totals = tf.math.log(tf.reduce_sum(exponentials, axis=1)) + highest
        return (log_totals, *thresholds), tf.zeros(()) if unused is None else unused

    parts: list[list[int | None]] = [[None]] * (1 if pairs.top_k_weights is None else 2)
    (log_totals, *thresholds), _ = over_tiles(queries, candidates, of_tile, parts, tf.zeros(()), _LOGITS_OF_TILE)
    own_logits = pairs.own_logits(queries, candidates)
    losses = pairs.losses(own_logits, log_totals)
    return losses * pairs.near_top_k(own_logits, *thresholds) if thresholds else losses


def _losses_and_gradients(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    pair_weights: tf.Tensor | None,
    log_weights: tf.Tensor | None,
    pairs: _Pairs,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the losses, and the gradients of their weighted sum with respect to queries and candidates."""
    transposed = tf.transpose(candidates)
    exponentials_of = _exponentials_of(queries, transposed, log_weights, pairs.top_k_weights)
    own_logits = pairs.own_logits(queries, candidates)
    # One column more of a product that is made anyway costs less than a pass over the tile for its sum.
    with_ones = tf.concat([candidates, tf.ones_like(candidates[:, :1])], axis=1)
    weights_of_all = None
    if pairs.top_k_weights is None:
        weights_of_all = pairs.weights_of_queries(pair_weights, keras.ops.shape(queries)[0])

    def of_tile(start: Any, stop: Any, by_column: tf.Tensor | None) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        rows = tile_of(queries, start, stop)
        exponentials, highest, thresholds = exponentials_of(rows)
        if weights_of_all is None:
            weights = pairs.weights_of_tile(pair_weights, own_logits, thresholds[0], start)
        else:
            weights = tile_of(weights_of_all, start, stop)
        by_queries, totals = tf.split(tf.matmul(exponentials, with_ones), [queries.shape[1], 1], axis=1)
        # Applied to the small factor of each product: the tile itself is never divided.
        scale = weights / totals
        by_queries *= scale
        # Transposed, since a product reads the rows of a tile in half the time that it takes for the columns.
        contribution = tf.matmul(tf.transpose(rows * scale), exponentials)
        # TensorFlow fuses `+` into a kernel that takes the sum for a bias, and fails with a single candidate.
        added = contribution if by_column is None else tf.add_n([by_column, contribution])
        return (tf.math.log(tf.squeeze(totals, axis=1)) + highest, by_queries, *thresholds), added

    parts = [[None], [None, queries.shape[1]], *([] if pairs.top_k_weights is None else [[None]])]
    initial = tf.zeros_like(transposed)
    (log_totals, by_queries, *thresholds), by_column = over_tiles(
        queries, candidates, of_tile, parts, initial, _LOGITS_OF_TILE
    )
    losses = pairs.losses(own_logits, log_totals)
    if thresholds:
        near = pairs.near_top_k(own_logits, *thresholds)
        losses, pair_weights = losses * near, weighted(near, pair_weights)
    own_by_queries, own_by_candidates = pairs.gradients(queries, candidates, pair_weights)
    return losses, by_queries - own_by_queries, tf.transpose(by_column) - own_by_candidates


def _exponentials_of(
    queries: tf.Tensor,
    transposed: tf.Tensor,
    log_weights: tf.Tensor | None,
    top_k_weights: TopKWeights | None,
) -> Any:
    """Returns a function from rows of queries to the exponentials of their weighted logits minus a number of each row.

    The number is the row's highest logit, or a bound of all logits where that is small enough: what is subtracted
    cancels, and a bound saves two passes over the tile. The function returns the number, too, and a list of the
    thresholds of `top_k_weights`, which is empty where there are none. The candidates come transposed, of shape
    `(embedding_dim, num_candidates)`: that is faster than transposing inside each product.
    """
    bound = _bound(queries, transposed)
    is_small = bound <= _LARGEST_BOUND  # not so where it is NaN
    bound = tf.where(is_small, bound, 0.0)
    shift = tf.fill(tf.shape(transposed)[1:], -bound)
    if log_weights is not None:
        shift += log_weights

    def exponentials_of(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        logits = tf.nn.bias_add(tf.matmul(rows, transposed), shift)  # fused with the product, unlike an addition

        def below_highest() -> tuple[tf.Tensor, tf.Tensor]:
            highest = tf.reduce_max(logits, axis=1, keepdims=True)
            return tf.exp(logits - highest), tf.squeeze(highest, axis=1)

        def below_bound() -> tuple[tf.Tensor, tf.Tensor]:
            return tf.exp(logits), tf.fill(tf.shape(rows)[:1], bound)

        thresholds = [] if top_k_weights is None else [top_k_weights.thresholds(logits, log_weights) + bound]
        return *tf.cond(is_small, below_bound, below_highest), thresholds

    return exponentials_of


def _bound(queries: tf.Tensor, transposed: tf.Tensor) -> tf.Tensor:
    """Returns a number that no logit exceeds in size: that of Cauchy and Schwarz, of columns that were balanced.

    To multiply a column of the queries and divide that of the candidates changes no logit. Without it one column of
    small numbers times large ones, such as the prior's, multiplies with the lengths of all others.

    Args:
        queries: float32 of shape `(num_queries, embedding_dim)`.
        transposed: The candidates, float32 of shape `(embedding_dim, num_candidates)`.
    """
    of_queries, of_candidates = tf.square(queries), tf.square(transposed)
    highest = tf.reduce_max(of_queries, axis=0), tf.reduce_max(of_candidates, axis=1)
    balance, inverse = (tf.sqrt(tf.math.divide_no_nan(*each)) for each in (highest[::-1], highest))
    longest_query = tf.reduce_max(tf.linalg.matvec(of_queries, balance))
    return tf.sqrt(longest_query * tf.reduce_max(tf.matmul(inverse[tf.newaxis], of_candidates)))
