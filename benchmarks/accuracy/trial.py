"""Trains one model as a user would, and notes its quality over the seconds of training."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
from data_sets import ITEM, USER, Split
from quality import quality
from row_config import RowConfig

import reciperec_layers as rl


@dataclass(frozen=True)
class Point:
    """Quality after some epochs, and how long they took, without the evaluations in between."""

    epoch: int
    seconds: float
    recall: float
    ndcg: float


class Curve(keras.callbacks.Callback):
    """Measures quality before the first epoch, after every n-th and after the last.

    The clock starts when the callback is made, and stands still while quality is measured.
    """

    def __init__(self, split: Split, every: int) -> None:
        super().__init__()
        self.points: list[Point] = []
        self._split, self._every = split, every
        self._started = time.perf_counter()

    def on_train_begin(self, logs: Any = None) -> None:
        self._measure(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch + 1) % self._every == 0 or epoch + 1 == self.params["epochs"]:
            self._measure(epoch + 1)

    def _measure(self, epoch: int) -> None:
        begin = time.perf_counter()
        found = quality_of(self.model, self._split)
        self.points.append(Point(epoch, begin - self._started, **found))
        self._started += time.perf_counter() - begin


def quality_of(model: rl.RetrievalModel, split: Split) -> dict[str, float]:
    exclude = rl.data.seen(split.train, USER, ITEM)
    return quality(lambda users: model.recommend({USER: users}, split.k, exclude=exclude)[1], split.held_out, split.k)


def choose_epoch(curve: list[Point]) -> int:
    """Returns the number of epochs with the best recall; training for none is no choice."""
    return max(curve[1:], key=lambda point: point.recall).epoch


def make_model(config: RowConfig, users: np.ndarray, items: np.ndarray, seed: int) -> rl.RetrievalModel:
    size = config.embedding_dim
    return rl.RetrievalModel(
        rl.IdTower(users, size, feature=USER, seed=2 * seed, **config.query_tower),
        rl.IdTower(items, size, feature=ITEM, seed=2 * seed + 1, **config.candidate_tower),
        candidates={ITEM: items},
        prior=None if config.prior is None else rl.models.PopularityPrior(items, size, **config.prior),
    )


def train(
    config: RowConfig,
    rows: pd.DataFrame,
    users: np.ndarray,
    items: np.ndarray,
    seed: int,
    epochs: int | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> rl.RetrievalModel:
    """Trains for some epochs; the schedule of the rate is that of all epochs of the config."""
    model = make_model(config, users, items, seed)
    batches = model.batches(rows, config.batch_size, seed=seed, by=config.by)
    model.compile(config.make_optimizer(len(batches)), loss=config.make_loss())
    if config.warm_start:
        model.warm_start(rows, seed=seed)
    model.fit(batches, epochs=config.epochs if epochs is None else epochs, callbacks=list(callbacks), verbose=0)
    return model


def curve_of(config: RowConfig, split: Split, users: np.ndarray, items: np.ndarray, seed: int) -> list[Point]:
    """Trains for all epochs of the config and returns the quality on what is held out."""
    curve = Curve(split, config.evaluate_every)
    train(config, split.train, users, items, seed, callbacks=(curve,))
    return curve.points


def tested(
    config: RowConfig, split: Split, users: np.ndarray, items: np.ndarray, seed: int, epochs: int
) -> dict[str, float]:
    """Trains for some epochs, then looks at what is held out, once; returns quality and seconds of training."""
    begin = time.perf_counter()
    model = train(config, split.train, users, items, seed, epochs)
    seconds = time.perf_counter() - begin
    found = quality_of(model, split)
    return asdict(Point(epochs, seconds, **found)) | {"seed": seed}
