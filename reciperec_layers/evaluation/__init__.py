"""A model compared with the popularity baseline, for all held-out rows and by segment."""

from reciperec_layers.evaluation.comparison import compare

__all__ = ["compare"]
