"""What the model must compute, in plain NumPy; never imports the package."""

from __future__ import annotations

import numpy as np


def in_batch_loss(queries, candidates, weights=1.0):
    """Weighted sum over rows of the softmax cross-entropy, and its gradients with respect to both inputs."""
    weights = np.broadcast_to(weights, len(queries))
    logits = queries @ candidates.T
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    loss = -(weights * np.log(np.diag(probabilities))).sum()
    error = weights[:, np.newaxis] * (probabilities - np.eye(len(queries)))
    return loss, error @ candidates, error.T @ queries


def sgd_epoch(query_table, candidate_table, query_rows, candidate_rows, weights, batch_size, learning_rate):
    """Trains both tables in place, batch by batch in the order of the rows; returns the loss per row."""
    losses = []
    for start in range(0, len(query_rows), batch_size):
        queries, candidates = query_rows[start : start + batch_size], candidate_rows[start : start + batch_size]
        loss, query_gradient, candidate_gradient = in_batch_loss(
            query_table[queries], candidate_table[candidates], weights[start : start + batch_size]
        )
        np.subtract.at(query_table, queries, learning_rate * query_gradient)
        np.subtract.at(candidate_table, candidates, learning_rate * candidate_gradient)
        losses.append(loss)
    return np.sum(losses) / len(query_rows)


def ranking(scores, excluded=()):
    """Candidate rows, best first, ties in row order; excluded ones are not there."""
    order = np.lexsort((np.arange(len(scores)), -scores))
    return [row for row in order if row not in set(excluded)]


def top_k_accuracy(scores, true_rows, k, excluded=None):
    """Share of rows whose true candidate is among the k first."""
    hits = [
        true_row in ranking(row_scores, excluded[index] if excluded else ())[:k]
        for index, (row_scores, true_row) in enumerate(zip(scores, true_rows, strict=True))
    ]
    return np.mean(hits)
