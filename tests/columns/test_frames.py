"""Frames and columns of any library that speaks Arrow give what pandas gives."""

from __future__ import annotations

import datetime
import sys
from decimal import Decimal

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import reciperec_layers as rl
from reciperec_layers.columns.frames import ArrowColumns, from_arrow, to_frame
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.columns.missing_values import missing_entries
from reciperec_layers.columns.tensors import to_tensor
from reciperec_layers.errors import ArgumentTypeError, ColumnError, IdError, MissingExtraError


class Streamed:
    """An object that speaks Arrow and nothing else."""

    def __init__(self, held):
        self.held = held

    def __arrow_c_stream__(self, requested_schema=None):
        return self.held.__arrow_c_stream__(requested_schema)


class StreamedOnce(Streamed):
    """A stream that is empty after it was read, as a database's cursor is."""

    def __arrow_c_stream__(self, requested_schema=None):
        held, self.held = self.held, None
        return held.__arrow_c_stream__(requested_schema)


class OfOneArray:
    """An object that gives its rows in one piece."""

    def __init__(self, held):
        self.held = held

    def __arrow_c_array__(self, requested_schema=None):
        return self.held.__arrow_c_array__(requested_schema)


def values_of(column):
    is_missing = column.isna().tolist()
    return [None if gap else value for gap, value in zip(is_missing, column.tolist(), strict=True)]


def to_polars(frame):
    return pl.DataFrame({name: values_of(frame[name]) for name in frame})


# From a pandas frame to what else may hold its columns.
FRAMES = {
    "polars": to_polars,
    "pyarrow": lambda frame: pa.table(to_polars(frame)),
    "pyarrow from pandas": lambda frame: pa.Table.from_pandas(frame.set_axis([f"row {at}" for at in frame.index])),
    "record batch": lambda frame: pa.RecordBatch.from_pandas(frame),
    "dict of polars": lambda frame: to_polars(frame).to_dict(),
    "dict of polars and lists": lambda frame: {
        name: frame[name].tolist() if name == "recipe_id" else pl.Series(values_of(frame[name])) for name in frame
    },
    "dict of pyarrow": lambda frame: dict(
        zip(frame.columns, [pa.chunked_array([pa.array(values_of(frame[name]))]) for name in frame], strict=True)
    ),
    "stream": lambda frame: Streamed(to_polars(frame)),
    "stream that is read once": lambda frame: StreamedOnce(to_polars(frame)),
    "array": lambda frame: OfOneArray(pa.table(to_polars(frame)).to_struct_array().combine_chunks()),
}
# A model is made and asked anew for each of these; what differs among the others is how they are imported.
SOME_KINDS = ["polars", "pyarrow", "dict of polars", "stream that is read once"]
of_some_kinds = pytest.mark.parametrize("kind", SOME_KINDS)
of_any_kind = pytest.mark.parametrize("kind", FRAMES)
NOT_DICTS = [kind for kind in FRAMES if not kind.startswith("dict")]

USERS, RECIPES = [7, 9, 7, 11], ["pie", "soup", "soup", "pie"]
DAYS = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"])
TRAIN = pd.DataFrame({"user_id": USERS, "recipe_id": RECIPES, "date": DAYS})
CANDIDATES = pd.DataFrame(
    {
        "recipe_id": ["pie", "soup", "stew", "cake"],
        "recipe_name": ["Apple Pie", "Onion Soup", None, "Plum Cake"],
        "ingredients": [["apple", "flour"], ["onion"], [], ["plum", "flour"]],
        "minutes": [60.0, 30.0, np.nan, 45.0],
    }
)

# Values, the Arrow type, and what pandas holds for them.
COLUMNS = {
    "integers": ([7, -9], pa.int32(), [7, -9]),
    "integers with gaps": ([2**62 + 1, None], pa.int64(), [2**62 + 1, pd.NA]),
    "large integers": ([2**63, None], pa.uint64(), [2**63, pd.NA]),
    "floats": ([0.5, None], pa.float32(), [0.5, np.nan]),
    "booleans": ([True, None], pa.bool_(), [True, pd.NA]),
    "text": (["pie", None, ""], pa.string(), ["pie", None, ""]),
    "large text": (["Käse", None], pa.large_string(), ["Käse", None]),
    "text by views": (["pie", None], pa.string_view(), ["pie", None]),
    "bytes by views": ([b"pie", None], pa.binary_view(), [b"pie", None]),
    "nothing": ([None, None], pa.null(), [None, None]),
    "dates": ([datetime.date(2024, 1, 2), None], pa.date32(), [pd.Timestamp("2024-01-02"), pd.NaT]),
    "categories": (["pie", None, "pie"], pa.dictionary(pa.uint32(), pa.string()), ["pie", np.nan, "pie"]),
    "lists": ([["a", "b"], None, []], pa.list_(pa.string()), [["a", "b"], None, []]),
    "lists of views": ([["a", "b"], None, []], pa.large_list(pa.string_view()), [["a", "b"], None, []]),
    "lists of lists": ([[[1], [2, 3]], None], pa.list_(pa.list_(pa.int64())), [[[1], [2, 3]], None]),
    "vectors": ([[1.0, 2.0], None], pa.list_(pa.float32(), 2), [[1.0, 2.0], None]),
    "structs": ([{"egg": 2}, None], pa.struct([("egg", pa.int64())]), [{"egg": 2}, None]),
    "pairs": ([[("egg", 2.0)], None], pa.map_(pa.string(), pa.float64()), [[("egg", 2.0)], None]),
    "whole decimals": ([Decimal(7), Decimal(9)], pa.decimal128(18, 0), [7, 9]),
    "decimals": ([Decimal("7.5"), None], pa.decimal128(20, 2), [7.5, np.nan]),
}


def plain(value):
    if isinstance(value, (np.ndarray, list)):
        return [plain(each) for each in value]
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    return value


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_keeps_its_values(name):
    values, kind, expected = COLUMNS[name]
    column = from_arrow(pa.chunked_array([pa.array(values[:1], kind), pa.array(values[1:], kind)]), "fit")
    assert plain(column.tolist()) == plain(expected)
    assert [type(each) for each in plain(column.tolist())] == [type(each) for each in plain(expected)]


def test_times_keep_their_zone_and_categories_their_type():
    times = pl.Series("date", DAYS.tolist()).dt.replace_time_zone("Europe/Berlin")
    column = from_arrow(times, "fit")
    assert str(column.dtype) == "datetime64[us, Europe/Berlin]"
    assert column.name == "date"
    assert column.tolist() == DAYS.tz_localize("Europe/Berlin").tolist()
    assert from_arrow(pl.Series(["a", "b"], dtype=pl.Categorical), "fit").dtype.name == "category"


def test_lists_of_categories():
    column = from_arrow(pl.Series([["a"], ["b", "a"], None], dtype=pl.List(pl.Categorical)), "fit")
    assert plain(column.tolist()) == [["a"], ["b", "a"], None]


def test_pandas_and_all_else_stay_as_they_are():
    for value in (TRAIN, TRAIN["user_id"], {"user_id": USERS}, [7], np.ones(2), None, "text", keras.Input((1,))):
        assert from_arrow(value, "fit") is value
        assert to_frame(value, "fit") is value


@of_any_kind
def test_columns_by_name(kind):
    columns = from_arrow(FRAMES[kind](TRAIN), "fit")
    assert isinstance(columns, ArrowColumns)
    assert list(columns) == ["user_id", "recipe_id", "date"]
    assert "age" not in columns
    frame = to_frame(columns, "fit", ["user_id", "date"])
    pd.testing.assert_frame_equal(frame, TRAIN[["user_id", "date"]], check_dtype=False)
    assert to_frame(columns, "fit").shape == (4, 3)
    assert columns.rename({"user_id": "id"})["id"].tolist() == USERS


def test_only_columns_that_are_read_are_converted():
    table = pa.table({"user_id": [7], "refused": pa.array([2**62], pa.timestamp("s"))})
    assert to_frame(table, "seen", ["user_id"]).columns.tolist() == ["user_id"]
    seen = rl.data.seen(table.append_column("recipe_id", pa.array(["pie"])), "user_id", "recipe_id")
    assert seen.rows([7])[1].tolist() == ["pie"]
    with pytest.raises(ColumnError, match="seen: there is no column 'user'; the columns are 'user_id', 'refused'"):
        rl.data.seen(table, "user", "user_id")


def test_two_columns_of_one_name_are_refused():
    table = pa.Table.from_arrays([pa.array([7]), pa.array([9])], ["user_id", "user_id"])
    with pytest.raises(ColumnError, match="'user_id'"):
        rl.data.seen(table, "user_id", "user_id")
    with pytest.raises(ColumnError, match="'user_id'"):
        rl.data.batches(table, 1)


def test_what_arrow_cannot_read_is_refused():
    class Broken:
        def __arrow_c_stream__(self, requested_schema=None):
            raise ValueError("no connection")

    with pytest.raises(ArgumentTypeError, match=r"batches: Broken cannot be read \(no connection\)"):
        rl.data.batches(Broken(), 1)


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    needed = r"pyarrow is needed for a polars DataFrame. .*reciperec-layers\[parquet\]"
    with pytest.raises(MissingExtraError, match=f"batches: {needed}"):
        rl.data.batches(to_polars(TRAIN), 1)
    assert len(rl.data.batches(TRAIN, 1)) == 4


def test_ids():
    for column in (pl.Series([7, 9]), pa.array([7, 9], pa.int16()), Streamed(pl.Series([7, 9]))):
        assert to_id_array(column).tolist() == [7, 9]
        assert rl.Vocabulary(column).lookup([9, 5]).tolist() == [1, -1]
    for column in (pl.Series(["a", "b"]), pl.Series(["a", "b"], dtype=pl.Categorical), pa.array(["a", "b"])):
        assert to_id_array(column).tolist() == ["a", "b"]
        assert rl.IdTower(column, 2, num_oov_indices=1).lookup(column).tolist() == [1, 2]
    for column in (pl.Series([7, None]), pa.array(["a", None]), pl.Series(["a", None], dtype=pl.Categorical)):
        assert missing_entries(column).tolist() == [False, True]
        with pytest.raises(IdError, match="1 of 2 ids are missing .*, first at position 1"):
            to_id_array(column)
    with pytest.raises(ArgumentTypeError, match="ordered ids are needed, not a"):
        to_id_array(pa.table({"user_id": [7]}))


def test_tensors():
    assert to_tensor(pl.Series(["pie", "soup"]), "fit", "name").numpy().tolist() == [b"pie", b"soup"]
    assert to_tensor(pl.Series([7, 9], dtype=pl.UInt8), "fit", "id").dtype == "int64"
    np.testing.assert_array_equal(to_tensor(pa.array([0.5, None]), "fit", "age").numpy(), np.float32([0.5, np.nan]))


ENCODED = {
    "id": (lambda data: rl.features.Id(data, width=3, seed=1), [7, 9, None, 7], pl.Int64),
    "id of text": (lambda data: rl.features.Id(data, width=3, seed=1), ["a", "b", None, "a"], pl.String),
    "category": (lambda data: rl.features.Category(data, width=3, seed=1), ["a", None, "b", "a"], pl.Categorical),
    "category of integers": (lambda data: rl.features.Category(data, width=3, seed=1), [3, None, 4, 3], pl.Int64),
    "number": (lambda data: rl.features.Number(data, seed=1), [3, None, 4, 9], pl.Int64),
    "number of text": (lambda data: rl.features.Number(data, seed=1), ["3", None, "4.5", ""], pl.String),
    "time": (lambda data: rl.features.Time(data, seed=1), [*DAYS[:3], None], pl.Datetime("us", "UTC")),
    "date": (lambda data: rl.features.Time(data, seed=1), [*DAYS[:3].date, None], pl.Date),
    "text": (lambda data: rl.features.Text(data, width=3, seed=1), ["apple pie", None, "pie", ""], pl.String),
    "list": (lambda data: rl.features.List(data, width=3, seed=1), [["a", "b"], [], None, ["a"]], pl.List(pl.String)),
    "list of text": (lambda data: rl.features.List(data, width=3, seed=1), ["a^b", "", None, "a"], pl.String),
    "vector": (lambda data: rl.features.Vector(data), [[1.0, 2.0], None, [3.0, 1.0], [2.0, 2.0]], pl.List(pl.Float64)),
    "vector of one length": (
        lambda data: rl.features.Vector(data),
        [[1, 2], None, [3, 1], [2, 2]],
        pl.Array(pl.Int64, 2),
    ),
}


@pytest.mark.parametrize("name", ENCODED)
def test_encoders(name):
    make, values, dtype = ENCODED[name]
    expected = make(values)(values).numpy()
    series = pl.Series("column", values).cast(dtype) if name == "time" else pl.Series("column", values, dtype=dtype)
    for column in (series, pa.chunked_array(series), Streamed(series), from_arrow(series, "fit")):
        encoder = make(column)
        np.testing.assert_array_equal(encoder(column).numpy(), expected)


def test_a_table_of_vectors():
    frame = pd.DataFrame({"x": [1.0, 2.0, 4.0], "y": [0.5, 0.0, 1.0]})
    expected = rl.features.Vector(frame)(frame).numpy()
    np.testing.assert_array_equal(rl.features.Vector(to_polars(frame))(to_polars(frame)).numpy(), expected)


def test_encode_once(tmp_path):
    def lengths(texts):
        return np.array([[len(text), 1] for text in texts])

    for column in (pl.Series("name", ["pie", "soup", None]), pa.array(["pie", "soup", None])):
        encoded = rl.features.encode_once(column, lengths, folder=tmp_path, name="lengths")
        assert isinstance(encoded, pd.Series)
        assert plain(encoded.tolist()) == [[3.0, 1.0], [4.0, 1.0], None]
    table = pl.DataFrame({"name": ["pie"], "note": ["sweet"]})
    assert plain(rl.features.encode_once(table, lengths, folder=tmp_path, name="lengths").tolist()) == [[9.0, 1.0]]


@of_any_kind
def test_proposals(kind):
    expected = rl.features.propose(CANDIDATES)
    found = rl.features.propose(FRAMES[kind](CANDIDATES), interactions=FRAMES[kind](TRAIN))
    assert {name: each.encoder for name, each in found.items()} == {
        name: each.encoder for name, each in expected.items()
    }


@pytest.mark.parametrize("kind", NOT_DICTS)
def test_functions_on_data(kind):
    convert = FRAMES[kind]
    for split in (
        lambda frame: rl.data.split_by_time(frame, "date", 0.25),
        lambda frame: rl.data.split_random(frame, test_size=1, seed=3),
        lambda frame: rl.data.split_leave_last_out(frame, "user_id", "date"),
    ):
        for found, expected in zip(split(convert(TRAIN)), split(TRAIN), strict=True):
            pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    seen = rl.data.seen(convert(TRAIN), "user_id", "recipe_id")
    assert seen.rows([7])[1].tolist() == ["pie", "soup"]
    popularity = rl.data.Popularity(convert(TRAIN), "recipe_id", convert(CANDIDATES), half_life=30, time="date")
    expected = rl.data.Popularity(TRAIN, "recipe_id", CANDIDATES, half_life=30, time="date")
    np.testing.assert_array_equal(popularity.counts, expected.counts)
    ranks = popularity.held_out_ranks(convert(TRAIN), seen)
    np.testing.assert_array_equal(ranks, expected.held_out_ranks(TRAIN, seen))


@of_any_kind
def test_batches(kind):
    (batch,) = rl.data.batches(FRAMES[kind](TRAIN), 4)  # times are left out, as those of pandas are
    assert {name: column.numpy().tolist() for name, column in batch.items()} == {
        "user_id": USERS,
        "recipe_id": [each.encode() for each in RECIPES],
    }


@pytest.fixture(scope="module")
def model():
    """A model of ids and features, with a prior that drifts."""
    made = rl.RetrievalModel.from_data(
        TRAIN, CANDIDATES, embedding_dim=4, seed=1, keep_columns=["recipe_name"], queries=QUERIES
    )
    made.compile()
    return made


QUERIES = pd.DataFrame({"user_id": [7, 9, 11], "age": [30.0, np.nan, 50.0]})


@of_some_kinds
def test_from_data_gives_the_model_that_pandas_gives(kind, model):
    convert = FRAMES[kind]
    made = rl.RetrievalModel.from_data(
        convert(TRAIN),
        convert(CANDIDATES),
        embedding_dim=4,
        seed=1,
        keep_columns=["recipe_name"],
        queries=convert(QUERIES),
    )
    made.compile()  # which scales the prior by the temperature
    assert made.query_columns == model.query_columns
    assert made.candidate_columns == model.candidate_columns
    for one, other in zip(made.weights, model.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    for side in ("query_tower", "candidate_tower"):
        for one, other in zip(getattr(made, side).columns.encoders, getattr(model, side).columns.encoders, strict=True):
            assert statistics(one) == statistics(other)


def statistics(encoder):
    return {**keras.saving.serialize_keras_object(encoder)["config"], "name": None}


@of_some_kinds
def test_a_model_reads_what_it_reads_from_pandas(kind, model):
    convert = FRAMES[kind]
    assert model.evaluate(convert(TRAIN), verbose=0) == model.evaluate(TRAIN, verbose=0)
    np.testing.assert_array_equal(model.predict(convert(TRAIN), verbose=0), model.predict(TRAIN, verbose=0))
    np.testing.assert_array_equal(model.held_out_ranks(convert(TRAIN)), model.held_out_ranks(TRAIN))
    (found,), (expected,) = model.batches(convert(TRAIN), 4), model.batches(TRAIN, 4)
    assert {name: column.numpy().tolist() for name, column in found.items()} == {
        name: column.numpy().tolist() for name, column in expected.items()
    }
    recommended = model.recommend(convert(TRAIN), k=2, as_frame=True)
    assert isinstance(recommended, pd.DataFrame)
    pd.testing.assert_frame_equal(recommended, model.recommend(TRAIN, k=2, as_frame=True), check_dtype=False)
    scores, ids = model.recommend(TRAIN, k=4)
    model.set_queries(convert(QUERIES))
    model.set_candidates(convert(CANDIDATES))
    model.remove_candidates(pl.Series(["cake", "stew"]))
    model.append_candidates(convert(CANDIDATES[2:].reset_index(drop=True)))
    again, ids_again = model.recommend(TRAIN, k=4)
    np.testing.assert_allclose(again, scores, atol=1e-6)
    assert ids_again.tolist() == ids.tolist()


def test_excluded_and_allowed_ids(model):
    exclude = [["pie"], [], ["soup"], ["cake", "stew"]]
    expected = model.recommend(TRAIN, k=2, exclude=exclude, allow=["pie", "soup", "cake"])
    found = model.recommend(TRAIN, k=2, exclude=pl.Series(exclude), allow=pl.Series(["pie", "soup", "cake"]))
    assert found[1].tolist() == expected[1].tolist()


def test_export_by_an_example(model, tmp_path):
    forms = model._query_forms(to_polars(TRAIN), "export")
    assert forms == model._query_forms(TRAIN, "export")


def test_towers_read_columns_and_frames():
    tower = rl.IdTower([7, 9], 2, feature="user_id", seed=1)
    expected = tower({"user_id": np.array([7, 9])}).numpy()
    for inputs in (pl.DataFrame({"user_id": [7, 9], "age": [1, 2]}), pl.Series([7, 9]), {"user_id": pa.array([7, 9])}):
        np.testing.assert_array_equal(tower(inputs).numpy(), expected)
    made = rl.towers.FeatureTower.from_data(to_polars(CANDIDATES), feature="recipe_id", embedding_dim=3, seed=1)
    other = rl.towers.FeatureTower.from_data(CANDIDATES, feature="recipe_id", embedding_dim=3, seed=1)
    np.testing.assert_array_equal(made(to_polars(CANDIDATES)).numpy(), other(CANDIDATES).numpy())


def test_compare(model):
    expected = rl.evaluation.compare(model, TRAIN, TRAIN, query="user_id")
    found = rl.evaluation.compare(model, to_polars(TRAIN), pa.table(to_polars(TRAIN)), query="user_id")
    pd.testing.assert_frame_equal(found, expected)


def test_training_on_polars():
    train, candidates = to_polars(TRAIN), to_polars(CANDIDATES)
    histories = []
    for interactions, recipes in ((TRAIN, CANDIDATES), (train, candidates)):
        model = rl.RetrievalModel.from_data(
            interactions, recipes, query_tower="id", candidate_tower="id", embedding_dim=4, seed=1
        )
        model.compile(metrics=rl.metrics.Recall(1))
        keras.utils.set_random_seed(1)
        history = model.fit(
            interactions,
            sample_weight=interactions["user_id"] / 7,
            validation_data=interactions,
            epochs=2,
            shuffle=False,
            verbose=0,
        )
        histories.append(history.history)
    assert histories[1] == histories[0]
    assert histories[0]["loss"][1] < histories[0]["loss"][0]
    scores, ids = model.recommend(pl.DataFrame({"user_id": [7, 5]}), k=2)
    assert np.isfinite(scores).all()
    assert set(ids.ravel()) <= set(CANDIDATES["recipe_id"])
