"""PopularityPrior: popularity as columns of embeddings, against plain NumPy."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.candidates.popularity_prior import PopularityPrior
from reciperec_layers.errors import ArgumentError

DAY = 86_400
RECIPES = ["soup", "pie", "stew", "salad", "cake"]


def interactions(n: int = 400, seed: int = 3) -> pd.DataFrame:
    """Soup was loved first, pie later; nobody ever had cake."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.uniform(0, 1000, n))
    late = rng.uniform(size=n) < days / 1000
    recipes = np.where(
        late, rng.choice(["pie", "stew"], n, p=[0.8, 0.2]), rng.choice(["soup", "salad"], n, p=[0.7, 0.3])
    )
    times = 1_500_000_000 + (days * DAY).astype(np.int64)
    return pd.DataFrame({"user_id": rng.integers(0, 50, n), "recipe_id": recipes, "timestamp": times})


def model_of(frame: pd.DataFrame, **options: Any) -> rl.RetrievalModel:
    towers = {"query_tower": "id", "candidate_tower": "id", "normalize": False, "query_dropout": 0.0}
    return rl.RetrievalModel.from_data(frame, {"recipe_id": RECIPES}, embedding_dim=4, seed=1, **towers, **options)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_the_ranking_before_training_is_that_of_the_counts(rows: list[int]):
    prior = PopularityPrior(rl.Vocabulary(RECIPES), embedding_dim=3)
    prior.count(np.array(RECIPES, dtype=object)[rows])
    candidates = prior.with_candidates(tf.random.normal((5, 3)), tf.constant(RECIPES))
    scores = (prior.with_queries(tf.random.normal((1, 3)), {}) @ tf.transpose(candidates)).numpy()[0]
    counts = np.bincount(rows, minlength=5)
    np.testing.assert_array_equal(np.argsort(-scores, kind="stable"), np.argsort(-counts, kind="stable"))


def test_a_model_starts_at_popularity_and_its_ties():
    frame = interactions()
    model = model_of(frame, time=None)
    counts = frame["recipe_id"].value_counts().reindex(RECIPES, fill_value=0).to_numpy()
    expected = np.array(RECIPES)[np.argsort(-counts, kind="stable")].tolist()
    _, ids = model.recommend({"user_id": [1, -5]}, k=5)
    assert ids.tolist() == [expected, expected]


def test_a_drifting_prior_is_recent_popularity_now_and_old_popularity_then():
    frame = interactions()
    model = model_of(frame)
    assert model.prior.time == "timestamp"
    days = (frame["timestamp"].max() - frame["timestamp"]).to_numpy() / DAY
    half_life = float(model.prior.ages.numpy()[1])
    decayed = [0.5 ** (days[frame["recipe_id"] == name] / half_life) for name in RECIPES]
    now = np.array(RECIPES)[np.argsort([-each.sum() for each in decayed], kind="stable")]
    for rows in (
        {"user_id": [1]},
        {"user_id": [1], "timestamp": [2_000_000_000]},
        {"user_id": [1], "timestamp": [None]},
    ):
        assert model.recommend(rows, k=2)[1].tolist() == [now[:2].tolist()]
    assert now[0] == "pie"
    assert model.recommend({"user_id": [1], "timestamp": ["2017-07-20"]}, k=1)[1].tolist() == [["soup"]]


def test_the_columns_are_smoothed_shares_around_the_ages():
    frame = interactions()
    model = model_of(frame)
    ages, columns = model.prior.ages.numpy().astype(float), model.prior.log_popularity.numpy()[1:]
    rows = frame["recipe_id"].map({name: row for row, name in enumerate(model.prior.lookup.vocabulary.ids)})
    days = (frame["timestamp"].max() - frame["timestamp"]).to_numpy() / DAY
    all_times = (np.bincount(rows, minlength=5) + 0.5) / (len(rows) + 0.5 * 6)  # one stands for those not counted
    np.testing.assert_allclose(columns[:, -1], np.log(all_times), rtol=1e-5)
    assert columns.shape == (5, len(ages) + 1)
    for column in range(1, len(ages)):
        decay = np.abs(days - ages[column]) / (ages[column] - ages[column - 1]) * 4
        around = np.bincount(rows, 0.5**decay, minlength=5)
        expected = 0.99 * around / around.sum() + 0.01 * all_times
        np.testing.assert_allclose(columns[:, column], np.log(expected), rtol=1e-4)


def test_a_row_of_the_far_future_does_not_change_what_is_recent():
    frame = interactions()
    wrong = pd.DataFrame({"user_id": [1], "recipe_id": ["cake"], "timestamp": [4_070_908_800]})  # 2099
    clean = model_of(frame).prior
    message = r"PopularityPrior: 1 of 401 times lies 78\.7 years after all others .* Received: newest='2099-01-01T00:00"
    with pytest.warns(UserWarning, match=message):
        prior = model_of(pd.concat([wrong, frame])).prior
    np.testing.assert_array_equal(prior.ages.numpy(), clean.ages.numpy())
    assert prior.newest.numpy() == clean.newest.numpy() == frame["timestamp"].max() * 10**6
    # It counts once, at no time.
    all_times = (np.array([*frame["recipe_id"].value_counts().reindex(RECIPES[:4]), 1]) + 0.5) / (401 + 0.5 * 6)
    rows = prior.lookup.lookup(np.array(RECIPES, dtype=object))
    np.testing.assert_allclose(prior.log_popularity.numpy()[rows, -1], np.log(all_times), rtol=1e-5)
    np.testing.assert_allclose(prior.log_popularity.numpy()[rows[4], :-1], np.log(0.01 * all_times[4]), rtol=1e-5)


def test_a_time_between_two_ages_weighs_both():
    prior = model_of(interactions()).prior
    ages, newest = prior.ages.numpy().astype(float), int(prior.newest.numpy())
    age = 0.75 * ages[2] + 0.25 * ages[3]
    times = tf.constant([newest - int(age * DAY * 10**6)], tf.int64)
    weights = prior.with_queries(tf.zeros((1, 4)), {"timestamp": times}).numpy()[0, 4:]
    np.testing.assert_allclose(weights, [0, 0, 0.75, 0.25, 0, 0, 0, 0], atol=1e-3)


def test_training_rows_without_a_time_see_the_popularity_of_all_times():
    prior = model_of(interactions()).prior
    weights = prior.with_queries(tf.zeros((1, 4)), {}, training=True).numpy()[0, 4:]
    assert weights.tolist() == [0, 0, 0, 0, 0, 0, 0, 1]


def test_what_a_corrected_loss_adds_to_a_model_at_its_start_is_nothing():
    """With q the popularity that the prior brings, all logits are equal: the loss is that of chance."""
    frame = pd.DataFrame({"user_id": [1, 2, 3, 4], "recipe_id": ["soup", "soup", "pie", "stew"]})
    model = model_of(frame)
    loss = rl.InBatchSoftmax(sampling_correction="counts", candidate_counts=frame["recipe_id"])
    model.compile(loss=loss, metrics=[])
    smoothed = np.log((np.array([2, 1, 1]) + 0.5) / (4 + 0.5 * 6)) - np.log(np.array([2, 1, 1]) / 4)
    logits = smoothed[[0, 0, 1, 2]]
    expected = -(logits - np.log(np.exp(logits).sum()))
    found = model.evaluate(frame, return_dict=True, verbose=0)["loss"]
    assert found == pytest.approx(expected.mean(), rel=1e-5)


def test_a_loss_that_is_not_corrected_does_not_see_the_prior():
    frame = interactions(40)
    losses = []
    for prior in ("popularity", None):
        model = model_of(frame, prior=prior)
        if model.prior is not None:
            model.prior.gate.assign(tf.ones(4))
        model.compile(loss=rl.InBatchSoftmax(), metrics=[])
        losses.append(model.evaluate(frame, return_dict=True, verbose=0)["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_training_learns_from_there():
    frame = pd.DataFrame({"user_id": [1, 2] * 40, "recipe_id": ["soup", "pie"] * 40})
    frame.loc[len(frame)] = [3, "soup"]
    model = model_of(frame)
    model.compile(rl.optimizers.Adam(0.1))
    model.fit(frame, epochs=20, verbose=0)
    assert model.recommend({"user_id": [1, 2, 99]}, k=1)[1].tolist() == [["soup"], ["pie"], ["soup"]]


def test_similar_does_not_see_the_prior():
    model = model_of(interactions(), time=None)
    table = model.candidate_tower.get_weights()[0][1:]
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    rows = model.candidate_tower.lookup(RECIPES) - 1
    expected = np.sort((unit[rows] @ unit[rows[0]])[1:])[::-1]
    np.testing.assert_allclose(model.similar(["soup"], k=4)[0][0], expected, rtol=1e-5)


def test_scores_of_a_temperature_keep_their_proportion():
    model = model_of(interactions(), time=None)
    before = model.recommend({"user_id": [1]}, k=5)[0]
    model.compile(loss=rl.InBatchSoftmax(temperature=0.5, sampling_correction="counts"))
    np.testing.assert_allclose(model.recommend({"user_id": [1]}, k=5)[0], 0.5 * before, rtol=1e-6)


def test_a_candidate_that_never_occurred_is_last_also_when_it_joins_later():
    model = model_of(interactions(), time=None)
    model.append_candidates({"recipe_id": ["trifle"]})
    assert model.recommend({"user_id": [1]}, k=6)[1][0, 4:].tolist() == ["cake", "trifle"]


@pytest.mark.parametrize("form", ["frame", "dataset", "generator of pairs"])
def test_a_prior_by_name_is_counted_when_the_model_is_first_trained(form: str):
    frame = interactions(60)[["user_id", "recipe_id"]]
    model = rl.RetrievalModel(
        rl.IdTower(np.arange(50), 4, feature="user_id"),
        rl.IdTower(RECIPES, 4, feature="recipe_id"),
        {"recipe_id": RECIPES},
        prior="popularity",
    )
    assert not model.prior.is_counted
    model.compile(rl.optimizers.SGD(1e-6))
    batches = rl.data.batches(frame, 16)
    data = {"frame": frame, "dataset": batches, "generator of pairs": batches.map(lambda each: (each, 0))}[form]
    model.fit(data, verbose=0)
    counts = frame["recipe_id"].value_counts()
    assert dict(zip(model.prior.counts().ids, model.prior.counts().counts, strict=True)) == counts.to_dict()


@pytest.mark.saving
def test_it_is_saved_cloned_and_exported(tmp_path):
    frame = interactions()
    model = model_of(frame)
    model.compile()
    model.fit(frame, epochs=2, verbose=0)
    rows = {"user_id": [1, 2], "timestamp": [1_500_000_000, 1_550_000_000]}
    expected = model.recommend(rows, k=5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (loaded, clone):
        np.testing.assert_array_equal(other.recommend(rows, k=5)[0], expected[0])
        np.testing.assert_array_equal(other.recommend(rows, k=5)[1], expected[1])
    model.export(tmp_path / "now", k=5)
    model.export(tmp_path / "then", k=5, example=rows)
    users = tf.constant([1, 2], tf.int64)
    now = tf.saved_model.load(tmp_path / "now").signatures["serving_default"](user_id=users)
    np.testing.assert_allclose(now["scores"], model.recommend({"user_id": [1, 2]}, k=5)[0], rtol=1e-6)
    serve = tf.saved_model.load(tmp_path / "then").signatures["serving_default"]
    then = serve(user_id=users, timestamp=tf.constant(rows["timestamp"], tf.int64))
    np.testing.assert_allclose(then["scores"], expected[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("popular", '`prior` must be "popularity", a PopularityPrior, or None. Received: prior='),
        (PopularityPrior(rl.Vocabulary(RECIPES), 3), "the prior is for embeddings of size 3, and the towers' is 4"),
    ],
)
def test_bad_priors(prior: Any, message: str):
    with pytest.raises(ArgumentError, match=message):
        model_of(interactions(10), prior=prior)


def test_a_prior_needs_candidates():
    with pytest.raises(ArgumentError, match="a prior needs the candidates"):
        rl.RetrievalModel(rl.IdTower([1], 2), rl.IdTower([1], 2), query_id="u", candidate_id="r", prior="popularity")


def test_times_are_needed_where_it_drifts():
    prior = PopularityPrior(rl.Vocabulary(RECIPES), 3, time="date")
    with pytest.raises(ArgumentError, match="the prior drifts with column 'date', and there are no times"):
        prior.count(["soup"])
    prior.count(["soup", "pie", "pie"], np.array([np.iinfo(np.int64).min] * 3))
    assert np.isfinite(prior.log_popularity.numpy()).all()
