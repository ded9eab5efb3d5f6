"""A model compared with the popularity baselines, by segment; several models compared with each other."""

from reciperec_layers.evaluation.comparison import compare
from reciperec_layers.evaluation.model_comparison import compare_models

__all__ = ["compare", "compare_models"]
