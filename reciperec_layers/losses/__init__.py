"""The in-batch softmax loss and its parts."""

from __future__ import annotations

from reciperec_layers.losses.in_batch_softmax import InBatchSoftmax
from reciperec_layers.losses.sampling_correction import SamplingCorrection

__all__ = ["InBatchSoftmax", "SamplingCorrection"]
