"""Losses whose gradients are computed in the same pass, where a tape records and their sum is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf
from tensorflow.python.eager import record  # no public function tells whether a tape records

from reciperec_layers.graph.own_gradients import Gradient, with_own_gradient

Losses: TypeAlias = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
LossesAndGradients: TypeAlias = Callable[
    [tf.Tensor, tf.Tensor, tf.Tensor | None], tuple[tf.Tensor, tf.Tensor, tf.Tensor]
]


def weighted_losses(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    weights: tf.Tensor | None,
    losses: Losses,
    losses_and_gradients: LossesAndGradients,
    *,
    summed: bool,
    owner: str,
) -> tf.Tensor:
    """Returns weighted losses or their sum, differentiable once by queries, candidates and weights.

    When a tape records, the sum is computed together with its gradient; losses apart get theirs in a second pass, when
    it is known how each of them counts.

    Args:
        queries: float32 of shape `(num_queries, embedding_dim)`.
        candidates: float32 of shape `(num_candidates, embedding_dim)`.
        weights: float32 of the shape of the losses, or `None` for 1.
        losses: From queries and candidates to losses that are not weighted.
        losses_and_gradients: From queries, candidates and weights to these losses, and the gradients of their weighted
            sum with respect to queries and candidates.
        summed: Whether to return the sum.
        owner: Name of the loss, for the message about second derivatives.

    Example:
        >>> losses = lambda queries, candidates: queries[:, 0] * candidates[:, 0]
        >>> gradients = lambda queries, candidates, weights: (losses(queries, candidates), candidates, queries)
        >>> rows = tf.constant([[1.0], [2.0]])
        >>> float(weighted_losses(rows, 3 * rows, None, losses, gradients, summed=True, owner="Loss"))
        15.0
    """

    def constant(gradient: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.PreventGradient(input=gradient, message=f"{owner} has only first derivatives.")

    def with_gradient(queries: tf.Tensor, candidates: tf.Tensor, *given: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        found, *others = losses_and_gradients(queries, candidates, given[0] if given else None)

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            return [upstream * constant(each) for each in (*others, *[found for _ in given])]

        return tf.reduce_sum(weighted(found, given[0] if given else None)), gradient

    def apart(queries: tf.Tensor, candidates: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            return [constant(each) for each in losses_and_gradients(queries, candidates, upstream)[1:]]

        return losses(queries, candidates), gradient

    differentiated = [queries, candidates] if weights is None else [queries, candidates, weights]
    if summed and record.should_record_backprop(differentiated):
        return with_own_gradient(with_gradient, *differentiated)
    found = weighted(with_own_gradient(apart, queries, candidates), weights)
    return tf.reduce_sum(found) if summed else found


def weighted(values: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Returns values times weights, which are `None` for 1.

    Example:
        >>> weighted(tf.constant([2.0, 3.0]), None).numpy().tolist()
        [2.0, 3.0]
    """
    return values if weights is None else values * weights
