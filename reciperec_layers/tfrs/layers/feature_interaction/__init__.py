"""Layers that let features interact."""

from reciperec_layers.tfrs.layers.feature_interaction import dcn, dot_interaction, multi_layer_dcn
from reciperec_layers.tfrs.layers.feature_interaction.dcn import Cross
from reciperec_layers.tfrs.layers.feature_interaction.dot_interaction import DotInteraction
from reciperec_layers.tfrs.layers.feature_interaction.multi_layer_dcn import MultiLayerDCN

__all__ = ["Cross", "DotInteraction", "MultiLayerDCN", "dcn", "dot_interaction", "multi_layer_dcn"]
