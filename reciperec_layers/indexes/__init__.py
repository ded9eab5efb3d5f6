"""Indexes: the best candidates of a query."""

from reciperec_layers.indexes.exact_top_k import exact_top_k, mask_rows

__all__ = ["exact_top_k", "mask_rows"]
