"""Candidates never seen in training are recommended by their features, from the model and from an exported bundle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ColumnError

KINDS = np.array(["sweet", "salty"], dtype=object)
SWEET, SALTY = [100, 102], [101, 103]  # users
NEW = {"recipe_id": [901, 902, 903], "kind": ["sweet", "salty", None], "minutes": [20.0, 20.0, np.nan]}


@pytest.fixture(scope="module")
def data():
    """Users of even ids cook sweet recipes, which are those of even ids, and the others salty ones."""
    generator = np.random.default_rng(0)
    recipes = np.arange(200, 240)
    users = np.repeat(np.arange(100, 130), 12)
    chosen = 200 + 2 * generator.integers(20, size=len(users)) + users % 2
    table = pd.DataFrame(
        {"recipe_id": recipes, "kind": KINDS[recipes % 2], "minutes": generator.integers(10, 60, 40).astype(float)}
    )
    return pd.DataFrame({"user_id": users, "recipe_id": chosen}), table


def make(data, **options):
    return rl.RetrievalModel.from_data(*data, embedding_dim=8, seed=1, **options)


def trained(data, **options):
    model = make(data, **options)
    model.compile(rl.optimizers.Adam(0.05))
    model.fit(rl.data.batches(data[0], 60, seed=1), epochs=6, verbose=0)
    return model


@pytest.fixture(scope="module")
def model(data):
    made = trained(data)
    made.append_candidates(NEW)
    return made


def rank_of(model, users, recipe):
    _, ids = model.recommend({"user_id": users}, k=len(model.corpus))
    return np.argmax(ids == recipe, axis=1)


def test_a_recipe_never_seen_is_recommended_by_its_features(model):
    for users, liked, disliked in ((SWEET, 901, 902), (SALTY, 902, 901)):
        assert (rank_of(model, users, liked) < rank_of(model, users, disliked)).all()
    assert model.candidate_knowledge([901, 902, 903])["knowledge"].tolist() == ["warm", "warm", "cold"]
    frame = model.recommend({"user_id": SWEET}, k=43, as_frame=True).set_index("recipe_id")
    assert set(frame.loc[901, "candidate_knowledge"]) == {"warm"}
    assert set(frame.loc[200, "candidate_knowledge"]) == {"hot"}


def test_candidates_that_join_are_as_those_of_a_new_corpus(model, data):
    whole = pd.concat([data[1], pd.DataFrame(NEW)], ignore_index=True)
    fresh = make(data)
    fresh.set_weights(model.get_weights())
    fresh.set_candidates(whole)
    found = zip(fresh.recommend({"user_id": SWEET}, k=43), model.recommend({"user_id": SWEET}, k=43), strict=True)
    for one, two in found:
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_a_bundle_exported_again_has_them(model, tmp_path):
    model.export(tmp_path / "bundle", k=43)
    model.append_candidates({"recipe_id": [904], "kind": ["salty"], "minutes": [30.0]})
    model.export(tmp_path / "bundle", k=44)
    serve = tf.saved_model.load(tmp_path / "bundle").signatures["serving_default"]
    users = [*SWEET, *SALTY, 7]
    served = serve(user_id=tf.constant(users, tf.int64))
    scores, ids = model.recommend({"user_id": users}, k=44)
    np.testing.assert_array_equal(served["ids"], ids)
    np.testing.assert_allclose(served["scores"], scores, rtol=1e-5)
    assert 904 in ids
    model.remove_candidates([904])


def test_candidates_are_ranked_from_features_without_ids_in_the_tower(data):
    model = trained(data, candidate_options={"leave_out": ["recipe_id"]})
    model.append_candidates(NEW)
    assert (rank_of(model, SWEET, 901) < rank_of(model, SWEET, 902)).all()
    assert (rank_of(model, SALTY, 902) < rank_of(model, SALTY, 901)).all()


def test_a_new_candidate_needs_the_columns_of_the_corpus(model):
    with pytest.raises(ColumnError, match="the corpus has the column 'minutes', and the new candidates have only"):
        model.append_candidates({"recipe_id": [905], "kind": ["sweet"]})
