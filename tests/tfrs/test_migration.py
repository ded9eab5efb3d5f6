"""A model of real TFRS on Keras 2 and what becomes of it recommend the same."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers import tfrs
from reciperec_layers.errors import ArgumentError, ModelFileError
from tests.cli.conftest import reciperec

# See tests/losses/test_tfrs_parity.py.
with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
    patch.setenv("TF_USE_LEGACY_KERAS", "1")
    warnings.simplefilter("ignore")
    import tensorflow_recommenders as theirs

legacy = theirs.tasks.retrieval.tf.keras
USERS, FILMS = np.array(["ann", "bob", "eve"]), np.array([9, 3, 7, 5])
ASKED = np.array(["eve", "nobody", "ann"])


def tower(lookup, ids, *others, mask_token=None):
    made = lookup(vocabulary=ids, mask_token=mask_token)
    rows = len(ids) + 1 + (mask_token is not None)
    return legacy.Sequential([made, legacy.layers.Embedding(rows, 6), *others])


class Films(theirs.Model):
    def __init__(self, user_model, film_model):
        super().__init__()
        self.user_model, self.film_model = user_model, film_model
        self.task = theirs.tasks.Retrieval()

    def compute_loss(self, features, training=False):
        return self.task(self.user_model(features["user"]), self.film_model(features["film"]))


def trained(user_others=(), film_others=(), mask_token=None):
    user_model = tower(legacy.layers.StringLookup, USERS, *user_others, mask_token=mask_token)
    model = Films(user_model, tower(legacy.layers.IntegerLookup, FILMS, *film_others))
    model.compile(legacy.optimizers.Adagrad(0.5))
    rows = {"user": np.tile(USERS, 4), "film": np.repeat(FILMS, 3)}
    model.fit(tf.data.Dataset.from_tensor_slices(rows).batch(5), epochs=2, verbose=0)
    return model


def assert_equal(model, other):
    queries, films = other.user_model(ASKED).numpy(), other.film_model(FILMS).numpy()
    np.testing.assert_allclose(model.query_tower({"user": ASKED}), queries, rtol=1e-5, atol=1e-6)
    scores, ids = model.recommend({"user": ASKED}, k=4)
    expected = queries @ films.T
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ids, FILMS[np.argsort(-expected, axis=1)])


@pytest.mark.parametrize("mask_token", [None, "", "ann "])
def test_a_live_model(mask_token, tmp_path):
    other = trained(mask_token=mask_token)
    model = tfrs.migrate(other, query_id="user", candidate_id="film")
    assert isinstance(model.query_tower, rl.IdTower)
    assert_equal(model, other)
    if mask_token is not None:
        mask = other.user_model(np.array([mask_token])).numpy()
        np.testing.assert_allclose(model.query_tower({"user": np.array([mask_token])}), mask, rtol=1e-6)
    model.save(tmp_path / "films.keras")
    assert_equal(rl.load_model(tmp_path / "films.keras"), other)


def test_towers_with_more_layers(tmp_path):
    layers = legacy.layers
    others = [layers.Dense(8, activation="relu"), layers.LayerNormalization(), layers.Dense(4)]
    other = trained(others, [layers.Dense(4, use_bias=False)])
    model = tfrs.migrate(other, query_id="user", candidate_id="film")
    assert_equal(model, other)
    model.save(tmp_path / "films.keras")
    assert_equal(rl.load_model(tmp_path / "films.keras"), other)


def test_a_checkpoint_and_the_towers(tmp_path):
    other = trained()
    other.save_weights(tmp_path / "weights", save_format="tf")
    towers = rl.IdTower(USERS, 6, feature="user"), rl.IdTower(FILMS, 6, feature="film")
    model = tfrs.migrate(tmp_path / "weights", query_tower=towers[0], candidate_tower=towers[1])
    assert_equal(model, other)


def test_what_cannot_be_migrated(tmp_path):
    other = trained()
    other.film_model = legacy.Sequential([legacy.layers.Dense(3)])
    with pytest.raises(ArgumentError, match="'film_model' must be a Sequential of a StringLookup"):
        tfrs.migrate(other, query_tower="user_model", candidate_tower="film_model")
    with pytest.raises(ArgumentError, match="the model has 1 attributes that begin with a lookup"):
        tfrs.migrate(other)
    lookup = legacy.layers.StringLookup(vocabulary=USERS, mask_token=None, num_oov_indices=2)
    several = legacy.Sequential([lookup, legacy.layers.Embedding(5, 6)])
    several(ASKED)
    with pytest.raises(ArgumentError, match="several rows for unknown ids"):
        tfrs.migrate(Films(several, tower(legacy.layers.IntegerLookup, FILMS)))
    small = rl.IdTower(USERS[:2], 6, feature="user"), rl.IdTower(FILMS, 6, feature="film")
    with pytest.raises(ModelFileError, match="there is no checkpoint of TensorFlow"):
        tfrs.migrate(tmp_path / "missing", query_tower=small[0], candidate_tower=small[1])
    trained().save_weights(tmp_path / "weights", save_format="tf")
    with pytest.raises(ModelFileError, match="the checkpoint is of other towers: 'user' has"):
        tfrs.migrate(tmp_path / "weights", query_tower=small[0], candidate_tower=small[1])
    with pytest.raises(ArgumentError, match="a checkpoint has no ids"):
        tfrs.migrate(tmp_path / "weights")
    alike = rl.IdTower(FILMS, 6, feature="user"), rl.IdTower(FILMS, 6, feature="film")
    with pytest.raises(ArgumentError, match="both towers have the size of"):
        tfrs.migrate(tmp_path / "weights", query_tower=alike[0], candidate_tower=alike[1])


@pytest.mark.parametrize("order", ["sorted", "file"])
def test_the_command(order, tmp_path):
    ordered = (np.sort(USERS), np.sort(FILMS)) if order == "sorted" else (USERS[::-1], FILMS)
    other = Films(tower(legacy.layers.StringLookup, ordered[0]), tower(legacy.layers.IntegerLookup, ordered[1]))
    other.compile(legacy.optimizers.Adagrad(0.5))
    other.fit(tf.data.Dataset.from_tensor_slices({"user": USERS, "film": FILMS[:3]}).batch(2), verbose=0)
    other.save_weights(tmp_path / "weights", save_format="tf")
    for name, column, ids in (("users", "user", USERS[::-1]), ("films", "film", FILMS)):
        (tmp_path / f"{name}.csv").write_text("\n".join([f"{column},more", *(f"{each},x" for each in [*ids, ids[0]])]))
    out = tmp_path / "films.keras"
    paths = tmp_path / "weights", tmp_path / "users.csv", tmp_path / "films.csv"
    words = ("--out", out, "--query-id", "user", "--candidate-id", "film", "--order", order)
    finished = reciperec("migrate", *paths, *words)
    assert finished.code == 0, finished.err
    assert "3 queries and 4 candidates, " in finished.out
    assert_equal(rl.load_model(out), other)
    assert reciperec("migrate", *paths, *words).code != 0  # the file exists
    assert reciperec("migrate", *paths, *words, "--overwrite").code == 0
    wrong = reciperec("migrate", paths[0], paths[2], paths[1], *words[:2], "--overwrite", *words[2:])
    assert "column" in wrong.only_error()
