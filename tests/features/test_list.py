"""List: what is an item, which row it has, and how rows are pooled; against plain Python and NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.features import List
from reciperec_layers.saving.asset import forget_assets

LISTS = ["Salt^egg", "salt^ Flour ^", "egg^egg", None, ""]


def items_of(encoder: List, column: Any) -> list[list[str]]:
    items, _ = encoder._items(encoder.read(column, "test", "items"))
    return [[item.decode() for item in row] for row in items.to_list()]


@pytest.fixture(scope="module")
def encoder() -> List:
    return List(LISTS, width=3, min_count=1, seed=1)


def test_vocabulary_and_separator_are_those_of_the_data():
    encoder = List(LISTS, width=3)
    assert encoder.vocabulary is not None
    assert (encoder.separator, encoder.weighted) == ("^", False)
    assert encoder.vocabulary.ids.tolist() == ["egg", "salt"]  # flour is in one list only
    assert encoder.vocabulary.counts is not None
    assert encoder.vocabulary.counts.tolist() == [2, 2]  # lists, not occurrences
    assert encoder.prepare(encoder.read(["egg^flour^milk"], "test", "items")).to_list() == [[1, 0, 0]]


@pytest.mark.parametrize(
    ("texts", "separator"),
    [
        (["salt, fine^egg", "flour"], "^"),
        (["Comedy|Drama", "Action, Crime"], "|"),
        (["2 eggs, beaten\n1 cup of flour, sifted"], "\n"),
        (["a,b", "c,d;e"], ";"),
        (["a,b", "c"], ","),
        (["a^b", *["a,b"] * 30], ","),
        (["a;b", *["a"] * 30], ";"),
        (["a", None], ","),
        ([["a", "b"]], ","),
    ],
)
def test_separator(texts: list, separator: str):
    assert List(texts, width=1).separator == separator


@pytest.mark.parametrize(
    "row",
    [
        ["Salt", " egg"],
        ("salt", "egg", None),
        np.array(["salt", "egg"]),
        np.array(["salt", b"egg"], dtype=object),
        "salt^egg",
        " 'Salt' ^ \"egg\"^^",
        "['salt'^'egg']",
        'c("salt"^ "egg")',
        "{salt^egg}",
        "salt\x1fegg\x1f",
    ],
)
def test_forms_of_one_list(encoder: List, row: Any):
    assert items_of(encoder, [row, "flour"]) == [["salt", "egg"], ["flour"]]


def test_sets_are_sorted_and_numbers_are_text(encoder: List):
    assert items_of(encoder, [{"b", "a"}, [7, 7.0, 7.5, True], 7, {}, [], None, float("nan")]) == [
        *(["a", "b"], ["7", "7", "7.5", "true"], ["7"]),
        *([], [], [], []),
    ]


def test_items_of_lists_may_have_anything_in_them(encoder: List):
    assert items_of(encoder, [["salt^egg", "a\x1fb\x1ec"], "salt^egg"]) == [["salt^egg", "a b c"], ["salt", "egg"]]


def test_upper_case_counts_if_wanted():
    assert items_of(List(["Ab^aB"], width=1, fold_case=False), ["Ab^ÄB"]) == [["Ab", "ÄB"]]
    assert items_of(List(["Ab^aB"], width=1), ["Ab^ÄB"]) == [["ab", "äb"]]


ITEM = st.text(st.characters(exclude_characters="^", exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=6)
CLEAN_ITEM = ITEM.map(lambda item: item.strip("'\"")).filter(lambda item: item.strip() and item[0] not in "c([{")
ANY = List(width=2, separator="^", fold_case=False, num_oov_indices=50, seed=3)


@settings(max_examples=50)
@given(st.lists(st.lists(CLEAN_ITEM, max_size=4), min_size=1, max_size=4))
def test_text_and_lists_are_the_same(lists: list[list[str]]):
    assert items_of(ANY, lists) == lists
    assert items_of(ANY, ["^".join(row) for row in lists]) == lists
    if any(lists):
        ragged = tf.ragged.constant(lists, dtype=tf.string)
        np.testing.assert_array_equal(ANY(lists), ANY(ragged))


# All but what stands before a weight, of which this encoder has none.
TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\x1e")


@settings(max_examples=30)
@given(
    st.lists(st.text(TEXT, max_size=12) | st.lists(st.text(TEXT, max_size=4), max_size=4), min_size=1, max_size=4),
)
def test_a_row_is_finite_and_does_not_depend_on_the_others(rows: list):
    together = ANY(rows).numpy()
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, np.concatenate([ANY([row]).numpy() for row in rows]), atol=1e-6)
    assert not together[[not items for items in items_of(ANY, rows)]].any()


def pooled(encoder: List, rows: list[list[int]], weights: list[list[float]]) -> np.ndarray:
    table = encoder.table.get_weights()[0]
    scores = (
        np.zeros(len(table)) if encoder.scores is None else encoder.scores.get_weights()[0][:, 0].astype(np.float64)
    )
    result = np.zeros((len(rows), encoder.width))
    for at, (row, factors) in enumerate(zip(rows, weights, strict=True)):
        shares = np.array(factors) * np.exp(scores[row])
        if row and shares.sum():
            divisor = {"sum": 1.0, "sqrtn": np.sqrt((shares**2).sum())}.get(encoder.pooling, shares.sum())
            result[at] = (table[row] * shares[:, None]).sum(axis=0) / divisor
    return result


@pytest.mark.parametrize("pooling", ["mean", "sum", "sqrtn", "attention"])
def test_pooling(pooling: str):
    encoder = List(["a^b^c"], width=3, min_count=1, pooling=pooling, seed=4)
    if encoder.scores is not None:
        np.testing.assert_allclose(encoder(["a^b"]), pooled(encoder, [[1, 2]], [[1, 1]]), rtol=1e-5)
        encoder.scores.set_weights([np.array([[2.0], [-1.0], [90.0], [-90.0]])])
    expected = pooled(encoder, [[1, 2], [0, 1, 1], [], [3]], [[1, 1], [1, 1, 1], [], [1]])
    np.testing.assert_allclose(encoder(["a^b", "new^a^a", "", "c"]), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("pooling", ["mean", "sum", "sqrtn", "attention"])
def test_weights(pooling: str):
    data: list = [{"a": 2, "b": 0.5}, [("a", 1), ["b", 0]], ["a", "b"], [("a", 0)], {"": 3, " a ": 1}]
    encoder = List(data, width=3, min_count=1, pooling=pooling, seed=5)
    assert encoder.weighted
    assert encoder.vocabulary is not None
    assert encoder.vocabulary.ids.tolist() == ["a", "b"]
    rows, weights = [[1, 2], [1, 2], [1, 2], [1], [1]], [[2, 0.5], [1, 0], [1, 1], [0], [1]]
    np.testing.assert_allclose(encoder(data), pooled(encoder, rows, weights), rtol=1e-5, atol=1e-7)
    # In a tensor anything may stand where a weight is meant.
    odd = tf.constant(["a\x1e-3\x1fb\x1enan\x1f", "a\x1e1e30\x1f"])
    assert np.isfinite(encoder(odd)).all()
    assert encoder.prepare(tf.constant(["a\x1e0.1"])).dtype == tf.int64


def test_gradients_reach_rows_and_scores():
    encoder = List(["a^b"], width=2, min_count=1, pooling="attention", seed=6)
    assert encoder.scores is not None
    rows = encoder.prepare(tf.constant(["a^b", ""]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder.encode(rows, training=True)[:, 0])
    of_table, of_scores = tape.gradient(loss, [encoder.table.embeddings.value, encoder.scores.embeddings.value])
    table = encoder.table.get_weights()[0]
    np.testing.assert_allclose(tf.convert_to_tensor(of_table), [[0, 0], [0.5, 0], [0.5, 0]], atol=1e-6)
    # d/ds of softmax([0, 0]) . x is 0.25 (x1 - x2) and its opposite.
    expected = 0.25 * (table[1, 0] - table[2, 0]) * np.array([0, 1, -1])
    np.testing.assert_allclose(tf.convert_to_tensor(of_scores)[:, 0], expected, atol=1e-6)


def test_tensors_of_lists(encoder: List):
    expected = encoder(["salt^egg", "egg"]).numpy()
    np.testing.assert_array_equal(encoder(tf.ragged.constant([["salt", "egg"], ["egg"]])), expected)
    numbers = List([[7, 9], [9]], width=2, min_count=1)
    np.testing.assert_array_equal(numbers(tf.constant([[7, 9]])), numbers([[7, 9]]))
    np.testing.assert_array_equal(numbers(tf.ragged.constant([[7, 9], []])), numbers([[7, 9], None]))
    assert numbers.is_known(tf.ragged.constant([[7, 9], []])).numpy().tolist() == [True, False]


def test_a_list_without_items_is_not_known(encoder: List):
    column = encoder.read(["[]", "^ ^", "", None, [], ["", None], "a", ["a"], "()"], "test", "items")
    assert encoder.is_known(column).numpy().tolist() == [False] * 6 + [True, True, False]


def test_a_vocabulary_may_be_given():
    encoder = List(vocabulary=["Salt", 7], width=1)
    assert encoder.prepare(encoder.read(["SALT,7,x"], "test", "items")).to_list() == [[1, 2, 0]]
    numbers = List(vocabulary=rl.Vocabulary([9, 7]), width=1)
    assert numbers.prepare(numbers.read([[7, 9]], "test", "items")).to_list() == [[2, 1]]
    assert List(vocabulary=["Salt"], fold_case=False).vocabulary.ids.tolist() == ["Salt"]  # type: ignore[union-attr]


def test_long_lists_are_cut():
    assert items_of(List(width=1, max_items=2, separator="|"), ["a||b|c"]) == [["a", "b"]]


@pytest.mark.saving
def test_a_file_brings_everything(tmp_path: Path):
    data = [{"salt": 2.0, "egg": 1.0}, {"egg": 0.5}]
    encoder = List(data, width=2, min_count=1, pooling="attention")
    text = encoder.read(data, "test", "items")
    expected = encoder(text).numpy()
    keras.Sequential([keras.Input((), dtype="string"), encoder]).save(tmp_path / "list.keras")
    forget_assets()
    loaded = rl.load_model(tmp_path / "list.keras")
    np.testing.assert_array_equal(loaded(text), expected)
    np.testing.assert_array_equal(loaded.layers[-1](data), expected)


def test_what_cannot_be(encoder: List):
    with pytest.raises(ArgumentError, match="column 'List' has weights, and the encoder was made without them"):
        List(LISTS, width=1, name="List")([{"salt": 2}])
    with pytest.raises(
        ArgumentError, match="weights of items must be numbers in 0 .. 10.6. Received: item='a', weight=-1"
    ):
        List([{"a": -1}])
    with pytest.raises(ArgumentError, match="weights of items"):
        List([{"a": "b"}])
    with pytest.raises(ArgumentTypeError, match="List: column 'data': items of type list cannot be read"):
        List([[["a"]]])
    with pytest.raises(ArgumentTypeError, match="rows of type Timestamp cannot be read"):
        List([pd.Timestamp(0)])
    with pytest.raises(ArgumentTypeError, match="a tensor of lists must be text of shape"):
        encoder(tf.constant([1.5]))
    with pytest.raises(ArgumentError, match="`pooling` must be one of 'mean', 'sum', 'sqrtn', 'attention'"):
        List(pooling="max")
    with pytest.raises(ArgumentError, match="`separator` must be text that is not empty"):
        List(separator="")


# Lists that were written as text

WRITTEN = [
    '["salt, fine", "egg \\"large\\"", "cr\\u00e8me", "\\ud83c\\udf4b"]',
    "['salt, fine', 'egg \"large\"', 'crème', '🍋']",
    "('salt, fine', 'egg \"large\"', u'cr\\xe8me', '\\U0001f34b',)",
    ["salt, fine", 'egg "large"', "crème", "🍋"],
]


@pytest.mark.parametrize(
    "data", [WRITTEN[:1], WRITTEN[1:2], ["[]", None, "", WRITTEN[2]]], ids=["JSON", "repr", "gaps"]
)
def test_the_items_of_written_lists_are_those_of_the_lists(data: list):
    encoder = List(data, width=2, min_count=1, seed=1)
    assert encoder.separator == "[]"
    assert encoder.vocabulary is not None
    expected = ["salt, fine", 'egg "large', "crème", "🍋"]  # quotes around an item are left out
    assert set(encoder.vocabulary.ids.tolist()) == set(expected)
    assert items_of(encoder, WRITTEN) == [expected] * 4
    empty = [None, "", "[]", " [ ] ", "()", [], float("nan"), '["", null]', "[None]"]
    assert items_of(encoder, empty) == [[]] * len(empty)
    assert not np.asarray(encoder(empty)).any()
    assert items_of(encoder, ["egg, milk", "[1, 2.0, 2.5, true, -3]", '["null", "2.0", "1\\n2", "a\\\\u0041"]']) == [
        ["egg", "milk"],
        ["1", "2", "2.5", "true", "-3"],
        ["null", "2.0", "1\n2", "a\\u0041"],
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ["['a', 'b']", "c, d"],
        ["['a'^'b']", "['c']"],
        ["['a', ['b']]", "['c']"],
        ["['a' 'b']"],
        ['c("a", "b")'],
        ["{'a': 1, 'b': 2}"],
        ["[__import__('os'), 'b']"],
        ["[", "]"],
        ["[]"],
    ],
    ids=str,
)
def test_other_texts_have_a_separator(texts: list):
    assert List(texts, width=1).separator in "^,"


ANY_ITEM = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1e\x1f"), max_size=6)
ANY_VALUE = st.one_of(ANY_ITEM, st.integers(-99, 99), st.booleans(), st.none())
ANY_WRITTEN = List(width=2, separator="[]", fold_case=False, num_oov_indices=50, seed=3)


@settings(max_examples=25)
@given(st.lists(st.lists(ANY_VALUE, max_size=4), min_size=1, max_size=4), st.booleans())
def test_lists_and_what_json_and_python_write_of_them_are_the_same(rows: list[list], is_ascii: bool):
    expected = items_of(ANY_WRITTEN, rows)
    assert items_of(ANY_WRITTEN, [json.dumps(row, ensure_ascii=is_ascii) for row in rows]) == expected
    assert items_of(ANY_WRITTEN, [repr(row) for row in rows]) == expected
    assert items_of(ANY_WRITTEN, [repr(tuple(row)) for row in rows]) == expected


@pytest.mark.saving
def test_written_lists_are_the_same_in_training_in_recommend_and_exported(tmp_path: Path):
    likes = [*WRITTEN[:3], "[]", None]
    query_tower = rl.towers.FeatureTower({"likes": List(likes, width=3, min_count=1, seed=1)}, embedding_dim=3, seed=2)
    candidate_tower = rl.IdTower([7, 8, 9], 3, feature="recipe_id", seed=3)
    model = rl.RetrievalModel(query_tower, candidate_tower, candidates={"recipe_id": [7, 8, 9]})
    expected = model.recommend({"likes": [WRITTEN[3], []]}, k=3)
    (batch,) = model.batches({"likes": likes, "recipe_id": [7, 8, 9, 7, 8]}, batch_size=5, seed=None)
    trained = np.asarray(query_tower(batch))
    np.testing.assert_allclose(trained, np.asarray(query_tower({"likes": [WRITTEN[3]] * 3 + [[], []]})), atol=1e-6)
    np.testing.assert_allclose(model.recommend({"likes": [WRITTEN[0], "[]"]}, k=3)[0], expected[0], atol=1e-6)
    model.export(tmp_path / "model", k=3)
    serve = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    served = serve(likes=tf.constant([WRITTEN[0], "[]"]))
    np.testing.assert_allclose(served["scores"], expected[0], atol=1e-6)
