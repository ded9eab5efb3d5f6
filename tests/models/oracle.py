"""What the model must compute, in plain NumPy; never imports the package."""

from __future__ import annotations

import numpy as np


def in_batch_loss(queries, candidates):
    """Sum over rows of the softmax cross-entropy, and its gradients with respect to both inputs."""
    logits = queries @ candidates.T
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    loss = -np.log(np.diag(probabilities)).sum()
    error = probabilities - np.eye(len(queries))
    return loss, error @ candidates, error.T @ queries


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
