"""What TensorFlow Recommenders calls experimental."""

from reciperec_layers.tfrs.experimental import models, optimizers

__all__ = ["models", "optimizers"]
