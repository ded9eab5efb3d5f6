"""Metrics over the whole corpus: ranks, and what follows from them."""

from reciperec_layers.metrics.rank_metric import RankMetric
from reciperec_layers.metrics.ranks import MISS, true_ranks
from reciperec_layers.metrics.top_k_accuracy import TopKAccuracy

__all__ = ["MISS", "RankMetric", "TopKAccuracy", "true_ranks"]
