"""Functions that the tutorials use."""

from reciperec_layers.tfrs.examples import movielens

__all__ = ["movielens"]
