"""Small reusable layers."""

from reciperec_layers.layers.embedding_table import EmbeddingTable
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.layers.mlp import MLP

__all__ = ["MLP", "EmbeddingTable", "IdLookup"]
