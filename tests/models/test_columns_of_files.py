"""What a model reads from Parquet files, row group by row group, is what it reads from a frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.batching.tensor_arrays import arrow_of_tensor
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, IdError

ROWS = 7
RECIPES = ["pie", "soup", "stew"]
DAYS = pd.to_datetime(
    ["2024-01-01", "2024-01-09", "2024-02-01", "2024-02-03", "2024-03-01", "2024-03-02", "2024-03-07"]
)
FRAME = pd.DataFrame(
    {
        "user_id": pd.array([7, 9, 5, 7, 9, 11, 7], dtype="Int64"),
        "friend": pd.array([9, 7, None, 7, 9, 9, 7], dtype="Int64"),
        "recipe_id": ["pie", "pie", "soup", "pie", "soup", "soup", "soup"],
        "date": DAYS.tz_localize("Asia/Tokyo"),
        "written": [*DAYS[:5].strftime("%Y-%m-%dT%H:%M"), None, "2024-03-07 "],
        "age": pd.array([30, None, 40, 50, 30, 60, 20], dtype="Int64"),
        "member": pd.array([True, None, False, True, True, False, True], dtype="boolean"),
        "kind": pd.Categorical(["a", None, "b", "a", "a", "b", "b"]),
        "title": ["old man", "", None, "käse", "man", "young man", "old"],
        "likes": [["egg", "milk"], [], None, ["egg"], ["milk"], ["egg"], ["milk"]],
        "image": [[0.5, 1.0], None, [1.0, 2.0], [3.0, 1.0], [2.0, 2.0], [0.0, 1.0], [1.0, 1.0]],
        "unread": [{"a": 1}] * ROWS,
    }
)


def encoders():
    features = rl.features
    return {
        "user_id": features.Id(FRAME["user_id"], width=2),
        "friend": features.Id(FRAME["friend"], width=2),
        "written": features.Time(FRAME["written"]),
        "age": features.Number(FRAME["age"]),
        "member": features.Category(FRAME["member"], width=2),
        "kind": features.Category(FRAME["kind"], width=2),
        "title": features.Text(FRAME["title"], width=2),
        "likes": features.List(FRAME["likes"], width=2),
        "image": features.Vector(FRAME["image"]),
    }


def make_model(query_tower=None):
    tower = rl.IdTower([7, 9], 3, feature="user_id", seed=1) if query_tower is None else query_tower
    recipes = rl.IdTower(RECIPES, 3, feature="recipe_id", seed=2)
    prior = {"prior": "popularity", "time": "date"}
    return rl.RetrievalModel(tower, recipes, {"recipe_id": RECIPES}, query_id="user_id", prior=prior)


@pytest.fixture(scope="module")
def model():
    return make_model(rl.towers.FeatureTower(encoders(), 3, seed=1))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "interactions.parquet"
    FRAME.to_parquet(path, row_group_size=3)
    return path


def by_row(dataset):
    """Returns all rows, each as text, of columns by name."""
    return [
        repr({name: np.asarray(column[row]).tolist() for name, column in sorted(batch.items())})
        for batch in dataset.as_numpy_iterator()
        for row in range(len(batch["recipe_id"]))
    ]


def test_columns_are_read_as_those_of_a_frame(model, path):
    expected, found = model.batches(FRAME, 2), model.batches(path, 2)
    assert found.element_spec.keys() == expected.element_spec.keys() == {*encoders(), "recipe_id", "date"}
    for name, spec in expected.element_spec.items():
        assert found.element_spec[name].dtype == spec.dtype
        assert found.element_spec[name].shape.as_list() == spec.shape.as_list()
    assert by_row(found) == by_row(expected)
    shuffled = model.batches(path, 2, seed=1, shuffle_window=4)
    assert by_row(shuffled) != by_row(expected)
    assert sorted(by_row(shuffled)) == sorted(by_row(expected))


def test_files_that_write_a_column_differently(model, tmp_path):
    part = FRAME[:2].assign(
        date=FRAME["date"][:2].astype("datetime64[s, Asia/Tokyo]").astype(str),
        age=["30", None],
        likes=["egg^milk", ""],
        image=np.array([[0.5, 1.0], [np.nan, np.nan]]).tolist(),
    )
    part.to_parquet(tmp_path / "part.parquet")
    FRAME[2:].to_parquet(tmp_path / "rest.parquet")
    found = by_row(model.batches([tmp_path / "part.parquet", tmp_path / "rest.parquet"], 3))
    expected = by_row(model.batches(FRAME, 3))
    assert [row.replace("egg^milk", "egg\\x1fmilk\\x1f") for row in found] == expected


def test_times_of_files_train_a_prior_that_drifts(tmp_path):
    path = tmp_path / "interactions.parquet"
    FRAME.to_parquet(path, row_group_size=3)
    losses, priors = [], []
    for data in (FRAME, path):
        model = make_model()
        model.compile()
        losses.append(model.fit(model.batches(data, 4), epochs=2, verbose=0).history["loss"])
        priors.append([each.numpy() for each in model.prior.weights])
        newest = int(model.prior.newest.numpy())
    for one, other in zip(*priors, strict=True):
        np.testing.assert_array_equal(one, other)
    assert losses[0] == losses[1]
    assert newest == DAYS.tz_localize("Asia/Tokyo")[-1].value // 1000
    # Pie was eaten in January, and soup in March.
    pie, soup = model.prior.lookup.lookup(["pie", "soup"])
    popularity = model.prior.log_popularity.numpy()
    lead = popularity[soup] - popularity[pie]
    assert lead[0] > 5
    assert lead[-1] < 1


def test_plain_columns_of_files_are_not_read_by_the_model(tmp_path, monkeypatch):
    """Text of ids goes to tensors without Python strings."""
    path = tmp_path / "interactions.parquet"
    FRAME[["recipe_id"]].assign(user_id=7).to_parquet(path)
    model = rl.RetrievalModel(
        rl.IdTower([7], 2, feature="user_id"), rl.IdTower(RECIPES, 2, feature="recipe_id"), {"recipe_id": RECIPES}
    )

    def refuse(*arguments):
        raise AssertionError(arguments)

    monkeypatch.setattr(model._pairs, "read", refuse)
    assert len(list(model.batches(path, 4))) == 2


@pytest.mark.parametrize(
    ("column", "values", "error", "said"),
    [
        ("written", ["soon"] * ROWS, ArgumentError, "7 of 7 values in column 'written' are not times"),
        ("title", [["egg"]] * ROWS, ArgumentTypeError, "column 'title' has values of type ndarray, which have no text"),
        ("image", [[1.0]] * ROWS, ArgumentError, "column 'image'.* have another length than 2"),
        ("recipe_id", [None] * ROWS, IdError, "column 'recipe_id': 7 of 7 values of a part of the file are missing"),
    ],
)
def test_values_that_cannot_be_read_are_named_by_fit(model, tmp_path, column, values, error, said):
    path = tmp_path / "interactions.parquet"
    FRAME.assign(**{column: values}).to_parquet(path)
    model.compile()
    with pytest.raises(error, match=said):
        model.fit(model.batches(path, 4), verbose=0)


def test_tensors_that_files_cannot_give():
    for tensor in (tf.ragged.constant([[1], [2, 3]]), tf.constant([["a", "b"]])):
        with pytest.raises(ArgumentTypeError, match="batches: column 'x' must be one value or vector a row"):
            arrow_of_tensor(tensor, "batches", "x")
    array = arrow_of_tensor(tf.reshape(tf.range(12), (2, 3, 2)), "batches", "x")
    assert array.to_pylist() == np.arange(12).reshape(2, 3, 2).tolist()


def test_vectors_of_one_length_are_written_by_arrow(model, tmp_path):
    path = tmp_path / "interactions.parquet"
    table = pa.Table.from_pandas(FRAME)
    place = table.column_names.index("image")
    pq.write_table(table.set_column(place, "image", table["image"].cast(pa.list_(pa.float32(), 2))), path)
    assert by_row(model.batches(path, 2)) == by_row(model.batches(FRAME, 2))
