"""Optimizers that update the rows of an embedding table that a batch reads, and no others."""

from reciperec_layers.optimizers.adagrad import Adagrad

__all__ = ["Adagrad"]
