"""Optimizers that update only the rows of an embedding table that a batch reads."""

from reciperec_layers.optimizers.adagrad import Adagrad
from reciperec_layers.optimizers.adam import Adam
from reciperec_layers.optimizers.clippy_adagrad import ClippyAdagrad
from reciperec_layers.optimizers.composite_optimizer import CompositeOptimizer
from reciperec_layers.optimizers.loss_scale_optimizer import LossScaleOptimizer
from reciperec_layers.optimizers.rowwise_adagrad import RowwiseAdagrad
from reciperec_layers.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "ClippyAdagrad",
    "CompositeOptimizer",
    "LossScaleOptimizer",
    "RowwiseAdagrad",
]
