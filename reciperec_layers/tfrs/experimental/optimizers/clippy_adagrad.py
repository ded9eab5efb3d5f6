"""ClippyAdagrad: Adagrad that never changes a weight by more than a share of it."""

from reciperec_layers.optimizers.clippy_adagrad import ClippyAdagrad, shrink_by_references

__all__ = ["ClippyAdagrad", "shrink_by_references"]
