"""Losses that two towers are trained with: their contract, softmax within a batch and over the corpus."""

from __future__ import annotations

from reciperec_layers.losses.corpus_softmax import CorpusSoftmax
from reciperec_layers.losses.in_batch_softmax import InBatchSoftmax
from reciperec_layers.losses.retrieval_loss import RetrievalLoss
from reciperec_layers.losses.sampling_correction import SamplingCorrection

__all__ = ["CorpusSoftmax", "InBatchSoftmax", "RetrievalLoss", "SamplingCorrection"]
