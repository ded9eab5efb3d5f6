"""CompositeOptimizer: one optimizer for some variables, another for the others."""

from reciperec_layers.optimizers.composite_optimizer import CompositeOptimizer

__all__ = ["CompositeOptimizer"]
