"""A model's index and its candidates, which may change: what is recommended is what a new model would recommend."""

from __future__ import annotations

import io
import sys
import warnings
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers import indexes
from reciperec_layers.errors import (
    ArgumentError,
    ArgumentTypeError,
    ColumnError,
    IdError,
    MissingExtraError,
    ModelFileError,
    StateError,
    UnknownIdError,
    UnknownNameError,
)
from reciperec_layers.indexes import clusters
from tests.models.conftest import RECIPES, USERS

NAMES = ("brute_force", "int8", "inverted_file")
MANY = np.arange(10_000)


def embed(minutes, names):
    """A row depends on its columns alone: a tower in plain numbers."""
    return np.stack([minutes % 7, minutes % 5 - 2, [len(name) % 3 for name in names]], axis=1).astype(np.float32)


class MinutesTower(rl.Tower):
    """Whole numbers, so that scores are exact."""

    def __init__(self, embedding_dim=3, features=("minutes", "name"), **kwargs):
        super().__init__(embedding_dim, features, **kwargs)
        self.shift = self.add_weight(shape=(3,), initializer="zeros", name="shift")
        self.built = True
        self.rows = 0

    def call(self, inputs, training=None):
        minutes, length = inputs["minutes"], tf.strings.length(inputs["name"])
        self.rows += 0 if minutes.shape[0] is None else int(minutes.shape[0])
        parts = [tf.math.floormod(minutes, 7), tf.math.floormod(minutes, 5) - 2, tf.cast(length, tf.int64) % 3]
        return tf.cast(tf.stack(parts, axis=1), tf.float32) + self.shift


def frame(ids):
    ids = np.asarray(ids)
    return {"recipe_id": ids, "minutes": ids * 3 + 1, "name": [f"Recipe {item}" for item in ids], "note": ids}


def make(ids, index="brute_force"):
    queries = rl.IdTower(USERS, 3, feature="user_id")
    queries.set_weights([np.random.default_rng(0).integers(-3, 4, (5, 3))])
    return rl.RetrievalModel(queries, MinutesTower(), frame(ids), "recipe_id", keep_columns=["note"], index=index)


def expected(ids, k, excluded=()):
    """The k best by a sort in NumPy, ties in the order of the ids given."""
    columns = frame(ids)
    queries = np.random.default_rng(0).integers(-3, 4, (5, 3))[1:]
    scores = queries @ embed(columns["minutes"], columns["name"]).T
    scores[:, np.isin(ids, list(excluded))] = -np.inf
    return np.asarray(ids)[np.argsort(-scores, axis=1, kind="stable")[:, :k]]


def recommended(model, k=4, **options):
    return model.recommend({"user_id": USERS}, k, **options)[1]


@pytest.mark.parametrize("name", NAMES)
def test_candidates_come_and_go(name):
    model = make(range(100, 140), name)
    np.testing.assert_array_equal(recommended(model), expected(range(100, 140), 4))
    model.append_candidates(frame(range(50)))
    ids = [*range(100, 140), *range(50)]
    np.testing.assert_array_equal(recommended(model), expected(ids, 4))
    model.remove_candidates([7, 139, 100, 7])
    ids = [item for item in ids if item not in (7, 139, 100)]
    np.testing.assert_array_equal(recommended(model), expected(ids, 4))
    np.testing.assert_array_equal(model.corpus.columns["note"], ids)
    model.set_candidates(frame(range(9)))
    np.testing.assert_array_equal(recommended(model), expected(range(9), 4))
    assert model.corpus.names == ("recipe_id", "minutes", "name", "note")
    model.set_candidates(frame(MANY), keep_columns=())
    np.testing.assert_array_equal(recommended(model, exclude=[[1, 2]] * 4).shape, (4, 4))
    assert model.corpus.names == ("recipe_id", "minutes", "name")


def test_only_what_is_new_is_encoded():
    model = make(MANY[:50])
    recommended(model)
    before = model.candidate_tower.rows
    model.append_candidates(frame([70, 71]))
    recommended(model)
    model.remove_candidates([70])
    recommended(model)
    assert model.candidate_tower.rows == before + 2


def test_candidates_may_change_while_the_corpus_is_not_encoded():
    model = make(MANY[:10])
    model.append_candidates(frame([70]))
    model.remove_candidates([3])
    np.testing.assert_array_equal(recommended(model), expected([*range(3), *range(4, 10), 70], 4))


def test_evaluation_sees_other_candidates():
    model = make(MANY[:30])
    model.compile("sgd", metrics=[rl.metrics.TopKAccuracy(1)])
    rows = {"user_id": USERS, "recipe_id": [0, 1, 2, 3], "minutes": [1, 4, 7, 10], "name": ["a"] * 4}
    model.evaluate(rows, verbose=0)
    model.set_candidates(frame([3, 2, 1, 0]))
    found = model.evaluate(rows, verbose=0, return_dict=True)
    best = expected([3, 2, 1, 0], 1)[:, 0]
    assert found["factorized_top_k/top_1_categorical_accuracy"] == np.mean(best == rows["recipe_id"])


def test_a_model_without_candidates_gets_some():
    model = rl.RetrievalModel(rl.IdTower(USERS, 3, feature="user_id"), MinutesTower(), candidate_id="recipe_id")
    with pytest.raises(StateError, match="append_candidates: the model has no candidates"):
        model.append_candidates(frame([1]))
    model.set_candidates(frame([5, 6]))
    assert set(recommended(model, 2).ravel()) == {5, 6}


def test_wrong_candidates_change_nothing():
    model = make(MANY[:20])
    before = recommended(model)
    already = r"^RetrievalModel\.append_candidates: 1 of 2 ids are candidates already: 3\. Remove them first, or leave"
    with pytest.raises(IdError, match=already):
        model.append_candidates(frame([40, 3]))
    repeats = (
        r"^RetrievalModel\.append_candidates: column 'recipe_id': 1 of 3 ids are repeats: 41\. Keep one row of each"
    )
    with pytest.raises(IdError, match=repeats):
        model.append_candidates(frame([40, 41, 41]))
    lacks = "the corpus has the column 'note', and the new candidates have only 'recipe_id', 'minutes', 'name'. Add it."
    with pytest.raises(ColumnError, match=rf"^RetrievalModel\.append_candidates: {lacks}"):
        model.append_candidates({"recipe_id": [40], "minutes": [1], "name": ["a"]})
    with pytest.raises(ColumnError, match=rf"^RetrievalModel\.set_candidates: {lacks}"):
        model.set_candidates({"recipe_id": [40], "minutes": [1], "name": ["a"]})
    with pytest.raises(
        ArgumentError, match=r"^RetrievalModel\.append_candidates: column 'note' must have the shape and dtype"
    ):
        model.append_candidates({"recipe_id": [40], "minutes": [1], "name": ["a"], "note": ["text"]})
    with pytest.raises(UnknownIdError, match="remove_candidates: these ids are not in the corpus: 99"):
        model.remove_candidates([3, 99])
    with pytest.raises(ArgumentError, match=r"^RetrievalModel\.remove_candidates: no candidate would be left"):
        model.remove_candidates(MANY[:20])
    with pytest.raises(ColumnError, match=r"^RetrievalModel\.set_candidates: there is no column 'minutes'"):
        model.set_candidates({"recipe_id": [1], "name": ["a"]}, keep_columns=())
    with pytest.raises(IdError, match=r"^RetrievalModel: candidates: column 'recipe_id': 1 of 2 ids are repeats: 7\."):
        make([7, 7])
    np.testing.assert_array_equal(recommended(model), before)
    assert len(model.corpus) == 20


def test_an_index_is_given_by_name_config_or_object():
    index = indexes.InvertedFileIndex(scored_fraction=0.5)
    for given in ("inverted_file", {"index": "inverted_file", "scored_fraction": 0.5}, index):
        assert type(make(MANY[:9], given).candidate_index()) is indexes.InvertedFileIndex
    own = make(MANY[:9], index).candidate_index()
    assert own is not index
    assert own.get_config() == {**index.get_config(), "id_dtype": "int64"}
    with pytest.raises(UnknownNameError, match="Did you mean 'inverted_file'"):
        make(MANY[:9], "inverted_fil")
    with pytest.raises(ArgumentTypeError, match="`index` must be an index. Received: index=7"):
        make(MANY[:9], 7)


def test_an_index_object_serves_two_models_and_keeps_its_candidates():
    index = indexes.BruteForceIndex()
    index.assign(np.eye(3), ["x", "y", "z"])
    first, second = make(MANY[:30], index), make(MANY[100:400], index)
    for _ in range(2):
        np.testing.assert_array_equal(recommended(first), expected(MANY[:30], 4))
        np.testing.assert_array_equal(recommended(second), expected(MANY[100:400], 4))
    assert index.search(np.eye(3), 1)[1].ravel().tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("name", NAMES)
def test_an_index_changed_outside_gets_the_candidates_again(name):
    model = make(MANY[:30], name)
    best = expected(MANY[:30], 4)
    for change in (lambda index: index.remove(best[0, :2]), lambda index: index.assign(np.eye(3), [7, 8, 9])):
        change(model.candidate_index())
        with pytest.warns(UserWarning, match="changed outside of the model.*Use append_candidates"):
            np.testing.assert_array_equal(recommended(model), best)
    model.candidate_index().remove([0])
    with pytest.warns(UserWarning, match="changed outside"):
        model.remove_candidates([1])
    np.testing.assert_array_equal(recommended(model), expected([0, *range(2, 30)], 4))


def test_a_model_changes_its_index():
    model = make(MANY)
    recommended(model)
    model.set_index({"index": "inverted_file", "scored_fraction": 1.0})
    assert model.get_config()["index"].scored_fraction == 1
    np.testing.assert_array_equal(recommended(model), expected(MANY, 4))
    assert type(model.candidate_index()) is indexes.InvertedFileIndex
    with pytest.raises(ArgumentTypeError, match="`index` must be an index"):
        model.set_index(None)


def test_a_frame_is_no_list_of_candidates():
    model = make(MANY[:9])
    for allow in (pd.DataFrame({"recipe_id": [1, 2]}), {"recipe_id": [1, 2]}):
        with pytest.raises(ArgumentError, match="`allow` must be candidate ids or 4 lists"):
            recommended(model, allow=allow)


def test_one_candidate_is_removed():
    model = make(MANY[:9])
    model.remove_candidates(3)
    assert 3 not in recommended(model, 8)


def test_it_is_searched_by_embeddings():
    model = make(MANY[:30])
    embeddings = model.predict({"user_id": USERS}, verbose=0)
    scores, ids = model.candidate_index().search(embeddings, 3, exclude=[[0]] * 4)
    np.testing.assert_array_equal(ids, recommended(model, 3, exclude=[[0]] * 4))
    assert scores.dtype == np.float32
    model.candidate_tower.set_weights([np.array([1.0, 2.0, 3.0])])
    model.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.candidate_index().search(embeddings, 3)[1], recommended(model, 3))


def test_evaluation_is_exact_whatever_the_index():
    class Worst(indexes.BruteForceIndex):
        """Finds the last rows."""

        def find(self, tensors, queries, k, excluded):
            rows = tf.range(tensors["num_candidates"] - tf.cast(k, tf.int64), tensors["num_candidates"])
            rows = tf.tile(rows[tf.newaxis], (tf.shape(queries)[0], 1))
            return tf.zeros_like(rows, tf.float32), rows

    models = [make(MANY[:30], index) for index in ("brute_force", Worst())]
    rows = {"user_id": USERS, "recipe_id": [0, 1, 2, 3], "minutes": [1, 4, 7, 10], "name": ["Recipe 0"] * 4}
    for model in models:
        model.compile("sgd")
    found = [model.evaluate(rows, verbose=0, return_dict=True) for model in models]
    assert found[0] == found[1]
    np.testing.assert_array_equal(recommended(models[1], 2), [[28, 29]] * 4)


@pytest.mark.saving
class TestClustersInFiles:
    """What an index has learned travels in the file, and is learned anew when weights have changed."""

    @pytest.fixture
    def model(self):
        query = rl.IdTower(USERS, 4, feature="user_id", seed=1)
        recipe = rl.IdTower(MANY, 4, feature="recipe_id", seed=2)
        index = {"index": "inverted_file", "num_clusters": 20, "scored_fraction": 0.3}
        model = rl.RetrievalModel(query, recipe, {"recipe_id": MANY}, index=index)
        model.compile("sgd")
        return model

    @pytest.fixture
    def learned(self, monkeypatch):
        """How often clusters are learned."""
        calls = []
        inner = clusters.learn_directions
        monkeypatch.setattr(
            "reciperec_layers.indexes.inverted_file.learn_directions",
            lambda *args: calls.append(args) or inner(*args),
        )
        return calls

    def test_no_cluster_is_learned_after_loading(self, model, learned, tmp_path, monkeypatch):
        before = recommended(model, 20)
        model.evaluate({"user_id": USERS, "recipe_id": MANY[:4]}, verbose=0)
        model.save(tmp_path / "model.keras")
        np.testing.assert_array_equal(recommended(model, 20), before)
        assert len(learned) == 1
        monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
        for options in ({}, {"compile": False}):
            loaded = keras.models.load_model(tmp_path / "model.keras", **options)
            np.testing.assert_array_equal(recommended(loaded, 20), before)
            loaded.append_candidates({"recipe_id": [MANY[-1] + 1]})
            loaded.remove_candidates([before[0, 0]])
            assert before[0, 0] not in recommended(loaded, 20)
            loaded.save(tmp_path / "again.keras")
            again = keras.models.load_model(tmp_path / "again.keras")
            np.testing.assert_array_equal(recommended(again, 20), recommended(loaded, 20))
        assert len(learned) == 1

    def test_changed_weights_learn_anew(self, model, learned, tmp_path):
        model.save(tmp_path / "model.keras")  # learns, so that the file has all
        assert len(learned) == 1
        loaded = keras.models.load_model(tmp_path / "model.keras")
        loaded.fit({"user_id": USERS, "recipe_id": MANY[:4]}, verbose=0)
        recommended(loaded)
        assert len(learned) == 2
        loaded.set_weights(loaded.get_weights())
        recommended(loaded)
        assert len(learned) == 3

    def test_a_diverged_model_is_saved_as_it_is(self, model, tmp_path):
        weights = [np.full_like(weight, np.nan) for weight in model.get_weights()]
        model.set_weights(weights)
        model.save(tmp_path / "model.keras")
        assert np.isnan(keras.models.load_model(tmp_path / "model.keras").get_weights()[0]).all()

    def test_nothing_is_lost_without_scikit_learn(self, model, tmp_path, monkeypatch):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, "sklearn.cluster", None)
            with pytest.raises(MissingExtraError, match=r"reciperec-layers\[indexes\]"):
                recommended(model)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                model.save(tmp_path / "model.keras")
            assert "the file has no index, which is built when it is first used" in str(caught[-1].message)
        assert recommended(keras.models.load_model(tmp_path / "model.keras"), 20).shape == (4, 20)

    def test_damaged_clusters_are_refused(self, model, tmp_path):
        def without_the_last(content):
            shorter = io.BytesIO()
            np.save(shorter, np.load(io.BytesIO(content))[:-1])
            return shorter.getvalue()

        model.save(tmp_path / "model.keras")
        for damage, message in (
            (lambda content: content[: len(content) // 2], "load_model: the file cannot be loaded"),
            (lambda content: b"x", "load_model: the file cannot be loaded"),
            (without_the_last, r"what the index has learned does not fit \(clusters do not fit the candidates\)"),
        ):
            with (
                zipfile.ZipFile(tmp_path / "model.keras") as old,
                zipfile.ZipFile(tmp_path / "damaged.keras", "w") as new,
            ):
                assert any(name.endswith("clusters.npy") for name in old.namelist())
                for name in old.namelist():
                    content = old.read(name)
                    new.writestr(name, damage(content) if name.endswith("clusters.npy") else content)
            with pytest.raises(ModelFileError, match=message):
                recommended(rl.load_model(tmp_path / "damaged.keras"))

    def test_a_clone_has_an_index_of_its_own(self, model):
        clone = keras.models.clone_model(model)
        clone.set_weights(model.get_weights())
        np.testing.assert_array_equal(recommended(clone, 20), recommended(model, 20))
        assert clone.candidate_index() is not model.candidate_index()
        assert clone.candidate_index().scored_fraction == 0.3


def test_files_from_before_there_were_indexes_have_the_exact_one(tmp_path):
    model = make(MANY[:9])
    config = {name: value for name, value in model.get_config().items() if name != "index"}
    assert type(rl.RetrievalModel.from_config(config).candidate_index()) is indexes.BruteForceIndex


def test_text_ids_keep_their_order():
    queries = rl.IdTower(USERS, 3, feature="user_id", seed=0)
    model = rl.RetrievalModel(queries, rl.IdTower(RECIPES, 3, feature="recipe_id", seed=1), {"recipe_id": RECIPES})
    model.append_candidates({"recipe_id": ["a new one", ""]})
    model.remove_candidates(["pie"])
    assert model.corpus.vocabulary.ids.tolist() == ["soup", "stew", "salad", "cake", "a new one", ""]
    assert model.candidate_index().ids.tolist() == model.corpus.vocabulary.ids.tolist()
