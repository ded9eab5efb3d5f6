"""Signs of illness in what `fit` has reported, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from reciperec_layers.losses import CorpusSoftmax
from reciperec_layers.models import RetrievalModel

# From where on something is a sign.
_AT_CHANCE = 0.99
_LEAST_EPOCHS = 3
_FALL = 0.2


def signs_in_training(model: RetrievalModel) -> list[str]:
    """Returns one sentence for each sign in the last `fit` of a model in this process; none without one.

    Args:
        model: The model.

    Example:
        >>> from reciperec_layers import IdTower
        >>> towers = IdTower([7, 9], 4, feature="user_id"), IdTower(["pie", "soup"], 4, feature="recipe_id")
        >>> signs_in_training(RetrievalModel(*towers, {"recipe_id": ["pie", "soup"]}))
        []
    """
    history = getattr(model, "history", None)
    values = {} if history is None else history.history
    losses = values.get("loss", [])
    if not losses:
        return []
    return [sentence for sentence in (_of_loss(model, losses), _of_validation(values, losses)) if sentence]


def _of_loss(model: RetrievalModel, losses: Sequence[float]) -> str:
    fix = "See whether the columns are right, and try a higher learning rate or a lower temperature."
    loss = model.in_batch_loss
    if isinstance(loss, CorpusSoftmax) and model.corpus is not None and model.prior is None:
        chance = loss.normalizer_weight * math.log(len(model.corpus))
        if losses[-1] > _AT_CHANCE * chance:
            return f"The loss is at chance: {losses[-1]:.3f}, and equal scores have {chance:.3f}. {fix}"
    # With `top_k` pairs count more as they are ranked higher, so that the loss may rise while ranks get better.
    is_comparable = getattr(loss, "top_k", None) is None
    if is_comparable and len(losses) >= _LEAST_EPOCHS and losses[-1] >= losses[0]:
        return f"The loss has not fallen: {losses[0]:.3f} in the first epoch, {losses[-1]:.3f} in the last. {fix}"
    return ""


def _of_validation(values: Mapping[str, Sequence[float]], losses: Sequence[float]) -> str:
    for name, metric in values.items():
        if not name.startswith("val_") or name.endswith("loss") or len(metric) != len(losses):
            continue
        best = max(range(len(metric)), key=metric.__getitem__)
        if metric[-1] < (1 - _FALL) * metric[best] and losses[-1] < losses[best]:
            return (
                f"{name} falls while the loss falls: {metric[best]:.4f} after epoch {best + 1}, {metric[-1]:.4f} after "
                f"epoch {len(metric)}. Stop at the best, by epochs={best + 1} or keras.callbacks.EarlyStopping, or "
                "regularize more."
            )
    return ""
