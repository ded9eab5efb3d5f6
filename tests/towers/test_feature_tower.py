"""FeatureTower: sums of encodings, and dense layers of them, against matrix products."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers import features, towers
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, UnknownNameError
from reciperec_layers.testing import check_tower


@keras.saving.register_keras_serializable("test_feature_tower")
class Minutes(features.Encoder):
    """A number and whether it is there; without weights, so that tests know its numbers."""

    width, form, missing, deterministic = 2, tf.TensorSpec((None,), tf.float32), float("nan"), True

    def read(self, column: Any, owner: str, name: str) -> Any:
        return super().read(np.array(column, np.float32), owner, name) if not tf.is_tensor(column) else column

    def prepare(self, column: Any) -> Any:
        return tf.cast(column, tf.float32) / 10

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        is_missing = tf.math.is_nan(prepared)
        numbers = tf.where(is_missing, 0.0, prepared), tf.cast(is_missing, tf.float32)
        return tf.cast(tf.stack(numbers, axis=1), self.compute_dtype)


@keras.saving.register_keras_serializable("test_feature_tower")
class Hour(Minutes):
    tells, missing = "context", None


def encoders(**changes: Any) -> dict[str, Any]:
    made = {
        "recipe_id": features.Id(["pie", "soup"], width=4, seed=1),
        "author": features.Id([7, 9], width=3, seed=2),
        "minutes": Minutes(),
    }
    return {name: encoder for name, encoder in {**made, **changes}.items() if encoder is not None}


FRAME = pd.DataFrame({"recipe_id": ["soup", "cake", "pie"], "author": [9, 9, 5], "minutes": [20.0, np.nan, 5.0]})
# Rows of the tables, OOV first, and the encodings of the column of minutes.
IDS, AUTHORS = [2, 0, 1], [2, 2, 0]
MINUTES = np.array([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0]])


def encodings(tower: towers.FeatureTower) -> dict[str, np.ndarray]:
    by_name = tower.columns.by_name
    tables = {name: by_name[name].get_weights()[0] for name in ("recipe_id", "author")}
    return {"author": tables["author"][AUTHORS], "minutes": MINUTES, "recipe_id": tables["recipe_id"][IDS]}


def dense(layer: Any, inputs: np.ndarray) -> np.ndarray:
    kernel, bias = layer.get_weights()
    return inputs @ kernel + bias


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("hidden_units", [(), (5,)])
def test_the_sum_is_that_of_matrix_products(hidden_units: tuple[int, ...], normalize: bool):
    tower = towers.FeatureTower(encoders(), 4, hidden_units=hidden_units, normalize=normalize, seed=1)
    parts = encodings(tower)
    expected = parts["recipe_id"] + dense(tower.projection, np.hstack([parts["author"], parts["minutes"]]))
    if hidden_units:
        first, last = tower.mlp.dense
        expected = expected + dense(last, np.maximum(dense(first, np.hstack(list(parts.values()))), 0))
    if normalize:
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(tower(FRAME).numpy(), expected, rtol=1e-4, atol=1e-6)


def test_the_concatenation_is_that_of_matrix_products():
    options: dict[str, Any] = {"combine": "concat", "hidden_units": (5,), "activation": "tanh", "layer_norm": True}
    tower = towers.FeatureTower(encoders(), 3, seed=1, **options)
    joined = np.hstack(list(encodings(tower).values()))
    centred = joined - joined.mean(axis=1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-3)
    first, last = tower.mlp.dense
    np.testing.assert_allclose(tower(FRAME).numpy(), dense(last, np.tanh(dense(first, normed))), rtol=1e-4, atol=1e-6)


def test_an_embedding_alone_is_its_row():
    tower = towers.FeatureTower({"author": features.Id([7, 9], width=4)}, 4)
    table = tower.get_weights()[0]
    assert len(tower.weights) == 1
    np.testing.assert_array_equal(tower(np.array([9, 5])).numpy(), table[[2, 0]])
    np.testing.assert_array_equal(tower({"author": [9, 5], "other": [1, 2]}).numpy(), table[[2, 0]])


def test_contract_of_the_concatenation():
    check_tower(
        lambda: towers.FeatureTower(encoders(recipe_id=None), 4, combine="concat", hidden_units=(5,), seed=3),
        {name: FRAME[name].to_numpy() for name in ("author", "minutes")},
    )


@settings(max_examples=10)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.sampled_from(list(itertools.permutations(FRAME))))
def test_the_order_of_columns_and_the_neighbours_of_a_row_change_nothing(rows: list[int], order: tuple[str, ...]):
    made = encoders()
    tower = towers.FeatureTower({name: made[name] for name in order}, 4, hidden_units=(3,), seed=1)
    expected = towers.FeatureTower(made, 4, hidden_units=(3,), seed=1)(FRAME).numpy()[rows]
    embeddings = tower(FRAME[list(order)].iloc[rows]).numpy()
    np.testing.assert_allclose(embeddings, expected, rtol=1e-5, atol=1e-6)


def test_batches_without_rows_and_values_that_are_all_missing():
    tower = towers.FeatureTower(encoders(), 4, hidden_units=(3,), layer_norm=True, normalize=True)
    assert tower(FRAME[:0]).shape == (0, 4)
    embeddings = tower({"recipe_id": [None], "author": pd.Series([None], dtype="Int64"), "minutes": [np.nan]})
    assert np.isfinite(embeddings.numpy()).all()


def test_what_is_prepared_needs_no_weights_and_is_gathered():
    tower = towers.FeatureTower(encoders(), 4, hidden_units=(3,), seed=1)
    columns = {name: tower.read(name, FRAME[name], "test") for name in tower.features}
    for name, column in columns.items():
        assert tower.form(name).is_compatible_with(column)
    prepared = tower.prepare(columns)
    assert tower.prepares
    assert prepared["author"].numpy().tolist() == AUTHORS
    gathered = {name: tf.gather(column, [2, 0, 2]) for name, column in prepared.items()}
    np.testing.assert_allclose(tower.encode(gathered).numpy(), tower(FRAME).numpy()[[2, 0, 2]], rtol=1e-6)
    tower.set_weights([weight + 1 for weight in tower.get_weights()])
    for name, column in tower.prepare(columns).items():
        np.testing.assert_array_equal(column.numpy(), prepared[name].numpy())


def test_a_regularizer_of_the_output_is_not_lost_on_the_way_of_what_is_prepared():
    tower = towers.FeatureTower(encoders(), 4, activity_regularizer="l2")
    assert not tower.prepares
    assert not tower.deterministic
    tower(FRAME)
    assert len(tower.losses) == 1


@pytest.mark.parametrize("missing", ["recipe_id", "author", "minutes"])
def test_a_column_that_is_not_given_is_missing_in_every_row(missing: str):
    tower = towers.FeatureTower(encoders(), 4, seed=1)
    frame = FRAME.assign(**{missing: [None] * 3})
    given_columns = {name: tf.constant(FRAME[name]) for name in FRAME if name != missing}
    np.testing.assert_array_equal(tower(given_columns).numpy(), tower(frame).numpy())
    in_graph = tf.function(tower)(given_columns)
    np.testing.assert_allclose(in_graph.numpy(), tower(frame).numpy(), rtol=1e-5, atol=1e-7)
    assert tower.missing_value(missing) is not None


def test_columns_that_must_be_given():
    tower = towers.FeatureTower(encoders(weekday=Hour()), 4)
    assert tower.missing_value("weekday") is None
    with pytest.raises(ColumnError, match="there is no column 'weekday'.* Give the column; its encoder has"):
        tower(FRAME)
    with pytest.raises(ColumnError, match="FeatureTower: there is no column 'author'.*The closest is 'authors'"):
        tower({"authors": [7]})
    with pytest.raises(ArgumentError, match="a dict of the columns 'author', 'minutes', 'recipe_id', 'weekday'"):
        tower(tf.ones(3))
    with pytest.raises(ColumnError, match="FeatureTower: there is no column 'title'; the columns are 'author'"):
        tower.form("title")


def test_knowledge():
    tower = towers.FeatureTower(encoders(weekday=Hour()), 4)
    columns = {
        "recipe_id": ["pie", "pie", "cake", "cake", "cake"],
        "author": [7, 5, 7, 5, 5],
        "minutes": [np.nan, np.nan, np.nan, 5, np.nan],
        "weekday": [1, 1, 1, 1, 1],
    }
    assert tower.knowledge(columns).numpy().tolist() == [2, 1, 1, 1, 0]
    assert {name: each.numpy().tolist() for name, each in tower.known_features(columns).items()} == {
        "minutes": [False, False, False, True, False]
    }
    del columns["author"]
    assert tower.knowledge(columns).numpy().tolist() == [1, 1, 0, 1, 0]
    no_ids = towers.FeatureTower({"minutes": Minutes()}, 4)
    assert no_ids.knowledge(np.array([np.nan, 3.0])).numpy().tolist() == [0, 1]
    only_time = towers.FeatureTower({"weekday": Hour()}, 4)
    assert only_time.knowledge([1.0]).numpy().tolist() == [0]
    two_ids = towers.FeatureTower({name: features.Id([7], width=4) for name in ("user_id", "author")}, 4)
    one_id = towers.FeatureTower({"user_id": features.Id([7], width=4), "weekday": Hour()}, 4)
    levels = [each.knowledge_levels for each in (tower, no_ids, only_time, two_ids, one_id)]
    assert levels == [(0, 1, 2), (0, 1), (0,), (0, 1, 2), (0, 2)]


def test_feature_dropout_leaves_out_all_that_a_column_contributes():
    tower = towers.FeatureTower(encoders(minutes=None), 4, feature_dropout=0.5, seed=1)
    rows = {"recipe_id": ["soup"] * 200, "author": [9] * 200}
    table, kernel, bias = (tower.columns.by_name["recipe_id"].get_weights()[0], *tower.projection.get_weights())
    by_id, by_author = table[2], tower.columns.by_name["author"].get_weights()[0][2] @ kernel
    seen = np.unique(tower(rows, training=True).numpy().round(5), axis=0)
    expected = [bias, bias + by_id, bias + by_author, bias + by_id + by_author]
    np.testing.assert_allclose(seen, np.unique(np.round(expected, 5), axis=0), atol=1e-4)
    np.testing.assert_allclose(tower(rows).numpy(), np.tile(expected[3], (200, 1)), rtol=1e-4, atol=1e-6)


@pytest.mark.saving
def test_a_run_that_is_resumed_drops_what_it_would_have(tmp_path: Path):
    tower = towers.FeatureTower(encoders(), 4, feature_dropout=0.5, seed=1)
    rows = {name: np.repeat(FRAME[name].to_numpy(), 20) for name in FRAME}
    tower(rows, training=True)
    keras.saving.save_model(tower, tmp_path / "tower.keras")
    loaded = keras.models.load_model(tmp_path / "tower.keras")
    np.testing.assert_array_equal(loaded(rows, training=True).numpy(), tower(rows, training=True).numpy())


def test_deterministic():
    assert towers.FeatureTower(encoders(), 4).deterministic
    for option in ({"feature_dropout": 0.1}, {"hidden_units": (3,), "dropout": 0.1}):
        assert not towers.FeatureTower(encoders(), 4, **option).deterministic
    dropped = features.Id([7], width=2, id_dropout=0.1)
    assert not towers.FeatureTower({"author": dropped}, 4).deterministic


def test_encoders_as_configs():
    config = {"encoder": "id", "vocabulary": [7, 9], "width": 3, "seed": 2}
    tower = towers.create("feature", encoders={"author": config}, embedding_dim=4, seed=1, dtype="mixed_bfloat16")
    expected = towers.FeatureTower({"author": features.Id(vocabulary=[7, 9], width=3, seed=2)}, 4, seed=1)
    assert tower(np.array([7, 5])).dtype == tf.bfloat16
    np.testing.assert_allclose(
        keras.ops.cast(tower(np.array([7, 5])), "float32"), expected(np.array([7, 5])), atol=1e-2
    )
    with pytest.raises(UnknownNameError, match="no encoder has this name"):
        towers.FeatureTower({"author": {"encoder": "idd"}}, 4)


def test_a_functional_model_with_an_input_per_column():
    inputs = {
        "recipe_id": keras.Input((), name="recipe_id", dtype="string"),
        "author": keras.Input((), name="author", dtype="int64"),
    }
    tower = towers.FeatureTower(encoders(), 4, seed=1)
    model = keras.Model(inputs, tower(inputs))
    tensors = {name: tf.constant(FRAME[name]) for name in inputs}
    np.testing.assert_allclose(model(tensors).numpy(), tower(tensors).numpy(), rtol=1e-6)


def test_inputs_that_would_be_rounded_or_have_another_shape():
    tower = towers.FeatureTower({"author": features.Id([7, 9], width=4)}, 4)
    with pytest.raises(ArgumentError, match=r"column 'author' must be int64.*Declare keras.Input\(\(\), name='author'"):
        tower(keras.Input(()))
    with pytest.raises(ArgumentError, match=r"must have the shape \(batch,\).*Declare keras.Input\(\(\), name="):
        tower(keras.Input((1,), dtype="int64"))
    with pytest.raises(ArgumentError, match=r"'author' must have the shape \(batch,\).*Reshape it"):
        tower(tf.constant([[7]]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"encoders": {}}, ArgumentError, "`encoders` must have a column"),
        ({"encoders": [Minutes()]}, ArgumentTypeError, "`encoders` must be a dict by column name"),
        ({"encoders": {3: Minutes()}}, ArgumentTypeError, "`encoders` must be a dict by column name"),
        ({"encoders": {"a": "id"}}, ArgumentTypeError, "the encoder of column 'a' must be an encoder or its config"),
        ({"encoders": dict.fromkeys("ab", Minutes())}, ArgumentError, "two columns have the same encoder"),
        ({"encoders": {"a": Minutes(activity_regularizer="l2")}}, ArgumentError, "Give it to the tower"),
        ({"combine": "mean"}, ArgumentError, '`combine` must be "sum" or "concat"'),
        ({"dropout": 0.1}, ArgumentError, "`dropout` is for hidden layers, and there are none"),
        ({"layer_norm": True}, ArgumentError, "`layer_norm` is for hidden layers, and there are none"),
        ({"feature_dropout": 1.0}, ArgumentError, r"FeatureTower: `feature_dropout` must be a number in \[0, 1\)"),
        ({"embedding_dim": 0}, ArgumentError, "FeatureTower: `embedding_dim` must be a positive integer"),
        (
            {"hiden_units": (3,)},
            ArgumentTypeError,
            "there are no arguments 'hiden_units'. The closest is 'hidden_units'. Accepted: encoders, embed",
        ),
    ],
)
def test_bad_arguments(options: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        towers.FeatureTower(**{"encoders": {"minutes": Minutes()}, "embedding_dim": 4, **options})


RECIPES = pd.DataFrame(
    {
        "recipe_id": range(40),
        "recipe_name": [f"{first} {second}" for first in ("apple", "onion", "plum", "leek") for second in "abcdefghij"],
        "ingredients": ["salt^flour", "salt", "milk^egg^salt", "egg"] * 10,
        "minutes": np.arange(40) % 7 + 0.5,
        "kitchen": pd.Categorical(["thai", None, "greek", "thai"] * 10),
        "added": pd.date_range("2020-01-01", periods=40),
        "Unnamed: 0": range(40),
        "photo": [f"https://example.com/{place}.jpg" for place in range(40)],
    }
)
FROM_DATA: dict[str, Any] = {"feature": "recipe_id", "embedding_dim": 4, "seed": 1}


@pytest.fixture(scope="module")
def of_recipes() -> towers.FeatureTower:
    return towers.FeatureTower.from_data(RECIPES, **FROM_DATA)


def test_from_data_reads_what_is_proposed(of_recipes: towers.FeatureTower):
    kinds = {name: type(encoder).__name__ for name, encoder in of_recipes.columns.by_name.items()}
    assert kinds == {
        "added": "Time",
        "ingredients": "List",
        "kitchen": "Category",
        "minutes": "Number",
        "recipe_id": "Id",
        "recipe_name": "Text",
    }
    by_name = of_recipes.columns.by_name
    assert by_name["recipe_id"].lookup.id_dropout == 0.1
    assert {by_name[name].width for name in ("recipe_id", "recipe_name", "ingredients", "kitchen")} == {4}
    numbers_alike = np.array_equal(by_name["kitchen"].get_weights()[0][:3], by_name["recipe_id"].get_weights()[0][:3])
    assert not numbers_alike  # each has a seed of its own
    assert of_recipes(RECIPES).shape == (40, 4)


def test_from_data_does_not_depend_on_the_order_of_columns(of_recipes: towers.FeatureTower):
    again = towers.FeatureTower.from_data(RECIPES[RECIPES.columns[::-1]], **FROM_DATA)
    np.testing.assert_array_equal(again(RECIPES[RECIPES.columns[::-1]]).numpy(), of_recipes(RECIPES).numpy())


def test_from_data_as_the_user_says():
    number = features.Number(RECIPES["minutes"])
    tower = towers.FeatureTower.from_data(
        RECIPES,
        leave_out=["recipe_id", "added"],
        encoders={
            "minutes": number,
            "kitchen": None,
            "recipe_name": {"encoder": "text", "width": 3},
            "photo": "category",
        },
        hidden_units=(3,),
        **FROM_DATA,
    )
    assert tower.features == ("ingredients", "minutes", "photo", "recipe_name")
    assert tower.columns.by_name["minutes"] is number
    assert (tower.columns.by_name["recipe_name"].width, tower.hidden_units) == (3, (3,))
    tower = towers.FeatureTower.from_data(RECIPES, columns=["kitchen"], id_dropout=0.0, **FROM_DATA)
    assert tower.features == ("kitchen", "recipe_id")
    assert tower.columns.by_name["recipe_id"].lookup.id_dropout == 0.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"columns": ["kitchn"]}, ColumnError, "FeatureTower.from_data: there is no column 'kitchn'.*'kitchen'"),
        ({"leave_out": ["kitchn"]}, ColumnError, "FeatureTower.from_data: there is no column 'kitchn'"),
        ({"encoders": {"kitchn": "text"}}, ColumnError, "FeatureTower.from_data: there is no column 'kitchn'"),
        ({"feature": "sku"}, ColumnError, "FeatureTower.from_data: there is no column 'sku'"),
        ({"columns": ["photo"]}, ArgumentError, "column 'photo' of `columns` cannot be read: .*encoders={'photo': "),
        ({"columns": [], "leave_out": "recipe_id"}, ArgumentError, "no column is left to read: 'recipe_id': left out"),
        ({"leave_out": ["minutes"], "encoders": {"minutes": Minutes()}}, ArgumentError, "both have 'minutes'"),
        ({"hiden_units": (3,)}, ArgumentTypeError, "there are no arguments 'hiden_units'"),
    ],
)
def test_bad_arguments_of_from_data(options: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        towers.FeatureTower.from_data(RECIPES, **{**FROM_DATA, **options})


VALUES = {
    "added": [pd.Timestamp("2020-01-05"), pd.Timestamp("1970-01-01"), pd.Timestamp("2100-01-01", tz=None), pd.NaT],
    "ingredients": ["salt", "salt^egg", "saffron", "", None, "^^"],
    "kitchen": ["thai", "lunar", None, ""],
    "minutes": [0.5, -1e30, 1e30, np.nan],
    "recipe_id": [3, -1, None, 2**62],
    "recipe_name": ["apple pie", "", None, "苹果", "!?"],
}


# The mixture has features, summed and concatenated.
@pytest.fixture(scope="module", params=["cross", "mixture"])
def any_tower(request: pytest.FixtureRequest) -> towers.Tower:
    if request.param == "mixture":
        columns: Any = {"columns": ["added", "kitchen", "minutes"]}
        made = ({"tower": "feature", "hidden_units": (3,), **columns}, {"tower": "feature", "combine": "concat"})
        return towers.MixtureTower.from_data(RECIPES, towers=made, **FROM_DATA)
    return towers.get(request.param).from_data(RECIPES, **FROM_DATA)


@settings(max_examples=12)
@given(
    st.lists(
        st.fixed_dictionaries({name: st.sampled_from(each) for name, each in VALUES.items()}), min_size=1, max_size=5
    )
)
def test_any_row_is_finite_and_does_not_depend_on_its_neighbours(any_tower: towers.Tower, rows: list[dict[str, Any]]):
    columns = {name: [row[name] for row in rows] for name in VALUES}
    embeddings = any_tower(columns).numpy()
    assert embeddings.shape == (len(rows), 4)
    assert np.isfinite(embeddings).all()
    alone = any_tower({name: column[-1:] for name, column in columns.items()}).numpy()
    np.testing.assert_allclose(alone[0], embeddings[-1], rtol=1e-4, atol=1e-5)
    assert any_tower.knowledge(columns).numpy()[-1] == any_tower.knowledge(
        {name: column[-1:] for name, column in columns.items()}
    )


def test_what_is_prepared_is_encoded_in_mixed_precision_and_in_a_graph():
    tower = towers.FeatureTower.from_data(RECIPES, dtype="mixed_bfloat16", hidden_units=(3,), **FROM_DATA)
    assert {weight.dtype for weight in tower.trainable_weights} == {"float32"}
    columns = {name: tower.read(name, RECIPES[name], "test") for name in tower.features}
    embeddings = tf.function(lambda: tower.encode(tower.prepare(columns)))()
    assert embeddings.dtype == tower(RECIPES).dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(embeddings, tf.float32), tf.cast(tower(RECIPES), tf.float32), atol=0.02)
