"""Every encoder of the package keeps the contract, and the contract can be broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from reciperec_layers import features
from reciperec_layers.testing import check_encoder

MANY = np.arange(5000)


@dataclass
class Case:
    """How an encoder is made for the suite, a column for it, and the reason for each check that does not apply."""

    make: Callable[[], features.Encoder]
    column: Any
    larger: Callable[[], features.Encoder] | None = None
    skip: dict[str, str] = field(default_factory=dict)


def id_encoder(ids: Any = ("pie", "pie", "soup")) -> features.Encoder:
    return features.Id(list(ids), width=3, num_oov_indices=2, id_dropout=0.2, regularizer="l2", seed=1)


def category(values: Any = (3, 3, None, "tea", True)) -> features.Encoder:
    return features.Category(list(values), width=3, min_count=1, value_dropout=0.2, regularizer="l2", seed=1)


def list_encoder(lists: Any = ({"salt": 2, "egg": 1}, [("egg", 0.5)], "salt|egg", None)) -> features.Encoder:
    return features.List(
        list(lists),
        width=3,
        separator="|",
        min_count=1,
        max_size=9999,
        num_oov_indices=2,
        max_items=3,
        pooling="attention",
        fold_case=False,
        regularizer="l2",
        seed=1,
    )


def text_encoder(texts: Any = ("Apple pie", "plum pie", None)) -> features.Encoder:
    return features.Text(
        list(texts),
        width=3,
        min_count=1,
        max_size=9999,
        num_hash_buckets=5,
        word_ngrams=2,
        character_ngrams=(2, 3),
        max_tokens=20,
        combiner="mean",
        idf=True,
        regularizer="l2",
        seed=1,
    )


ENCODERS = {
    "category": Case(category, ["3", 3, False, "tea", "\u2028"], lambda: category([None, *MANY])),
    "id": Case(id_encoder, ["soup", "cake", "\u2028", "pie"], lambda: id_encoder(map(str, MANY))),
    "list": Case(
        list_encoder,
        ["salt|egg", ["salt"], {"egg": 2, "new": 0}, [], "|", "\u2028", [("egg", 1e6)]],
        lambda: list_encoder([list(map(str, MANY)), {"salt": 2}]),
    ),
    "number": Case(
        lambda: features.Number([1, 2, None, 3, 900], scale="log", num_buckets=3, bucket_width=2, seed=1),
        [2, -1e30, np.inf, 0.5, "1000"],
    ),
    "text": Case(
        text_encoder,
        ["PIE of plums", "", " ", "\u2028", "麻婆豆腐", "x" * 99, "\0"],
        lambda: text_encoder(map(str, MANY)),
    ),
    "time": Case(
        lambda: features.Time(
            pd.date_range("2010-01-01", "2016-03-27T08:01:52.42", 400), year=False, bucket_width=3, seed=1
        ),
        ["2016-03-27", "2030-01-01T12:30:00+09:00", " 1800-01-01\n", 1262304000, "2012-02-29T23:59:59.999999"],
    ),
    "vector": Case(
        lambda: features.Vector([[1, 2], [3, 5], None], width=3, seed=1), [[1, 2], np.array([3.5, -1e30]), (0, 0)]
    ),
}


def test_no_encoder_escapes():
    own = {name for name in features.names() if features.get(name).__module__.startswith("reciperec_layers.")}
    assert own == ENCODERS.keys()


@pytest.mark.saving
@pytest.mark.parametrize("name", ENCODERS)
def test_encoder(name: str):
    case = ENCODERS[name]
    assert type(case.make()) is features.get(name)
    check_encoder(case.make, case.column, larger=case.larger, skip=case.skip)


class Scaled(features.Encoder):
    """A sound encoder of numbers; the broken ones below differ from it in one thing each."""

    width, form, missing, deterministic = 2, tf.TensorSpec((None,), tf.float32), np.nan, True

    def __init__(self, factor: float = 1.0, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.factor = factor
        self.kernel = self.add_weight(shape=(1, 2), initializer="ones", name="kernel")
        self.built = True

    def read(self, column: Any, owner: str, name: str) -> Any:
        return column if tf.is_tensor(column) else tf.constant(np.array(column, np.float32), tf.float32)

    def prepare(self, column: Any) -> Any:
        return tf.where(tf.math.is_nan(column), 0.0, self.factor * column)

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        return tf.cast(prepared, self.compute_dtype)[:, tf.newaxis] * keras.ops.convert_to_tensor(self.kernel)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class Tall(Scaled):
    def read(self, column: Any, owner: str, name: str) -> Any:
        return column if tf.is_tensor(column) else tf.constant(np.array(column, np.float32)[:, None], tf.float32)

    def prepare(self, column: Any) -> Any:
        return super().prepare(column[:, 0])


class Chatty(Scaled):
    tells = "everything"


class Infinite(Scaled):
    def prepare(self, column: Any) -> Any:
        return 1.0 / super().prepare(column)


class Narrow(Scaled):
    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        return super().encode(prepared, training)[:, :1]


class TwoWays(Scaled):
    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(inputs + 1.0, training)


class Nosy(Scaled):
    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        return super().encode(prepared - tf.reduce_mean(prepared), training)


class Numbering(Scaled):
    """Has the same numbers for each row alone."""

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        return super().encode(tf.sort(prepared), training)


class Crowded(Scaled):
    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        tf.debugging.assert_greater(tf.size(prepared), 0)
        return super().encode(prepared, training)


class Unsaid(Scaled):
    def is_known(self, column: Any) -> Any:
        return tf.ones_like(column, tf.bool)


class Noisy(Scaled):
    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        return super().encode(prepared, training) + (1.0 if training else 0.0)


class Eager(Scaled):
    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        return super().encode(prepared, training) + (0.0 if tf.executing_eagerly() else 1.0)


for each in (Scaled, *Scaled.__subclasses__()):
    keras.saving.register_keras_serializable("tests.encoder_contract")(each)

COLUMN = [1.0, 3.0, 2.0, 0.0]


def test_a_sound_encoder_passes():
    check_encoder(lambda: Scaled(2.0), COLUMN)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Tall, "read"),
        (Chatty, "tells"),
        (Infinite, "output"),
        (Narrow, "output"),
        (TwoWays, "prepared"),
        (Nosy, "neighbours"),
        (Numbering, "prepared"),
        (Crowded, "batch_sizes"),
        (Unsaid, "missing"),
        (Noisy, "deterministic"),
        (Eager, "graph"),
    ],
)
def test_a_broken_encoder_fails(broken: type[Scaled], check: str):
    # What saving finds, the contract of serializable classes tests; to leave it out is faster.
    skip = dict.fromkeys(("symbolic", "functional", "subclassed", "alone", "clone"), "not what is broken")
    with pytest.raises(AssertionError, match=f"{broken.__name__} fails the check '{check}'"):
        check_encoder(lambda: broken(2.0), COLUMN, skip=skip)
