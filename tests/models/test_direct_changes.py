"""Weights that change behind the model's back: no answer is stale, whatever changed them."""

from __future__ import annotations

import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl

CANDIDATES = np.arange(1, 31)


def make(index="brute_force") -> rl.RetrievalModel:
    tower = rl.IdTower(CANDIDATES, 3, feature="recipe_id", seed=2)
    model = rl.RetrievalModel(
        rl.IdTower([7], 3, feature="user_id", seed=1), tower, {"recipe_id": CANDIDATES}, "recipe_id", index=index
    )
    model.compile(rl.optimizers.Adagrad(0.5))
    return model


def tables(model):
    return model.query_tower.get_weights()[0], model.candidate_tower.get_weights()[0]


def best(model, k=5):
    """By plain NumPy; row 0 of a table is for unknown ids."""
    queries, candidates = tables(model)
    scores = candidates[1:] @ queries[1]
    return CANDIDATES[np.argsort(-scores, kind="stable")[:k]]


def other_table(seed):
    return np.random.default_rng(seed).normal(size=(31, 3)).astype(np.float32)


def train_by_another_model(model):
    other = rl.RetrievalModel(rl.IdTower([7], 3, feature="user_id"), model.candidate_tower, {"recipe_id": CANDIDATES})
    other.compile(rl.optimizers.Adagrad(5.0))
    other.fit({"user_id": [7, 7], "recipe_id": [3, 9]}, verbose=0)


def train_by_a_loop(model):
    optimizer = keras.optimizers.SGD(50.0)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model.candidate_tower(tf.constant([3, 9])) ** 2)
        variables = model.candidate_tower.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    optimizer.build(model.candidate_tower.trainable_variables)
    step()


def restore_a_checkpoint(model):
    tower = rl.IdTower(CANDIDATES, 3, feature="recipe_id", seed=5)
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(tower=tower).save(f"{folder}/tower")
        tf.train.Checkpoint(tower=model.candidate_tower).restore(path).assert_consumed()


CHANGES = {
    "tower.set_weights": lambda model: model.candidate_tower.set_weights([other_table(1)]),
    "weight.assign": lambda model: model.candidate_tower.weights[0].assign(other_table(2)),
    "variable.scatter_update": lambda model: model.candidate_tower.weights[0].value.scatter_update(
        tf.IndexedSlices(other_table(3)[:9] * 9, tf.range(1, 10))
    ),
    "model.set_weights": lambda model: model.set_weights([other_table(4), tables(model)[0]]),
    "fit": lambda model: model.fit({"user_id": [7, 7], "recipe_id": [3, 9]}, verbose=0, epochs=5),
    "train_on_batch": lambda model: model.train_on_batch(
        {"user_id": tf.constant([7, 7]), "recipe_id": tf.constant([3, 9])}
    ),
    "fit of another model": train_by_another_model,
    "a loop of one's own": train_by_a_loop,
    "tf.train.Checkpoint": restore_a_checkpoint,
}


@pytest.mark.parametrize("index", ["brute_force", {"index": "inverted_file", "scored_fraction": 1.0}], ids=str)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_answer_is_stale(change, index):
    model = make(index)
    before = model.recommend({"user_id": [7]}, 5)[1][0]
    np.testing.assert_array_equal(before, best(model))
    model.candidate_embeddings()
    change(model)
    expected = best(model)
    np.testing.assert_array_equal(model.recommend({"user_id": [7]}, 5)[1][0], expected)
    queries, candidates = tables(model)
    np.testing.assert_allclose(model.candidate_embeddings().to_numpy(), candidates[1:], rtol=1e-6)
    np.testing.assert_array_equal(model.candidate_index().search(queries[1:], 5)[1][0], expected)
    ranks = model.held_out_ranks({"user_id": [7] * 5, "recipe_id": expected})
    np.testing.assert_array_equal(ranks, [1, 2, 3, 4, 5])
    unit = candidates[1:] / np.linalg.norm(candidates[1:], axis=1, keepdims=True)
    assert model.similar([1], 1)[1][0, 0] == CANDIDATES[1:][np.argmax(unit[1:] @ unit[0])]


def test_an_export_has_the_weights_of_the_moment(tmp_path):
    model = make()
    model.recommend({"user_id": [7]}, 5)
    model.candidate_tower.set_weights([other_table(5)])
    model.export(tmp_path / "bundle", k=5)
    serve = tf.saved_model.load(str(tmp_path / "bundle")).signatures["serving_default"]
    np.testing.assert_array_equal(serve(user_id=tf.constant([7], tf.int64))["ids"][0], best(model))


def test_weights_that_stay_are_encoded_once():
    class Counting(rl.IdTower):
        calls = 0

        def call(self, inputs, training=None):
            type(self).calls += 1
            return super().call(inputs, training=training)

    model = make()
    model = rl.RetrievalModel(
        model.query_tower, Counting(CANDIDATES, 3, feature="recipe_id"), {"recipe_id": CANDIDATES}, "recipe_id"
    )
    for _ in range(3):
        model.recommend({"user_id": [7]}, 5)
        model.candidate_embeddings()
        model.similar([3], 2)
        model.held_out_ranks({"user_id": [7], "recipe_id": [3]})
    assert Counting.calls == 1


def test_a_saved_index_is_not_learned_again_unless_weights_have_changed(tmp_path, monkeypatch):
    from reciperec_layers.indexes import InvertedFileIndex

    model = make("inverted_file")
    learned = model.candidate_index().learned
    model.save(tmp_path / "model.keras")
    calls = []
    learn = InvertedFileIndex.learn
    monkeypatch.setattr(InvertedFileIndex, "learn", lambda self, *args: calls.append(1) or learn(self, *args))
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, array in loaded.candidate_index().learned.items():
        np.testing.assert_array_equal(array, learned[name])
    assert not calls
    again = keras.models.load_model(tmp_path / "model.keras")
    again.candidate_tower.set_weights([other_table(6)])
    again.candidate_index()
    assert calls


@pytest.mark.parametrize("first", ["append", "remove"])
def test_a_loaded_index_takes_candidates_that_come_and_go(tmp_path, first):
    model = make({"index": "inverted_file", "scored_fraction": 1.0})
    model.remove_candidates([1, 2, 3])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    if first == "append":
        loaded.append_candidates({"recipe_id": [1, 2]})
        loaded.remove_candidates([9, 10])
    else:
        loaded.remove_candidates([9, 10])
        loaded.append_candidates({"recipe_id": [1, 2]})
    ids = np.array([*range(4, 9), *range(11, 31), 1, 2])
    queries, candidates = tables(loaded)
    expected = ids[np.argsort(-candidates[ids] @ queries[1], kind="stable")[:5]]
    np.testing.assert_array_equal(loaded.recommend({"user_id": [7]}, 5)[1][0], expected)
