"""What is recommended, counted with sets and loops; never imports the package."""

from __future__ import annotations


def coverage(lists, num_candidates, k):
    return len({row for each in lists for row in each[:k]}) / num_candidates


def mean_popularity(lists, counts, k, weights=None):
    weights = [1.0] * len(lists) if weights is None else weights
    places = [(counts[row], weight) for each, weight in zip(lists, weights, strict=True) for row in each[:k]]
    total = sum(weight for _, weight in places)
    return sum(count * weight for count, weight in places) / total if total else 0.0


def percentiles(counts):
    """Of each candidate the share of all that has fewer, those with as many counting half."""
    return [
        sum(1.0 if other < count else 0.5 if other == count else 0.0 for other in counts) / len(counts)
        for count in counts
    ]
