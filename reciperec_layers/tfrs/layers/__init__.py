"""Layers."""

from reciperec_layers.tfrs.layers import blocks, factorized_top_k, feature_interaction, loss
from reciperec_layers.tfrs.layers.feature_interaction import dcn

__all__ = ["blocks", "dcn", "factorized_top_k", "feature_interaction", "loss"]
