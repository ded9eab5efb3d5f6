"""Metrics over the whole corpus: of the ranks of held-out candidates, and of recommendations."""

from reciperec_layers.metrics.auc import AUC
from reciperec_layers.metrics.coverage import Coverage
from reciperec_layers.metrics.hit_rate import HitRate
from reciperec_layers.metrics.map import MAP
from reciperec_layers.metrics.mean_popularity import MeanPopularity
from reciperec_layers.metrics.mrr import MRR
from reciperec_layers.metrics.ndcg import NDCG
from reciperec_layers.metrics.precision import Precision
from reciperec_layers.metrics.rank_metric import RankMetric, TopKMetric
from reciperec_layers.metrics.ranks import MISS, true_ranks
from reciperec_layers.metrics.recall import Recall
from reciperec_layers.metrics.recommendation_metric import RecommendationMetric
from reciperec_layers.metrics.top_k_accuracy import TopKAccuracy

__all__ = [
    "AUC",
    "MAP",
    "MISS",
    "MRR",
    "NDCG",
    "Coverage",
    "HitRate",
    "MeanPopularity",
    "Precision",
    "RankMetric",
    "Recall",
    "RecommendationMetric",
    "TopKAccuracy",
    "TopKMetric",
    "true_ranks",
]
