"""Search of the candidates with the largest inner products."""

from reciperec_layers.indexes.brute_force import BruteForceIndex
from reciperec_layers.indexes.exact_top_k import exact_top_k, mask_places, mask_rows
from reciperec_layers.indexes.top_k_among import top_k_among

__all__ = ["BruteForceIndex", "exact_top_k", "mask_places", "mask_rows", "top_k_among"]
