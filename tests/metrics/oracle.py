"""Rank metrics of one query as their definitions say it, with a set and loops; never imports the package."""

from __future__ import annotations

import math


def best_first(scores):
    """Candidate rows, best first, ties in row order."""
    return sorted(range(len(scores)), key=lambda row: (-scores[row], row))


def hit_rate(ranking, held_out, k):
    return float(bool(set(ranking[:k]) & held_out))


def recall(ranking, held_out, k, at_most_k=False):
    return len(set(ranking[:k]) & held_out) / (min(k, len(held_out)) if at_most_k else len(held_out))


def precision(ranking, held_out, k):
    return len(set(ranking[:k]) & held_out) / k


def ndcg(ranking, held_out, k=None):
    gains = [1 / math.log2(place + 1) for place, row in enumerate(ranking[:k], start=1) if row in held_out]
    possible = len(held_out) if k is None else min(k, len(held_out))
    return sum(gains) / sum(1 / math.log2(place + 1) for place in range(1, possible + 1))


def mrr(ranking, held_out, k=None):
    places = [place for place, row in enumerate(ranking[:k], start=1) if row in held_out]
    return 1 / places[0] if places else 0.0


def average_precision(ranking, held_out, k=None, at_most_k=False):
    total = 0.0
    for place, row in enumerate(ranking[:k], start=1):
        if row in held_out:
            total += precision(ranking, held_out, place)
    return total / (min(k, len(held_out)) if at_most_k else len(held_out))


def auc(ranking, held_out):
    """A held-out candidate that is not in the ranking stands below all."""
    others = [row for row in ranking if row not in held_out]
    if not others:
        return 1.0 if held_out <= set(ranking) else float(len(held_out & set(ranking)) / len(held_out))
    place = {row: index for index, row in enumerate(ranking)}
    below = [sum(place[other] > place.get(row, math.inf) for other in others) / len(others) for row in held_out]
    return sum(below) / len(held_out)
