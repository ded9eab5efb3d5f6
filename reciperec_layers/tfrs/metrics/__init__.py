"""Metrics of all candidates."""

from reciperec_layers.tfrs.metrics import factorized_top_k
from reciperec_layers.tfrs.metrics.factorized_top_k import Factorized, FactorizedTopK

__all__ = ["Factorized", "FactorizedTopK", "factorized_top_k"]
