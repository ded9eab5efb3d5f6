"""A model beside the popularity baseline, for all held-out rows and for segments of them."""

from reciperec_layers.evaluation.comparison import compare

__all__ = ["compare"]
