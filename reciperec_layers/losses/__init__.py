"""Losses that two towers are trained with: their contract, and the in-batch softmax."""

from __future__ import annotations

from reciperec_layers.losses.in_batch_softmax import InBatchSoftmax
from reciperec_layers.losses.retrieval_loss import RetrievalLoss
from reciperec_layers.losses.sampling_correction import SamplingCorrection

__all__ = ["InBatchSoftmax", "RetrievalLoss", "SamplingCorrection"]
