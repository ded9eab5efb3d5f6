"""A model compared with the popularity baselines, for all held-out rows and by segment."""

from reciperec_layers.evaluation.comparison import compare

__all__ = ["compare"]
