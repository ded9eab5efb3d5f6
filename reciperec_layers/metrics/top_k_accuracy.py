"""TopKAccuracy: the share of held-out candidates among the k best."""

from __future__ import annotations

from reciperec_layers.metrics.hit_rate import HitRate
from reciperec_layers.saving.keras_names import serializable


@serializable
class TopKAccuracy(HitRate):
    """Share of held-out pairs whose candidate is among the k best of the corpus, in [0, 1].

    The same as `HitRate` by row, under its name in TFRS.

    Args:
        k: Number of top candidates to look at, >= 1.
        name: Key in logs, `factorized_top_k/top_{k}_categorical_accuracy` by default, as in TFRS.
        per: As for `RankMetric`.

    Raises:
        ArgumentError: `k` is not a positive integer.

    Example:
        >>> metric = TopKAccuracy(2)
        >>> metric.update_state([1, 3])
        >>> float(metric.result())
        0.5

    Source:
        `tfrs.metrics.FactorizedTopK` of TensorFlow Recommenders 0.7.7; ties are resolved as in `true_ranks`.
    """

    def __init__(self, k: int, name: str | None = None, per: str = "row") -> None:
        super().__init__(k, name or f"factorized_top_k/top_{k}_categorical_accuracy", per)
