"""Optimizers."""

from reciperec_layers.tfrs.experimental.optimizers import clippy_adagrad, composite_optimizer
from reciperec_layers.tfrs.experimental.optimizers.clippy_adagrad import ClippyAdagrad
from reciperec_layers.tfrs.experimental.optimizers.composite_optimizer import CompositeOptimizer

__all__ = ["ClippyAdagrad", "CompositeOptimizer", "clippy_adagrad", "composite_optimizer"]
