"""Recommendations, compared with argsort in plain NumPy."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import (
    ArgumentError,
    ColumnError,
    DivergedError,
    IdError,
    StateError,
    UnknownIdError,
)
from tests.models.conftest import RECIPES, USERS, rows_of
from tests.models.oracle import ranking


def expected(model, users, k, excluded=None):
    candidate_table, query_table = model.get_weights()
    scores = query_table[rows_of(USERS, np.asarray(users))] @ candidate_table[1:].T
    rows = [ranking(row, excluded[number] if excluded else ())[:k] for number, row in enumerate(scores)]
    return [RECIPES[row].tolist() for row in rows], [
        score[row].tolist() for score, row in zip(scores, rows, strict=True)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_recommendations_are_argsorts(make_model, seed):
    model = make_model(seed=seed)
    users = [11, 14, 99, 11]
    scores, ids = model.recommend({"user_id": users}, k=4)
    best_ids, best_scores = expected(model, users, 4)
    assert ids.tolist() == best_ids
    assert scores.tolist() == best_scores
    assert scores.dtype == np.float32
    assert ids.dtype == object
    assert all(type(item) is str for item in ids.ravel())


def test_seen_candidates_are_left_out_also_when_few_remain(make_model):
    model = make_model(seed=1)
    frame = pd.DataFrame({"user_id": [11, 11, 11, 11, 12], "recipe_id": ["soup", "pie", "stew", "salad", "tofu"]})
    seen = rl.data.seen(frame, "user_id", "recipe_id")
    scores, ids = model.recommend({"user_id": [11, 12, 13]}, k=3, exclude=seen)
    assert ids[0].tolist() == ["cake", "", ""]
    assert scores[0, 1:].tolist() == [-np.inf, -np.inf]
    assert ids[1:].tolist() == expected(model, [12, 13], 3)[0]  # tofu is not in the corpus, 13 has seen nothing
    lists = model.recommend({"user_id": [11, 12, 13]}, k=3, exclude=[["soup", "pie", "stew", "salad"], ["tofu"], []])
    np.testing.assert_array_equal(lists[1], ids)
    with pytest.raises(ArgumentError, match="3 lists of candidate ids"):
        model.recommend({"user_id": [11, 12, 13]}, exclude=["soup"])
    with pytest.raises(IdError, match="`exclude`.*ids must be text"):
        model.recommend({"user_id": [11]}, exclude=[[5]])


def test_more_than_the_corpus_is_padded_with_a_warning(make_model):
    model = make_model()
    with pytest.warns(UserWarning, match="k=7 is more than the 5 candidates"):
        scores, ids = model.recommend({"user_id": [11]}, k=7)
    assert ids[0, 5:].tolist() == ["", ""]
    assert np.isneginf(scores[0, 5:]).all()
    assert np.isfinite(scores[0, :5]).all()
    for k in (0, -1, 2.5, True):
        with pytest.raises(ArgumentError, match="`k` must be a positive integer"):
            model.recommend({"user_id": [11]}, k=k)


@pytest.mark.parametrize("k", [10**12, 2**31, 2**31 - 1])
def test_padding_has_a_bound(make_model, tmp_path, k):
    model = make_model()
    message = f"there are 5 candidates, so that {k - 5} places of the results would be empty.*Received: k={k}. Use k=5"
    for call in (
        lambda: model.recommend({"user_id": [11]}, k=k),
        lambda: model.recommend({"user_id": [11]}, k=k, exclude=[["pie"]], allow=["pie", "soup"]),
        lambda: model.similar(["pie"], k=k),
        lambda: model.export(tmp_path / "bundle", k=k),
        lambda: model.recommend({"user_id": [11]}, k=k, as_frame=True),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
    with pytest.raises(ArgumentError, match="there are 5 candidates"):
        model.recommend({"user_id": [11] * 1000}, k=10**6)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "users",
    [
        [[11], [12]],
        np.array([[11, 12], [13, 14]]),
        np.zeros((2, 1, 1), np.int64),
        tf.ragged.constant([[11], [12, 13]], dtype=tf.int64),
    ],
)
def test_lists_of_ids_are_refused_by_a_tower_of_one_id(make_model, users):
    model = make_model()
    seen = rl.data.seen(pd.DataFrame({"user_id": [11], "recipe_id": ["pie"]}), "user_id", "recipe_id")
    pairs = {"user_id": users, "recipe_id": ["pie", "soup"]}
    for call in (
        lambda: model.recommend({"user_id": users}),
        lambda: model.recommend({"user_id": users}, exclude=seen),
        lambda: model({"user_id": users if isinstance(users, tf.RaggedTensor) else np.asarray(users)}),
        lambda: model.predict({"user_id": users}, verbose=0),
        lambda: model.fit(pairs, verbose=0),
        lambda: model.evaluate(pairs, verbose=0),
        lambda: model.held_out_ranks(pairs),
    ):
        with pytest.raises(ArgumentError, match="column 'user_id' must have one id per row. Received: .* of shape"):
            call()


def test_lists_of_candidate_ids_are_refused(make_model):
    model = make_model()
    for call in (model.similar, model.remove_candidates):
        with pytest.raises(ArgumentError, match="column 'recipe_id' must have one id per row"):
            call([["pie"], ["soup"]])
    with pytest.raises(IdError, match="recommend: 1 of 2 ids are missing"):
        model.recommend({"user_id": [11]}, allow=np.ma.array(["pie", "soup"], mask=[1, 0]))
    pairs = {"user_id": [11, 12], "recipe_id": [["pie"], ["soup"]]}
    for call in (model.fit, model.evaluate, model.held_out_ranks):
        with pytest.raises(ArgumentError, match="column 'recipe_id' must have one id per row"):
            call(pairs, **({} if call == model.held_out_ranks else {"verbose": 0}))


def test_a_tower_that_pools_ids_reads_lists_of_them():
    @rl.serializable
    class Bag(rl.Tower):
        def __init__(self, embedding_dim, **kwargs):
            super().__init__(embedding_dim, ["had"], **kwargs)
            self.ids = rl.IdTower(RECIPES, embedding_dim)
            self.built = True

        def call(self, inputs, training=None):
            return tf.reduce_mean(self.ids(self.column(inputs)), axis=1)

    model = rl.RetrievalModel(Bag(3), rl.IdTower(RECIPES, 3, feature="recipe_id"), {"recipe_id": RECIPES})
    assert model.recommend({"had": [["pie", "soup"], ["cake", "pie"]]}, k=2)[1].shape == (2, 2)


def test_a_tower_with_more_than_one_vector_per_row_is_named():
    layer = keras.Sequential([keras.Input((2, 4)), keras.layers.Dense(3)])
    model = rl.RetrievalModel(layer, rl.IdTower(RECIPES, 3), {"recipe_id": RECIPES}, query_id="steps")
    with pytest.raises(ArgumentError, match=r"one vector per row. Received: embeddings=.*\(5, 2, 3\)"):
        model.recommend({"steps": np.zeros((5, 2, 4))})


def test_integer_ids_come_back_as_int64():
    model = rl.RetrievalModel(
        rl.IdTower(["a"], 2, feature="user_id"), rl.IdTower([7, 9], 2, feature="item_id"), {"item_id": [7, 9]}
    )
    assert model.recommend({"user_id": ["a"]}, k=2)[1].dtype == np.int64


def test_a_frame_has_the_columns_of_query_and_corpus(make_model):
    model = make_model()
    frame = model.recommend(pd.DataFrame({"user_id": [11, 99], "note": ["x", "y"]}), k=2, as_frame=True)
    assert frame.columns.tolist() == [
        "user_id",
        "note",
        "query_knowledge",
        "rank",
        "score",
        "candidate_knowledge",
        "recipe_id",
        "name",
    ]
    assert frame["query_knowledge"].tolist() == ["hot", "hot", "cold", "cold"]
    assert set(frame["candidate_knowledge"]) == {"hot"}
    assert frame["rank"].tolist() == [1, 2, 1, 2]
    assert (frame["name"] == "A " + frame["recipe_id"]).all()
    assert frame["recipe_id"].tolist() == [recipe for row in expected(model, [11, 99], 2)[0] for recipe in row]
    everything = [RECIPES.tolist(), []]
    assert set(model.recommend({"user_id": [11, 12]}, 2, everything, as_frame=True)["user_id"]) == {12}


def test_no_rows_give_no_recommendations(make_model):
    scores, ids = make_model().recommend({"user_id": np.array([], np.int64)}, k=3)
    assert scores.shape == ids.shape == (0, 3)


def test_similar_is_the_cosine_without_itself(make_model):
    table = np.array([[9, 9], [1, 0], [2, 2], [0, 5], [3, 0], [-1, 0]])
    model = make_model(np.ones((5, 2)), table)
    scores, ids = model.similar(["soup", "salad"], k=3)
    assert ids[0].tolist() == ["salad", "pie", "stew"]
    np.testing.assert_allclose(scores[0], [1, np.sqrt(0.5), 0], atol=1e-6)
    assert ids[1].tolist()[0] == "soup"
    with pytest.raises(UnknownIdError, match="not in the corpus: 'tofu'"):
        model.similar(["tofu"])


def test_candidate_embeddings_are_the_towers_rows(make_model):
    model = make_model()
    frame = model.candidate_embeddings()
    assert frame.index.tolist() == RECIPES.tolist()
    assert frame.index.name == "recipe_id"
    np.testing.assert_array_equal(frame.to_numpy(), model.get_weights()[0][1:])


def test_embeddings_follow_the_weights(make_model, pairs, tmp_path):
    model = make_model()
    first = model.candidate_embeddings()
    model.fit(pairs, verbose=0)
    trained = model.candidate_embeddings()
    assert not trained.equals(first)
    np.testing.assert_array_equal(trained.to_numpy(), model.get_weights()[0][1:])
    model.save_weights(tmp_path / "trained.weights.h5")
    model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])
    assert (model.candidate_embeddings() == 0).all(axis=None)
    model.load_weights(tmp_path / "trained.weights.h5")
    assert model.candidate_embeddings().equals(trained)
    seen_inside = []

    class Inside(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen_inside.append((self.model.candidate_embeddings().to_numpy() == self.model.get_weights()[0][1:]).all())

    model.fit(pairs, batch_size=5, callbacks=[Inside()], verbose=0)
    assert seen_inside == [True] * 5


def test_float_ids_are_refused_with_what_to_do_in_the_frame(make_model):
    model = make_model()
    users, pairs = {"user_id": [11.0]}, {"user_id": [11.0], "recipe_id": ["pie"]}
    text = (
        r"^RetrievalModel\.\w+: column 'user_id': ids must be integers, as in training, not floats: 11\.0\. .*\.astype"
    )
    for call in (
        lambda: model.recommend(users),
        lambda: model.predict(users, verbose=0),
        lambda: model.fit(pairs, verbose=0),
        lambda: model.evaluate(pairs, verbose=0),
    ):
        with pytest.raises(IdError, match=text) as error:
            call()
        assert "keras.Input" not in str(error.value)


def test_what_cannot_be_answered_is_an_error(make_model):
    model = make_model()
    with pytest.raises(ColumnError, match="there is no column 'user_id'; the columns are 'user'"):
        model.recommend({"user": [11]})
    with pytest.raises(IdError, match="column 'user_id': ids must be integers, as in training, not text: 'eleven'"):
        model.recommend({"user_id": ["eleven"]})
    with pytest.raises(IdError, match="column 'user_id'.*missing"):
        model.recommend({"user_id": pd.Series([11, None], dtype="Int64")})
    bare = rl.RetrievalModel(rl.IdTower(USERS, 2, feature="user_id"), rl.IdTower(RECIPES, 2, feature="recipe_id"))
    for call in (lambda: bare.recommend({"user_id": [11]}), lambda: bare.similar(["pie"]), bare.candidate_embeddings):
        with pytest.raises(StateError, match="no candidates"):
            call()
    model.set_weights([np.full_like(weights, np.nan) for weights in model.get_weights()])
    with pytest.raises(DivergedError, match="5 of 5 candidate embeddings are not finite"):
        model.recommend({"user_id": [11]})


@pytest.mark.parametrize("seed", range(3))
def test_only_what_is_allowed_is_recommended(make_model, seed):
    model = make_model(seed=seed)
    users = [11, 14, 99]
    lists = [["cake", "pie", "tofu", "pie"], [], ["stew", "soup", "salad"]]
    others = [[row for row, recipe in enumerate(RECIPES) if recipe not in each] for each in lists]
    scores, ids = model.recommend({"user_id": users}, k=3, allow=lists)
    best_ids, best_scores = expected(model, users, 3, others)
    assert [[item for item in row if item] for row in ids.tolist()] == best_ids
    assert [[score for score in row if score > -np.inf] for row in scores.tolist()] == best_scores
    assert ids.shape == scores.shape == (3, 3)

    for_all = model.recommend({"user_id": users}, k=2, allow=pd.Series(["cake", "soup"]))[1]
    assert for_all.tolist() == expected(model, users, 2, [[1, 2, 3]] * 3)[0]

    exclude = [["pie"], ["soup"], ["soup", "stew"]]
    left = model.recommend({"user_id": users}, k=2, allow=lists, exclude=exclude)[1]
    assert left.tolist() == [["cake", ""], ["", ""], ["salad", ""]]


def test_what_cannot_be_allowed_is_named(make_model):
    model = make_model()
    with pytest.raises(ArgumentError, match="`allow` must be candidate ids or 2 lists"):
        model.recommend({"user_id": [11, 12]}, allow=[["soup"]])
    with pytest.raises(IdError, match="`allow`.*ids must be text"):
        model.recommend({"user_id": [11]}, allow=[5])
    with pytest.warns(UserWarning, match="k=9"):
        assert model.recommend({"user_id": [11]}, k=9, allow=["pie"])[1].tolist() == [["pie"] + [""] * 8]
    assert model.recommend({"user_id": []}, k=2, allow=["pie"])[1].shape == (0, 2)


class TagsTower(rl.Tower):
    """Sums the numbers of a ragged column, and another column."""

    def __init__(self, embedding_dim=1, features=("tags", "age"), **kwargs):
        super().__init__(embedding_dim, features, **kwargs)
        self.built = True

    def call(self, inputs, training=None):
        return (tf.reduce_sum(tf.cast(inputs["tags"], tf.float32), axis=1) + inputs["age"])[:, tf.newaxis]


class EagerTower(TagsTower):
    """Cannot be traced."""

    def call(self, inputs, training=None):
        return tf.constant(inputs["tags"].to_tensor().numpy().sum(axis=1, keepdims=True), tf.float32)


@pytest.mark.parametrize(("tower", "expected"), [(TagsTower, [4.0, 3.0, 9.0]), (EagerTower, [3.0, 0.0, 7.0])])
def test_ragged_columns_and_towers_that_cannot_be_traced(tower, expected):
    candidates = rl.IdTower(["pie", "soup"], 1, feature="recipe_id")
    candidates.set_weights([np.array([[0.0], [1.0], [-1.0]])])
    model = rl.RetrievalModel(tower(), candidates, {"recipe_id": ["pie", "soup"]})
    rows = {"tags": tf.ragged.constant([[1, 2], [], [7]]), "age": [1.0, 3.0, 2.0]}
    for _ in range(2):
        scores, ids = model.recommend(rows, 1)
        np.testing.assert_array_equal(np.abs(scores[:, 0]), expected)
        assert ids[0, 0] == "pie"
    dense = {"tags": rows["tags"].to_tensor(), "age": rows["age"]}
    if tower is TagsTower:
        np.testing.assert_array_equal(model.recommend(dense, 1)[0][:, 0], expected)


def test_candidates_that_were_replaced_are_not_kept(make_model):
    model = make_model()
    model.recommend({"user_id": [11]}, k=2)
    model.recommend({"user_id": [11]}, k=2, exclude=[["soup"]])
    replaced = weakref.ref(model.candidate_index().candidates.tensors["blocks"])
    assert replaced() is not None
    model.remove_candidates(["soup"])
    model.recommend({"user_id": [11]}, k=2)
    gc.collect()
    assert replaced() is None


@pytest.mark.saving
def test_a_frame_has_no_long_columns_that_a_tower_reads(tmp_path):
    recipes = {
        "recipe_id": [1, 2],
        "name": ["pie " * 40, "soup " * 40],
        "kind": ["sweet", "salty"],
        "directions": ["b" * 101, "s" * 100],
        "steps": ["b" * 100, "s" * 100],
        "story": ["b" * 300, "s" * 300],
        "note": ["n" * 300, "n" * 300],
        "picture": [[0.1, 0.2], [0.3, 0.1]],
    }
    train = {"user_id": [1, 2, 1], "recipe_id": [1, 2, 2]}
    encoders = {
        **dict.fromkeys(("name", "directions", "steps", "story"), "text"),
        "picture": "vector",
        "kind": "category",
    }
    model = rl.RetrievalModel.from_data(
        train, recipes, embedding_dim=2, keep_columns=["story", "note"], candidate_options={"encoders": encoders}
    )
    model.save(tmp_path / "model.keras")
    loaded = rl.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        assert {"directions", "picture"} < {*each.corpus.names}
        found = each.recommend({"user_id": [1]}, k=2, as_frame=True)
        assert {*recipes} - {*found.columns} == {"directions", "picture"}
    loaded.set_candidates(recipes, keep_columns=["directions"])
    found = loaded.recommend({"user_id": [1]}, k=2, as_frame=True)
    assert {*recipes} - {*found.columns} == {"picture", "story", "note"}
