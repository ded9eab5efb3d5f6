"""encode_once: what is encoded, how often, and what files keep of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, MissingExtraError, ModelFileError
from reciperec_layers.features import Text, Vector, encode_once, encoding


def vector_of(value: Any) -> list[float]:
    return [float(len(str(value))), float(sum(map(ord, str(value))))]


class Counted:
    """A frozen encoder that remembers the batches it got."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []

    def __call__(self, values: list[Any]) -> np.ndarray:
        assert isinstance(values, list)
        self.batches.append(values)
        return np.array([vector_of(value) for value in values])


@pytest.fixture
def encode(tmp_path: Path) -> Callable[..., Any]:
    return lambda column, encoder, **options: encode_once(
        column, encoder, **{"folder": tmp_path, "name": "counted", **options}
    )


def test_each_distinct_value_is_encoded_once(encode: Callable[..., Any]):
    encoder, seen = Counted(), []
    column = pd.Series(["pie", None, "soup", "pie", "", "égg"], index=list("abcdef"), name="title")
    vectors = encode(column, encoder, batch_size=2, on_progress=lambda done, total: seen.append((done, total)))
    assert encoder.batches == [["pie", "soup"], ["égg"]]
    assert seen == [(2, 3), (3, 3)]
    assert (vectors.index.tolist(), vectors.name) == (list("abcdef"), "title")
    assert [None if each is None else each.tolist() for each in vectors] == [
        vector_of(value) if value else None for value in column.fillna("")
    ]
    assert vectors["a"].dtype == np.float32
    assert Vector(vectors, scaling="unit").dim == 2


def test_only_values_that_are_not_in_the_file_are_encoded(encode: Callable[..., Any], tmp_path: Path):
    encode(["pie", "soup"], Counted())
    encoder = Counted()
    assert encode(["soup", "egg", "pie"], encoder).tolist()[0].tolist() == vector_of("soup")
    assert encoder.batches == [["egg"]]
    encode(["egg", "pie"], encoder)
    assert encoder.batches == [["egg"]]
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]
    encode(["pie"], encoder, version=2)
    encode(["pie"], encoder, name="other/name")
    assert encoder.batches == [["egg"], ["pie"], ["pie"]]
    assert len(list(tmp_path.iterdir())) == 3


def test_values_of_other_types_are_other_values(encode: Callable[..., Any]):
    encoder = Counted()
    encode(np.array([7, 9, 7]), encoder)
    encode(["7", 7, 7.5], encoder)
    assert encoder.batches == [[7, 9], ["7", 7.5]]


def test_rows_of_a_frame_are_texts(encode: Callable[..., Any]):
    encoder = Counted()
    frame = pd.DataFrame({"title": ["pie", None, None], "year": [1999.0, np.nan, 2000]}, index=[5, 6, 7])
    vectors = encode(frame, encoder)
    assert encoder.batches == [["pie\n1999", "2000"]]
    assert vectors[6] is None
    assert vectors.index.tolist() == [5, 6, 7]


def test_what_was_computed_before_an_interruption_is_kept(encode: Callable[..., Any]):
    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(list("abcdef"), Counted(), batch_size=2, on_progress=interrupt)
    encoder = Counted()
    encode(list("abcdef"), encoder)
    assert encoder.batches == [["e", "f"]]


def test_long_work_is_written_from_time_to_time(
    encode: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(encoding, "_SECONDS_BETWEEN_WRITES", -1)
    in_file = []

    def look(done: int, total: int) -> None:
        in_file.append([pd.read_parquet(path).shape[0] for path in tmp_path.iterdir()])

    vectors = encode(list("abcde"), Counted(), batch_size=2, on_progress=look)
    assert in_file == [[], [2], [4]]
    assert [each.tolist() for each in vectors] == [vector_of(value) for value in "abcde"]


def test_two_that_write_at_once_keep_both(encode: Callable[..., Any]):
    def while_another_writes(values: list[str]) -> np.ndarray:
        encode(["soup"], Counted())
        return np.array([vector_of(value) for value in values])

    encode(["pie"], while_another_writes)
    encoder = Counted()
    encode(["pie", "soup"], encoder)
    assert encoder.batches == []


def model_of(*names: str, factor: float = 1.0) -> keras.Model:
    """Code points of text, through two layers whose names should not matter."""
    inputs = keras.Input((), dtype="string")
    codes = keras.layers.Lambda(
        lambda texts: tf.strings.unicode_decode(texts, "UTF-8").to_tensor(shape=[None, 3]), output_shape=(3,)
    )(inputs)
    hidden = keras.layers.Dense(2, "relu", name=names[0], kernel_initializer="ones")(codes)
    dense = keras.layers.Dense(2, name=names[1], kernel_initializer=keras.initializers.Constant(factor))
    return keras.Model(inputs, dense(hidden))


def test_layers_of_keras_are_known_by_their_content(tmp_path: Path):
    model = model_of("dense", "dense_1")
    vectors = encode_once(["pie", "egg"], model, folder=tmp_path)
    np.testing.assert_allclose(vectors[0], [2 * sum(map(ord, "pie"))] * 2)

    def files() -> int:
        return len(list(tmp_path.iterdir()))

    assert files() == 1
    encode_once(["pie"], model_of("dense_7", "dense_8"), folder=tmp_path)
    assert files() == 1
    encode_once(["pie"], model_of("dense", "dense_1", factor=3), folder=tmp_path)
    assert files() == 2
    model.layers[-1].set_weights([np.full((2, 2), 5.0), np.zeros(2)])
    np.testing.assert_allclose(encode_once(["pie"], model, folder=tmp_path)[0], [10 * sum(map(ord, "pie"))] * 2)
    assert files() == 3


def test_words_that_a_layer_has_learned_are_of_its_content(tmp_path: Path):
    results = []
    for words in (["pie", "egg"], ["egg", "pie"]):
        layer = keras.layers.TextVectorization(output_sequence_length=1)
        layer.adapt(words + words[:1])  # the first is the most frequent, and has index 2
        layer(tf.constant(["pie"]))
        results.append(encode_once(["pie"], layer, folder=tmp_path)[0].tolist())
    assert results == [[2.0], [3.0]]


def test_encoders_of_the_package_and_their_version_of_a_vocabulary(tmp_path: Path):
    encoder = Text(["apple pie", "apple"], width=2, seed=1)
    vectors = encode_once(pd.Series(["apple pie", None]), encoder, folder=tmp_path)
    np.testing.assert_allclose(vectors[0], encoder(["apple pie"]).numpy()[0])
    assert vectors[1] is None
    encode_once(["apple pie"], Text(["apple pie", "apple"], width=2, seed=2), folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("encoder", "problem"),
    [
        (lambda texts: np.zeros((1, 2)), r"numbers of shape \(2, dim\) for 2 values. Received: returned=ndarray"),
        (lambda texts: np.zeros(2), "must return numbers of shape"),
        (lambda texts: [[1.0], [1.0, 2.0]], "must return numbers of shape"),
        (lambda texts: np.array([[np.nan], [1]]), "1 of 2 vectors are not finite, those of 'a'"),
    ],
)
def test_encoders_that_return_something_else(encode: Callable[..., Any], encoder: Any, problem: str):
    with pytest.raises(ArgumentError, match=problem):
        encode(["a", "b"], encoder)


def test_an_encoder_that_has_changed_needs_another_version(encode: Callable[..., Any]):
    encode(["a"], Counted())
    with pytest.raises(
        ArgumentError, match=r"shape \(1, 2\) for 1 values.*an encoder that has changed needs another ver"
    ):
        encode(["b"], lambda texts: np.ones((1, 3)))


def test_what_cannot_be(encode: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ArgumentError, match="cannot be told from that of others.*name="):
        encode_once(["a"], Counted(), folder=tmp_path)
    with pytest.raises(ArgumentTypeError, match="`encoder` must be callable"):
        encode(["a"], "mini")
    with pytest.raises(ArgumentTypeError, match="`name` must be text"):
        encode(["a"], Counted(), name=" ")
    with pytest.raises(ArgumentError, match="the encoder has no weights yet"):
        encode_once(["a"], keras.layers.Dense(2), folder=tmp_path)
    with pytest.raises(ArgumentTypeError, match="2 of 3 values are neither text nor numbers but dict, list"):
        encode(["a", {}, []], Counted())
    with pytest.raises(ArgumentTypeError, match="not a single value"):
        encode("a", Counted())
    encode(["a"], Counted())
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ModelFileError, match="the cached vectors cannot be read .*Delete the file"):
        encode(["a"], Counted())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"encode_once: pyarrow is needed.*reciperec-layers\[parquet\]"):
        encode(["a"], Counted())


def test_the_folder_of_the_user_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    encode_once(["a"], Counted(), name="mini")
    (file,) = (tmp_path / "cache" / "reciperec_layers" / "vectors").iterdir()
    assert file.name.startswith("mini-")
