"""Batches carry ids; what else the candidate tower reads comes from the corpus, by id."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ColumnError, UnknownIdError
from reciperec_layers.graph import distinct_ids

RECIPES = np.array(["pie", "soup", "stew", "cake"], dtype=object)
MINUTES = np.array([10.0, 20.0, 30.0, 40.0], dtype=np.float32)
CORPUS = {"recipe_id": RECIPES, "minutes": MINUTES}
ROWS = {"user_id": [7, 9, 7, 9, 7], "recipe_id": ["soup", "cake", "pie", "soup", "soup"]}
OF_ROWS = np.array([20.0, 40.0, 10.0, 20.0, 20.0], dtype=np.float32)


class MinutesTower(rl.Tower):
    """Multiplies a trained vector by a candidate's minutes; counts the rows that it computes."""

    rows_seen: list

    def __init__(self, features=("recipe_id", "minutes"), **kwargs):
        super().__init__(2, features=features, **kwargs)
        self.vector = self.add_weight(shape=(2,), initializer="ones", name="vector")
        self.rows_seen = []
        self.built = True

    @property
    def deterministic(self):
        return True

    def call(self, inputs, training=None):
        self.rows_seen.append(tf.shape(inputs["minutes"])[0])
        return inputs["minutes"][:, None] * self.vector / 40


def make(corpus=CORPUS, features=("recipe_id", "minutes"), **options) -> rl.RetrievalModel:
    table = np.array([[0, 0], [1, -1], [-1, 2]], dtype=np.float32)
    model = rl.RetrievalModel(rl.IdTower([7, 9], 2, feature="user_id"), MinutesTower(features), corpus, "recipe_id")
    model.query_tower.set_weights([table])
    model.compile(keras.optimizers.SGD(0.1), **options)
    return model


def trained(rows, model=None):
    model = model or make()
    history = model.fit(rows, batch_size=5, shuffle=False, epochs=3, verbose=0).history
    return [*history.values(), *model.get_weights(), *model.evaluate(rows, verbose=0, return_dict=True).values()]


def assert_equal_results(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_a_joined_column_is_as_one_that_the_batch_brings():
    assert_equal_results(trained(ROWS), trained({**ROWS, "minutes": OF_ROWS}))


def test_columns_that_a_batch_brings_win():
    other = {**ROWS, "minutes": np.roll(OF_ROWS, 1)}
    losses = [make().evaluate(rows, verbose=0, return_dict=True)["loss"] for rows in (ROWS, other)]
    assert losses[0] != pytest.approx(losses[1])


@pytest.mark.parametrize("features", [("recipe_id", "minutes"), ("minutes",)], ids=str)
def test_the_corpus_that_is_there_is_joined(features):
    model = make(features=features)
    model.fit(ROWS, verbose=0)
    doubled = {"recipe_id": RECIPES[::-1], "minutes": MINUTES[::-1] * 2}
    model.set_candidates(doubled)
    weights = model.get_weights()
    fresh = make(doubled, features)
    fresh.set_weights(weights)
    assert_equal_results(trained(ROWS, model), trained(ROWS, fresh))


def test_candidates_that_join_the_corpus_join_the_batches():
    model = make({"recipe_id": RECIPES[:2], "minutes": MINUTES[:2]})
    with pytest.raises(UnknownIdError, match="1 candidates of a batch are not in the corpus"):
        model.fit({"user_id": [7], "recipe_id": ["cake"]}, verbose=0)
    model.append_candidates({"recipe_id": RECIPES[2:], "minutes": MINUTES[2:]})
    whole = make()
    whole.set_weights(model.get_weights())
    assert_equal_results(trained(ROWS, model), trained(ROWS, whole))


def test_an_unknown_candidate_is_named_with_the_columns_that_it_lacks():
    rows = {"user_id": [7, 9], "recipe_id": ["tofu", "pie"]}
    message = "1 candidates of a batch are not in the corpus.*takes 'minutes': 'tofu'. Add them"
    with pytest.raises(UnknownIdError, match=message):
        make().fit(rows, verbose=0)
    make().fit({**rows, "minutes": MINUTES[:2]}, verbose=0)  # the batch has all that the tower reads


def test_without_a_corpus_the_batch_must_bring_the_columns():
    model = rl.RetrievalModel(rl.IdTower([7, 9], 2, feature="user_id"), MinutesTower(), candidate_id="recipe_id")
    model.compile("sgd")
    with pytest.raises(ColumnError, match="no column 'minutes'"):
        model.fit(ROWS, verbose=0)
    model.fit({**ROWS, "minutes": OF_ROWS}, verbose=0)


def test_embeddings_by_id_alone():
    embeddings = make().encode_candidates({"recipe_id": tf.constant(["cake", "pie"])})
    np.testing.assert_allclose(embeddings, [[1, 1], [0.25, 0.25]])


def test_a_candidate_that_a_batch_has_several_times_is_computed_once(monkeypatch):
    monkeypatch.setattr(distinct_ids, "_SMALL_BATCH", 0)
    model = make(run_eagerly=True)
    tower = model.candidate_tower
    model.fit(ROWS, batch_size=5, verbose=0)
    assert [int(rows) for rows in tower.rows_seen] == [3]
    tower.rows_seen.clear()
    model.fit({**ROWS, "minutes": OF_ROWS}, batch_size=5, verbose=0)  # rows of one id may differ now
    assert [int(rows) for rows in tower.rows_seen] == [5]


def test_distinct_candidates_train_as_all_do(monkeypatch):
    expected = trained(ROWS)
    monkeypatch.setattr(distinct_ids, "_SMALL_BATCH", 0)
    assert_equal_results(trained(ROWS), expected)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 3.0, 4.0, 5.0]], ids=str)
@pytest.mark.parametrize("tower", ["joined", "without OOV rows"])
def test_unknown_candidates_are_misses_without_a_loss(tower, weights):
    model = make()
    if tower != "joined":
        ids = rl.IdTower(list(RECIPES), 2, feature="recipe_id", num_oov_indices=0)
        model = rl.RetrievalModel(model.query_tower, ids, CORPUS, "recipe_id")
        model.compile()
    rows = {**ROWS, "recipe_id": ["soup", "cake", "flan", "soup", "soup"]}
    known = [0, 1, 3, 4]
    others = {name: [column[row] for row in known] for name, column in rows.items()}
    kept = None if weights is None else np.array(weights)[known]
    options = {"verbose": 0, "return_dict": True, "batch_size": 5}
    got = model.evaluate(rows, unknown_candidates="miss", sample_weight=weights, **options)
    expected = model.evaluate(others, sample_weight=kept, **options)
    assert got["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert got["num_unknown_held_out"] == 1
    shares = np.ones(5) if weights is None else np.array(weights)
    key = "factorized_top_k/top_10_categorical_accuracy"
    assert got[key] == pytest.approx(shares[known].sum() / shares.sum())
    np.testing.assert_array_equal(model.held_out_ranks(rows, unknown_candidates="miss")[2], rl.metrics.MISS)
    with pytest.raises(UnknownIdError, match="flan"):
        model.evaluate(rows, **options)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_batch_of_unknown_candidates_has_no_loss(reduction):
    model = make(loss=rl.losses.InBatchSoftmax(reduction=reduction))
    rows = {"user_id": [7, 9], "recipe_id": ["flan", "tart"]}
    result = model.evaluate(rows, unknown_candidates="miss", verbose=0, return_dict=True)
    assert result["loss"] == 0
    assert result["num_unknown_held_out"] == 2


def test_a_prior_knows_candidates_whose_tower_does_not_read_the_id():
    candidates = {"recipe_id": [7, 8, 9], "recipe_name": ["pie", "soup", "stew"]}
    rows = {"user_id": [1, 2, 3, 4, 5, 6], "recipe_id": [9, 9, 9, 7, 7, 8]}
    tower = {"tower": "feature", "leave_out": ["recipe_id"]}
    model = rl.RetrievalModel.from_data(rows, candidates, candidate_tower=tower, embedding_dim=4, seed=1)
    assert model.candidate_columns == ("recipe_name",)
    assert model.recommend({"user_id": [1, 99]}, k=3)[1].tolist() == [[9, 7, 8]] * 2
    model.append_candidates({"recipe_id": [6], "recipe_name": ["bread"]})
    assert model.recommend({"user_id": [1]}, k=4)[1].tolist() == [[9, 7, 8, 6]]


def test_a_table_of_queries_serves_a_tower_that_does_not_read_the_id():
    rows = {"user_id": [1, 2, 3, 1, 2, 3], "recipe_id": [7, 8, 9, 8, 9, 7]}
    users = {"user_id": [1, 2, 3, 4], "diet": ["any", "vegan", "any", "vegan"]}
    tower = {"tower": "feature", "encoders": {"diet": "category"}, "leave_out": ["user_id"]}
    recipes = {"recipe_id": [7, 8, 9]}
    options = {"query_tower": tower, "candidate_tower": "id", "embedding_dim": 4, "prior": None, "seed": 1}
    model = rl.RetrievalModel.from_data(rows, recipes, queries=users, **options)
    assert model.query_columns == ("diet",)
    scores = model.recommend({"user_id": [1, 3, 2, 4]}, k=3)[0]
    np.testing.assert_array_equal(scores[[0, 2]], scores[[1, 3]])
    assert (scores[0] != scores[2]).any()
    np.testing.assert_allclose(scores[0], model.recommend({"diet": ["any"]}, k=3)[0][0], rtol=1e-6)
