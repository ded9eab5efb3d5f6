"""What `fit` chooses by itself where `compile()` has left it open, and what a model of `from_data` begins with."""

from __future__ import annotations

import re
from itertools import pairwise

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, StateError
from reciperec_layers.models.training_choice import HeldOutGains
from reciperec_layers.negatives.corpus_negatives import CorpusNegatives
from tests.conftest import SHORT_SCHEDULES

pytestmark = pytest.mark.usefixtures("short_trainings")

RECIPES = {"recipe_id": np.arange(40)}


def of_tastes(seed: int = 0, num_users: int = 120, rows_each: int = 12) -> pd.DataFrame:
    """Each user likes recipes of one of four kinds."""
    generator = np.random.default_rng(seed)
    users = np.repeat(np.arange(num_users), rows_each)
    recipes = generator.integers(0, 10, len(users)) * 4 + users % 4
    return pd.DataFrame({"user_id": users, "recipe_id": recipes})


def of_nothing(seed: int = 0) -> pd.DataFrame:
    """Nobody's recipes say anything of his others."""
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.full(40, 0.3))
    recipes = generator.choice(40, 1_500, p=shares)
    return pd.DataFrame({"user_id": np.repeat(np.arange(150), 10), "recipe_id": recipes})


def model_of(frame: pd.DataFrame, **options) -> rl.RetrievalModel:
    options = {"query_tower": "id", "candidate_tower": "id", "embedding_dim": 8, "seed": 1} | options
    model = rl.RetrievalModel.from_data(frame, RECIPES, **options)
    model.compile(metrics=[])
    return model


def test_fit_chooses_and_then_trains_on_all_rows():
    frame = of_tastes()
    model, other = model_of(frame), model_of(frame)
    before = model.get_weights()
    choice = model.choose_training(frame, verbose=0)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert 1 <= choice.epochs <= choice.schedule_epochs
    assert choice.schedule_epochs in SHORT_SCHEDULES
    assert 0.02 <= choice.temperature <= 2.3
    assert choice.num_held_out == len(frame) // 10
    assert choice.ndcg > choice.ndcg_of_prior
    history = model.fit(frame, verbose=0)
    assert len(history.epoch) == choice.epochs
    assert model.in_batch_loss.temperature == choice.temperature
    other.fit(frame, verbose=0)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    _, ids = model.recommend({"user_id": [0, 1, 2, 3]}, k=5)
    assert (ids % 4 == np.arange(4)[:, np.newaxis]).mean() > 0.9


def test_a_model_that_cannot_beat_popularity_is_popularity(monkeypatch):
    monkeypatch.setattr("reciperec_layers.models.training_choice._STEPS_OF_TRIAL", 100)
    frame = of_nothing()
    model = model_of(frame)
    _, before = model.recommend({"user_id": [0, 1]}, k=5)
    history = model.fit(frame, verbose=0)
    assert history.epoch == []
    _, ids = model.recommend({"user_id": [0, 1]}, k=5)
    assert ids.tolist() == before.tolist()
    counts = frame["recipe_id"].value_counts().reindex(RECIPES["recipe_id"], fill_value=0).to_numpy()
    assert ids[0].tolist() == np.argsort(-counts, kind="stable")[:5].tolist()


def test_choosing_leaves_the_temperature_as_it_was():
    frame = of_tastes()
    model = model_of(frame)
    before = model.evaluate(frame, verbose=0, return_dict=True)["loss"]
    model.choose_training(frame, verbose=0)
    assert model.in_batch_loss.temperature == 0.2
    assert model.evaluate(frame, verbose=0, return_dict=True)["loss"] == pytest.approx(before, rel=1e-5)


def test_a_fit_that_fails_before_its_first_epoch_can_be_corrected():
    frame = of_tastes()
    model, other = model_of(frame), model_of(frame)
    before = model.get_weights()
    with pytest.raises(ArgumentError, match="there are no classes"):
        model.fit(frame, class_weight={0: 2.0}, verbose=0)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert model.in_batch_loss.temperature == 0.2
    assert model.fit(frame, epochs=0, verbose=0).epoch == []
    assert len(model.fit(frame, verbose=0).epoch) == len(other.fit(frame, verbose=0).epoch) > 1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("has_times", [False, True])
def test_a_model_with_a_prior_trains_in_mixed_precision(policy, has_times):
    frame = of_tastes()
    if has_times:
        frame["time"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(len(frame)), "h")

    def embeddings_and_loss() -> tuple[np.ndarray, float]:
        model = model_of(frame)
        model.compile(loss=rl.losses.CorpusSoftmax(0.3), metrics=[])
        [loss] = model.fit(frame, epochs=1, verbose=0).history["loss"]
        return model.predict(frame[:50], verbose=0), loss

    expected = embeddings_and_loss()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        found = embeddings_and_loss()
    finally:
        keras.config.set_dtype_policy(before)
    assert found[1] == pytest.approx(expected[1], rel=0.02)
    # The columns of the prior are exact.
    np.testing.assert_array_equal(found[0][:, 8:], expected[0][:, 8:])


def test_fit_chooses_under_a_strategy(monkeypatch):
    monkeypatch.setattr("reciperec_layers.training.compile_arguments._LARGE", 39)
    monkeypatch.setattr("reciperec_layers.models.pair_loss.NUM_SAMPLED", 4)  # trials draw a sample
    frame = of_tastes()
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = model_of(frame)
    assert model.fit(frame, verbose=0).epoch
    assert keras.ops.convert_to_numpy(model.optimizer.learning_rate) == pytest.approx(0.01)
    _, ids = model.recommend({"user_id": [0, 1, 2, 3]}, k=5)
    assert (ids % 4 == np.arange(4)[:, np.newaxis]).mean() > 0.9


def test_who_was_not_in_training_gets_what_is_popular():
    frame = of_tastes()
    model = model_of(frame)
    model.fit(frame, epochs=3, verbose=0)
    counts = frame["recipe_id"].value_counts().reindex(RECIPES["recipe_id"], fill_value=0).to_numpy()
    _, ids = model.recommend({"user_id": [10_000, 0]}, k=40)
    popular = np.argsort(-counts, kind="stable").tolist()
    assert counts[ids[0]].tolist() == counts[popular].tolist()
    assert ids[1].tolist() != popular


def test_the_number_of_epochs_may_be_said_and_lines_tell_of_trials(capsys):
    frame = of_tastes()
    model = model_of(frame)
    history = model.fit(frame, epochs=2, verbose=2)
    assert len(history.epoch) == 2
    printed = capsys.readouterr().out
    assert "RetrievalModel.fit: popularity alone: NDCG" in printed
    assert "RetrievalModel.fit: temperature 0.2: NDCG" in printed
    assert "epochs: NDCG" not in printed
    # From now on it is a model that was trained: nothing is chosen, and Keras's one epoch is the default.
    assert len(model.fit(frame, verbose=0).epoch) == 1


def test_lines_and_callbacks_of_the_trial_of_epochs():
    frame, lines, seen = of_tastes(), [], []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["held_out_ndcg"]))
    choice = model_of(frame).choose_training(frame, verbose=lines.append, callbacks=[watch])
    assert max(seen) == choice.ndcg
    epochs = f"{choice.epochs} of {choice.schedule_epochs} epochs"
    chosen = f"temperature {choice.temperature:g}, {epochs}: NDCG {choice.ndcg:.4f}"
    assert chosen in lines


@pytest.mark.parametrize(("schedule", "is_longer"), [(3, True), (24, False)])
def test_lower_temperatures_are_tried_as_long_as_they_are_better(monkeypatch, schedule, is_longer):
    monkeypatch.setattr("reciperec_layers.models.training_choice.SCHEDULES", (schedule, 26))
    frame, lines, seen = of_tastes(), [], [[]]
    model = model_of(frame)
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen[-1].append(logs["held_out_ndcg"]),
        on_train_end=lambda logs: seen.append([]),
    )
    choice = model.choose_training(frame, verbose=lines.append, callbacks=[watch])
    form = rf"temperature (.*), (\d+) of {schedule} epochs: NDCG .*"
    trained = [found.groups() for line in lines if (found := re.fullmatch(form, line))]
    temperatures = [float(temperature) for temperature, _ in trained]
    # Each next one is lower by 1.4, until one is no better.
    best_of = [max(of_training) for of_training in seen[:-1]]
    assert len(best_of) == len(trained) >= 2
    assert all(lower / higher == pytest.approx(0.71, abs=0.02) for higher, lower in pairwise(temperatures))
    assert all(later > earlier for earlier, later in pairwise(best_of[:-1]))
    assert best_of[-1] <= best_of[-2] == choice.ndcg
    assert choice.temperature == temperatures[-2]
    # Where the last epochs were the best, more are taken, without a trial of them.
    best_epoch = 1 + int(np.argmax(seen[-3]))
    assert best_epoch == int(trained[-2][1])
    assert (choice.epochs, choice.schedule_epochs) == ((26, 26) if is_longer else (best_epoch, schedule))
    assert len(model.fit(frame, verbose=0).epoch) == choice.epochs


@pytest.mark.parametrize(("rival", "epochs"), [([], 5), ([0.7], 1), ([0.6, 0.7], 2), ([0.9, 0.51], 2), ([0.51] * 3, 5)])
def test_a_temperature_far_behind_another_is_given_up(rival, epochs):
    frame = of_tastes()
    model = model_of(frame)
    watch = HeldOutGains(lambda: np.array([0.4, 0.6]), np.zeros(2), patience=5, rival=rival)
    model.fit(frame, epochs=5, callbacks=[watch], verbose=0)
    assert watch.means == [0.5] * epochs
    assert (watch.best, watch.best_epoch) == (0.5, 1)


@pytest.mark.parametrize("loss", [None, rl.losses.CorpusSoftmax(0.3)])
def test_trials_draw_a_sample_and_training_takes_the_whole_corpus(monkeypatch, loss):
    monkeypatch.setattr("reciperec_layers.training.compile_arguments._LARGE", len(RECIPES["recipe_id"]) - 1)
    monkeypatch.setattr("reciperec_layers.models.pair_loss.NUM_SAMPLED", 4)
    frame, drawn, draw = of_tastes(), [], CorpusNegatives.draw

    def recorded(negatives, *args, training, **options):
        found = draw(negatives, *args, training=training, **options)
        drawn.append(found.log_weights is not None)
        return found

    monkeypatch.setattr(CorpusNegatives, "draw", recorded)
    model = model_of(frame)
    model.compile(loss=loss, metrics=[])
    model.choose_training(frame, verbose=0)
    assert set(drawn) == {loss is None}
    model.fit(frame, verbose=0)
    assert drawn[-1] is False


@pytest.mark.parametrize(("columns", "is_sampled"), [({}, False), ({"kind": ["sweet", "salty"] * 20}, True)])
def test_a_large_corpus_is_sampled_where_it_costs_more_than_a_table(monkeypatch, columns, is_sampled):
    monkeypatch.setattr("reciperec_layers.training.compile_arguments._LARGE", 39)
    model = rl.RetrievalModel.from_data(of_tastes(), {**RECIPES, **columns})
    model.compile()
    assert (model.in_batch_loss.num_sampled is not None) == is_sampled
    assert model.in_batch_loss.top_k == 20


@pytest.mark.parametrize(("num_sampled", "large", "size"), [(None, 39, 256), (4, 39, 128), (None, 40, 128)])
def test_a_batch_has_more_queries_where_a_large_corpus_is_taken_whole(monkeypatch, num_sampled, large, size):
    monkeypatch.setattr("reciperec_layers.training.compile_arguments._LARGE", large)
    frame, steps = of_tastes(num_users=6_000, rows_each=2), []
    model = model_of(frame)
    model.compile(loss=rl.losses.CorpusSoftmax(0.3, num_sampled=num_sampled), metrics=[])
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: steps.append(step))
    model.fit(frame, callbacks=[watch], verbose=0)
    assert len(steps) == -(-6_000 // size)


def test_with_few_rows_nothing_is_chosen():
    frame = of_tastes(num_users=40)
    model = model_of(frame)
    choice = model.choose_training(frame, verbose=0)
    assert (choice.temperature, choice.epochs, choice.num_held_out) == (None, 10, 0)
    assert len(model.fit(frame, verbose=0).epoch) == 10
    assert model.in_batch_loss.temperature == pytest.approx(0.2)


def test_a_loss_that_is_given_keeps_its_temperature_and_one_epoch_is_the_default():
    frame = of_tastes()
    model = model_of(frame)
    model.compile(loss=rl.losses.CorpusSoftmax(0.3), metrics=[])
    assert len(model.fit(frame, verbose=0).epoch) == 1
    assert model.in_batch_loss.temperature == pytest.approx(0.3)
    asked = model_of(frame)
    asked.compile(loss=rl.losses.CorpusSoftmax(0.3), metrics=[])
    choice = asked.choose_training(frame, verbose=0)
    assert choice.temperature is None
    assert len(asked.fit(frame, verbose=0).epoch) == choice.epochs
    assert asked.in_batch_loss.temperature == pytest.approx(0.3)


def test_what_is_validated_or_weighs_nothing_has_no_part_in_the_choice():
    frame = of_tastes()
    noise = pd.DataFrame(
        {"user_id": frame["user_id"], "recipe_id": np.random.default_rng(1).integers(0, 40, len(frame))}
    )
    both = pd.concat([frame, noise], ignore_index=True)
    plain, split = model_of(frame), model_of(frame)
    plain.fit(frame, epochs=1, verbose=0)
    split.fit(both, epochs=1, validation_split=0.5, verbose=0)
    assert plain.in_batch_loss.temperature == split.in_batch_loss.temperature
    np.testing.assert_array_equal(plain.candidate_embeddings(), split.candidate_embeddings())


def test_only_a_new_model_of_from_data_can_be_tried_out():
    frame = of_tastes(num_users=40)
    uncompiled = rl.RetrievalModel.from_data(frame, RECIPES)
    trained = model_of(frame)
    trained.fit(frame, epochs=1, verbose=0)
    plain = rl.RetrievalModel(rl.IdTower(np.arange(40), 4, feature="user_id"), rl.IdTower(np.arange(40), 4), RECIPES)
    plain.compile()
    for model in (uncompiled, trained, plain, keras.models.clone_model(trained)):
        with pytest.raises(StateError, match="was not trained yet"):
            model.choose_training(frame)


def test_a_file_or_config_of_an_untrained_model_leaves_open_what_the_model_does(tmp_path):
    frame = of_tastes()
    model = model_of(frame)
    model.save(tmp_path / "new.keras")
    loaded, cloned = rl.load_model(tmp_path / "new.keras"), keras.models.clone_model(model)
    cloned.compile(metrics=[])
    epochs = len(model.fit(frame, verbose=0).epoch)
    assert epochs > 1
    assert len(loaded.fit(frame, verbose=0).epoch) == epochs
    assert loaded.in_batch_loss.temperature == model.in_batch_loss.temperature
    np.testing.assert_array_equal(loaded.candidate_embeddings(), model.candidate_embeddings())
    assert len(cloned.fit(frame, verbose=0).epoch) > 1
    model.save(tmp_path / "trained.keras")
    assert len(rl.load_model(tmp_path / "trained.keras").fit(frame, verbose=0).epoch) == 1


def test_a_model_made_by_hand_chooses_where_it_is_asked_to():
    frame = of_tastes()
    towers = (
        rl.IdTower(np.arange(ends), 8, feature=name, seed=1) for ends, name in ((120, "user_id"), (40, "recipe_id"))
    )
    model = rl.RetrievalModel(*towers, RECIPES, normalize=True, chooses_training=True, seed=1)
    model.compile(metrics=[])
    assert len(model.fit(frame, verbose=0).epoch) > 1


def test_each_row_has_a_weight():
    frame = of_tastes(num_users=40)
    for method in ("fit", "choose_training"):
        with pytest.raises(ArgumentError, match=f"{method}: `sample_weight` must have .* each of 480 rows"):
            getattr(model_of(frame), method)(frame, sample_weight=np.ones(3), verbose=0)


def test_rows_of_strangers_are_warned_of():
    frame = of_tastes()
    with pytest.warns(
        UserWarning, match=r"fit: the query tower knows nothing of the first 1,000 rows\. Check their ids"
    ):
        model_of(frame).fit(frame.assign(user_id=frame["user_id"] + 1_000), epochs=1, verbose=0)


def test_a_training_that_takes_long_says_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr("reciperec_layers.models.training_choice._SECONDS_BETWEEN_LINES", 0.0)
    model_of(of_tastes()).choose_training(of_tastes(), verbose=1)
    lines = re.findall(
        r"temperature [.\d]+, epoch (\d+) of (\d+): NDCG \.?\d[.\d]*, at most \d+ s left", capsys.readouterr().out
    )
    assert lines[:2] == [("1", str(SHORT_SCHEDULES[0])), ("2", str(SHORT_SCHEDULES[0]))]


def test_a_dataset_of_batches_serves_too():
    frame = of_tastes()
    model = model_of(frame)
    batches = model.batches(frame, 64, seed=1, by="query")
    choice = model.choose_training(batches, verbose=0)
    assert choice.num_held_out == len(frame) // 10
    assert len(model.fit(batches, verbose=0).epoch) == choice.epochs


def test_the_rate_falls_along_a_cosine_and_is_then_what_it_was():
    frame, rates = of_tastes(num_users=40), []
    model = model_of(frame)
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: rates.append(float(model.optimizer.learning_rate))
    )
    model.fit(frame, epochs=4, verbose=0, callbacks=[note])
    np.testing.assert_allclose(
        rates, [0.005 * (1 + np.cos(np.pi * (epoch + 0.5) / 4)) for epoch in range(4)], rtol=1e-5
    )
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    given = model_of(frame)
    given.compile(rl.optimizers.Adam(0.02), metrics=[])
    given.fit(frame, epochs=2, verbose=0)
    assert float(given.optimizer.learning_rate) == pytest.approx(0.02)


@pytest.mark.parametrize("tower", ["id", "mlp", "feature"])
def test_embeddings_have_length_1_whatever_the_tower(tower, tmp_path):
    frame = of_tastes(num_users=40)
    model = model_of(frame, query_tower=tower, candidate_tower=tower, query_dropout=0.5)
    model.fit(frame, epochs=1, verbose=0)
    of_queries = model.predict({"user_id": [0, 1, 2]}, verbose=0)[:, :8]
    np.testing.assert_allclose(np.linalg.norm(of_queries, axis=1), 1, rtol=1e-5)
    of_candidates = model.candidate_embeddings().to_numpy()[:, :8]
    np.testing.assert_allclose(np.linalg.norm(of_candidates, axis=1), 1, rtol=1e-5)
    dropped = np.asarray(model({"user_id": tf.constant([0, 1, 2], tf.int64)}, training=True))[:, :8]
    assert (dropped == 0).any()
    assert not (of_queries == 0).any()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert (loaded.normalize, loaded.query_dropout) == (True, 0.5)
    np.testing.assert_array_equal(loaded.predict({"user_id": [0, 1, 2]}, verbose=0)[:, :8], of_queries)
    assert loaded.in_batch_loss.temperature == model.in_batch_loss.temperature


def test_a_loop_of_ones_own_learns_too():
    frame = of_tastes(num_users=40)
    model = model_of(frame)
    assert not model.prior.gate.numpy().any()
    batch = rl.models.base_model.Batch({name: tf.constant(frame[name].to_numpy()) for name in frame})
    with tf.GradientTape() as tape:
        loss = model.compute_losses(batch, training=True)["loss"]
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(np.abs(tf.convert_to_tensor(each)).max() > 0 for each in gradients)
    assert model.prior.gate.numpy().all()


def test_rows_of_a_query_within_a_period_are_one_query():
    generator = np.random.default_rng(0)
    days = np.repeat(generator.integers(0, 2_000, 60), 10)
    frame = pd.DataFrame({"user_id": np.repeat(np.arange(60), 10), "recipe_id": generator.integers(0, 40, 600)})
    frame["timestamp"] = 10**9 + days * 86_400
    model = model_of(frame, query_dropout=0.0)
    columns = {name: tf.constant(frame[name].to_numpy()) for name in frame}
    together = model._pairs.distinct_queries(columns, "user_id")
    assert len(together[0]["user_id"]) == 60
    found = model.compute_losses(rl.models.base_model.Batch(columns), training=False)["loss"]
    queries = model(columns, training=False)
    corpus = model.encode_candidates({"recipe_id": tf.constant(RECIPES["recipe_id"])})
    logits = np.asarray(queries @ tf.transpose(corpus), np.float64) / model.in_batch_loss.temperature
    own = logits[np.arange(600), frame["recipe_id"]]
    expected = (1.2 * np.log(np.exp(logits).sum(axis=1)) - own).sum()
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("way", ["load_weights", "set_weights", "train_on_batch"])
def test_weights_that_are_there_are_gone_on_from(way, tmp_path):
    frame = of_tastes()
    trained, model = model_of(frame), model_of(frame)
    trained.fit(frame, epochs=1, verbose=0)
    if way == "load_weights":
        trained.save_weights(tmp_path / "of.weights.h5")
        model.load_weights(tmp_path / "of.weights.h5")
    elif way == "set_weights":
        model.set_weights(trained.get_weights())
    else:
        model.train_on_batch({name: frame[name][:64].to_numpy() for name in frame})
    before = model.candidate_embeddings().to_numpy()
    model.compile(keras.optimizers.SGD(0.0), metrics=[])
    assert len(model.fit(frame, verbose=0).epoch) == 1
    np.testing.assert_array_equal(model.candidate_embeddings().to_numpy(), before)


def test_a_dataset_that_may_not_fit_into_memory_is_not_collected(monkeypatch):
    frame = of_tastes()
    model = model_of(frame)
    monkeypatch.setattr("reciperec_layers.training.fit_arguments._MOST_ROWS", 1_000)
    assert len(model.fit(model.batches(frame, 64, seed=1, by="query"), verbose=0).epoch) == 1
    assert model.in_batch_loss.temperature == pytest.approx(0.2)
