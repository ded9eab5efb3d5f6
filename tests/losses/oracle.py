"""The in-batch softmax in plain NumPy, row by row in float64: the textbook's formula and its closed-form gradient."""

import numpy as np


def in_batch_softmax(
    queries,
    candidates,
    temperature=1.0,
    log_q=None,
    hits_of=None,
    mask=None,
    num_hard_negatives=None,
    sample_weight=None,
    reduction="sum",
):
    """Returns the loss, and the gradients of its sum with respect to queries and candidates.

    `hits_of` are candidate ids when accidental hits are to be removed, else `None`.
    """
    queries, candidates = np.asarray(queries, np.float64), np.asarray(candidates, np.float64)
    weights = np.ones(len(queries)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    scale = 1 / len(queries) if reduction == "mean" else 1.0
    losses = np.zeros(len(queries))
    query_gradients, candidate_gradients = np.zeros_like(queries), np.zeros_like(candidates)
    for row, query in enumerate(queries):
        logits = np.array([query @ candidate for candidate in candidates]) / temperature
        if log_q is not None:
            logits = logits - log_q
        columns = [column for column in range(len(candidates)) if column != row]
        if hits_of is not None:
            columns = [column for column in columns if hits_of[column] != hits_of[row]]
        if mask is not None:
            columns = [column for column in columns if mask[row][column]]
        if num_hard_negatives is not None:
            columns = sorted(columns, key=lambda column: -logits[column])[:num_hard_negatives]
        columns = [row, *columns]
        highest = max(logits[columns])
        exponentials = np.exp(logits[columns] - highest)
        losses[row] = weights[row] * (np.log(exponentials.sum()) + highest - logits[row])
        slopes = exponentials / exponentials.sum()
        slopes[0] -= 1
        for slope, column in zip(weights[row] * scale / temperature * slopes, columns, strict=True):
            query_gradients[row] += slope * candidates[column]
            candidate_gradients[column] += slope * query
    loss = losses if reduction == "none" else losses.sum() * scale
    return loss, query_gradients, candidate_gradients


def log_q_of_counts(candidate_ids, interactions):
    """Returns log q of each candidate: its share of the interactions, where no id counts less than once."""
    interactions = list(interactions)
    return np.log([max(interactions.count(each), 1) / max(len(interactions), 1) for each in candidate_ids])


def corpus_softmax(queries, corpus, columns, rows, temperature=1.0, normalizer_weight=1.0, weights=None):
    """Returns the losses of pairs, and the gradients of their sum with respect to queries and corpus."""
    queries, corpus = np.asarray(queries, np.float64), np.asarray(corpus, np.float64)
    losses, by_queries, by_corpus = np.zeros(len(columns)), np.zeros_like(queries), np.zeros_like(corpus)
    for pair, (column, row) in enumerate(zip(columns, rows, strict=True)):
        weight = 1.0 if weights is None else float(weights[pair])
        scores = corpus @ queries[row] / temperature
        highest = scores.max()
        shares = np.exp(scores - highest) / np.exp(scores - highest).sum()
        log_total = np.log(np.exp(scores - highest).sum()) + highest
        losses[pair] = weight * (normalizer_weight * log_total - scores[column])
        slopes = normalizer_weight * shares
        slopes[column] -= 1
        by_queries[row] += weight / temperature * slopes @ corpus
        by_corpus += weight / temperature * np.outer(slopes, queries[row])
    return losses, by_queries, by_corpus


def top_k_weights(queries, corpus, columns, rows, k, temperature, counts=None):
    """Returns how much each pair counts, by sorting all candidates, each repeated as often as it counts."""
    queries, corpus = np.asarray(queries, np.float64), np.asarray(corpus, np.float64)
    counts = np.ones(len(corpus), int) if counts is None else counts
    weights = []
    for column, row in zip(columns, rows, strict=True):
        scores = corpus @ queries[row]
        best = np.sort(np.repeat(scores, counts))[::-1]
        weights.append(1 / (1 + np.exp(-(scores[column] - best[min(k, len(best)) - 1]) / temperature)))
    return np.array(weights)
