"""Training: one step by hand, whole runs with Keras's machinery, and what stops a run."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, DivergedError, UnknownIdError
from tests.models.conftest import RECIPES, USERS, rows_of
from tests.models.oracle import in_batch_loss, ranking, sgd_epoch


def test_a_step_is_the_textbooks(make_model, pairs):
    model = make_model()
    before = [weights.astype(np.float64) for weights in model.get_weights()]
    candidate_table, query_table = before
    query_rows, candidate_rows = rows_of(USERS, pairs["user_id"]), rows_of(RECIPES, pairs["recipe_id"])
    loss, query_gradient, candidate_gradient = in_batch_loss(query_table[query_rows], candidate_table[candidate_rows])
    np.subtract.at(query_table, query_rows, 0.1 * query_gradient)
    np.subtract.at(candidate_table, candidate_rows, 0.1 * candidate_gradient)

    history = model.fit(pairs, batch_size=23, shuffle=False, verbose=0)

    assert history.history["loss"][0] == pytest.approx(loss / 23, rel=1e-5)
    for after, expected in zip(model.get_weights(), (candidate_table, query_table), strict=True):
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


def test_the_reported_losses_are_means_over_rows_and_regularization_is_added(make_model, pairs):
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id", regularizer=keras.regularizers.L2(0.5), seed=1),
        rl.IdTower(RECIPES, 2, feature="recipe_id", seed=2),
    )
    model.compile(keras.optimizers.SGD(0.0))
    one, two = ({name: column[rows] for name, column in pairs.items()} for rows in (slice(0, 9), slice(9, 23)))
    both = [model.evaluate(part, return_dict=True, verbose=0, batch_size=23) for part in (one, two)]

    history = model.fit(tf.data.Dataset.from_tensors(one).concatenate(tf.data.Dataset.from_tensors(two)), verbose=0)

    for key in ("loss", "regularization_loss", "total_loss"):
        assert history.history[key][0] == pytest.approx(
            np.average([part[key] for part in both], weights=[9, 14]), rel=1e-5
        )
    table = model.query_tower.get_weights()[0]
    rows = np.unique(rows_of(USERS, one["user_id"]))
    assert both[0]["regularization_loss"] == pytest.approx(0.5 * np.square(table[rows]).sum() / 9, rel=1e-5)
    assert history.history["total_loss"][0] > history.history["loss"][0]


@pytest.mark.parametrize(
    "optimizer",
    [keras.optimizers.Adagrad, keras.optimizers.Adam, rl.optimizers.Adagrad],
    ids=["keras_adagrad", "keras_adam", "ours"],
)
def test_a_table_that_is_read_twice_is_updated_as_if_it_were_dense(optimizer):
    class Both(rl.towers.Tower):
        def __init__(self, table):
            super().__init__(2, features=["first", "second"])
            self.table = table
            self.built = True

        def call(self, inputs, training=None):
            return self.table(inputs["first"]) + self.table(inputs["second"])

    table = rl.layers.EmbeddingTable(4, 2, initializer=keras.initializers.RandomNormal(seed=3))
    dense = keras.Variable(table.embeddings.numpy())
    candidates = rl.IdTower([0, 1, 2, 3], 2, feature="recipe_id", seed=4)
    model = rl.RetrievalModel(Both(table), candidates)
    model.compile(optimizer(0.1))
    batch = {"first": np.array([0, 1, 1]), "second": np.array([1, 1, 3]), "recipe_id": np.array([0, 1, 2])}
    fixed = candidates(batch).numpy()
    queries = dense.numpy()[batch["first"]] + dense.numpy()[batch["second"]]
    _, gradient, _ = in_batch_loss(queries.astype(np.float64), fixed.astype(np.float64))
    whole = np.zeros((4, 2))
    np.add.at(whole, batch["first"], gradient)
    np.add.at(whole, batch["second"], gradient)
    reference = keras.optimizers.Adam if optimizer is keras.optimizers.Adam else keras.optimizers.Adagrad
    reference(0.1).apply([tf.constant(whole, tf.float32)], [dense])

    model.fit(batch, verbose=0)

    touched = [0, 1, 3]
    np.testing.assert_allclose(table.embeddings.numpy()[touched], dense.numpy()[touched], rtol=1e-4, atol=1e-5)


def test_weights_of_samples_count(make_model, pairs):
    weights = np.linspace(0, 2, 23).astype(np.float32)
    rows = rows_of(USERS, pairs["user_id"]), rows_of(RECIPES, pairs["recipe_id"])
    columns = {name: tf.constant(column) for name, column in pairs.items()}
    dataset = tf.data.Dataset.from_tensor_slices((columns, np.zeros(23), weights)).batch(7)
    for data, options in ((pairs, {"sample_weight": weights, "batch_size": 7, "shuffle": False}), (dataset, {})):
        model = make_model()
        candidate_table, query_table = (table.astype(np.float64) for table in model.get_weights())
        losses = [sgd_epoch(query_table, candidate_table, *rows, weights, 7, learning_rate=0.1) for _ in range(2)]

        assert model.fit(data, epochs=2, verbose=0, **options).history["loss"] == pytest.approx(losses, rel=1e-4)
        for after, expected in zip(model.get_weights(), (candidate_table, query_table), strict=True):
            np.testing.assert_allclose(after, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"steps_per_execution": 3}])
def test_how_steps_are_run_does_not_matter(make_model, pairs, options):
    expected, model = make_model(), make_model(**options)
    for each in (expected, model):
        each.fit(rl.data.batches(pairs, 5, seed=1), epochs=2, verbose=0)
    for after, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(after, other, rtol=1e-5, atol=1e-6)


def test_mixed_precision_trains(make_model, pairs):
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 4, feature="user_id", dtype="mixed_bfloat16"),
        rl.MLPTower(RECIPES, 4, feature="recipe_id", dtype="mixed_bfloat16"),
        {"recipe_id": RECIPES},
    )
    model.compile(rl.optimizers.Adagrad(0.1))
    losses = model.fit(pairs, epochs=10, batch_size=23, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert model.recommend({"user_id": [11]}, 2)[0].dtype == np.float32


def test_keras_callbacks_see_the_corpus_metrics(make_model, pairs, tmp_path):
    model = make_model(optimizer=keras.optimizers.SGD(0.0))
    key = "val_factorized_top_k/top_1_categorical_accuracy"
    callbacks = [
        keras.callbacks.EarlyStopping(key, mode="max", patience=1),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", key, mode="max", save_best_only=True),
        keras.callbacks.TensorBoard(tmp_path / "logs"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = model.fit(pairs, epochs=9, batch_size=5, validation_data=pairs, callbacks=callbacks, verbose=0)

    assert len(history.epoch) == 2  # no rate, no progress: the second epoch is no better
    assert history.history[key][0] == pytest.approx(
        model.evaluate(pairs, return_dict=True, verbose=0)["factorized_top_k/top_1_categorical_accuracy"]
    )
    loaded = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(loaded.recommend({"user_id": USERS}, 3)[1], model.recommend({"user_id": USERS}, 3)[1])
    assert any((tmp_path / "logs").rglob("events*"))
    assert "total_loss" in (tmp_path / "log.csv").read_text()


def test_a_resumed_run_equals_one_without_a_break(pairs, tmp_path):
    def make_model(seed=0):
        query = rl.IdTower(USERS, 3, feature="user_id", id_dropout=0.3, seed=seed)
        model = rl.RetrievalModel(query, rl.IdTower(RECIPES, 3, feature="recipe_id", seed=seed))
        model.compile(rl.optimizers.Adagrad(0.1))
        return model

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def run(model, epochs, callbacks=()):
        model.fit(rl.data.batches(pairs, 5, seed=1), epochs=epochs, callbacks=list(callbacks), verbose=0)

    whole = make_model()
    run(whole, 4)
    broken = make_model()
    with pytest.raises(KeyboardInterrupt):
        run(broken, 4, [keras.callbacks.BackupAndRestore(tmp_path / "backup"), Killed()])
    resumed = make_model(seed=9)
    run(resumed, 4, [keras.callbacks.BackupAndRestore(tmp_path / "backup")])

    for after, expected in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(after, expected)


def test_corpus_metrics_in_training_are_those_of_the_weights_after_the_step(make_model, pairs):
    model = make_model(optimizer=keras.optimizers.SGD(0.0), corpus_metrics_in_training=True)
    history = model.fit(pairs, batch_size=23, verbose=0).history
    evaluated = model.evaluate(pairs, return_dict=True, verbose=0)
    key = "factorized_top_k/top_1_categorical_accuracy"
    assert history[key][0] == pytest.approx(evaluated[key])
    assert key not in make_model().fit(pairs, verbose=0).history


def test_any_keras_layer_is_a_tower(pairs):
    ids = keras.Input((), dtype="int64", name="user_id")
    age = keras.Input((1,), name="age")
    joined = keras.layers.Concatenate()([rl.IdTower(USERS, 3)(ids), age])
    query = keras.Model({"user_id": ids, "age": age}, keras.layers.Dense(2)(joined))
    candidate = keras.Sequential([rl.IdTower(RECIPES, 4), keras.layers.Dense(2)])
    candidate(tf.constant(["pie"]))
    model = rl.RetrievalModel(query, candidate, {"recipe_id": RECIPES})
    model.compile("adam")
    batch = {**pairs, "age": np.ones((23, 1), np.float32)}
    losses = model.fit(batch, epochs=5, batch_size=23, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert model.recommend({"user_id": [11], "age": [[1.0]]}, 2)[1].shape == (1, 2)


def test_towers_by_config_and_by_name(pairs):
    model = rl.RetrievalModel(
        {"tower": "id", "vocabulary": USERS, "embedding_dim": 2, "feature": "user_id"},
        {"tower": "mlp", "vocabulary": RECIPES, "embedding_dim": 2, "feature": "recipe_id"},
    )
    assert isinstance(model.candidate_tower, rl.MLPTower)
    towers = {"query_tower": "id", "candidate_tower": "mlp"}
    named = rl.RetrievalModel.from_data(pairs, {"recipe_id": RECIPES}, **towers, embedding_dim=2)
    assert set(named.query_tower.vocabulary.ids) == set(pairs["user_id"])


@pytest.mark.parametrize("form", [dict, pd.DataFrame])
@pytest.mark.parametrize(("name", "given"), [("id", None), ("key", "key")])
def test_ids_of_candidates_may_have_another_name(pairs, form, name, given):
    candidates = form({name: RECIPES, "minutes": np.arange(5)})
    model = rl.RetrievalModel.from_data(
        pd.DataFrame(pairs), candidates, candidates_id_column=given, keep_columns=["minutes"]
    )
    assert model.corpus.names == ("recipe_id", "minutes")
    with pytest.raises(ColumnError, match="from_data: candidates: there is no column 'recipe_id'"):
        rl.RetrievalModel.from_data(pd.DataFrame(pairs), form({"kee": RECIPES}))


def test_a_loss_that_is_not_finite_stops_with_the_step(make_model, pairs):
    model = make_model(optimizer=keras.optimizers.SGD(1e30))
    with pytest.raises(DivergedError, match=r"not finite at step \d+ of epoch 1.*Try a lower learning rate"):
        model.fit(rl.data.batches(pairs, 5), epochs=3, verbose=0)


def test_an_unknown_id_is_named_from_inside_the_graph(pairs):
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id", num_oov_indices=0), rl.IdTower(RECIPES, 2, feature="recipe_id")
    )
    model.compile("sgd")
    with pytest.raises(UnknownIdError, match="1 of 2 ids are not in the vocabulary and num_oov_indices=0: 99"):
        model.fit({"user_id": [11, 99], "recipe_id": ["pie", "soup"]}, verbose=0)


def test_what_is_no_batch_of_columns_is_refused(make_model, pairs):
    model = make_model()
    with pytest.raises(ArgumentTypeError, match="must be a data frame, a dict of columns or batches.*data.batches"):
        model.fit(pairs["user_id"], np.zeros(23), verbose=0)
    rows = tf.data.Dataset.from_tensor_slices({name: tf.constant(column) for name, column in pairs.items()})
    with pytest.raises(ArgumentTypeError, match=r"single rows, not batches.*dataset\.batch"):
        model.fit(rows, verbose=0)


def test_there_are_no_targets(make_model, pairs):
    with pytest.raises(ArgumentError, match="fit: there are no targets.*the candidate of a row is a column of `x`"):
        make_model().fit(pairs, np.zeros(23), verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_each_row_has_a_weight(make_model, pairs, method):
    with pytest.raises(ArgumentError, match=rf"{method}: `sample_weight` must have one weight for each of \d+ rows"):
        getattr(make_model(), method)(pairs, sample_weight=np.ones(3))


def test_each_row_of_validation_has_a_weight(make_model, pairs):
    with pytest.raises(ArgumentError, match=r"fit: `sample_weight` must have one weight for each of \d+ rows"):
        make_model().fit(pairs, validation_data=(pairs, None, np.ones(3)), verbose=0)


def test_wrong_models_are_refused(make_model, pairs):
    with pytest.raises(ArgumentError, match="same embedding_dim.*query_tower=3, candidate_tower=2"):
        make_model(np.ones((5, 3)), np.ones((6, 2)))
    with pytest.raises(ColumnError, match="there is no column 'recipe_id'.*'recipe'"):
        rl.RetrievalModel(
            rl.IdTower(USERS, 2, feature="user_id"),
            rl.IdTower(RECIPES, 2, feature="recipe_id"),
            {"recipe": RECIPES},
            "recipe_id",
        )
    with pytest.raises(ArgumentError, match="which column `query_tower` reads"):
        rl.RetrievalModel(rl.IdTower(USERS, 2), rl.IdTower(RECIPES, 2), {"recipe_id": RECIPES})
    with pytest.raises(ArgumentError, match="XLA cannot compile hash tables"):
        make_model(jit_compile=True)
    with pytest.raises(ArgumentError, match="metrics of ranks or of recommendations"):
        make_model(metrics=["accuracy"])
    with pytest.raises(ColumnError, match="there is no column 'user_id'"):
        make_model().fit({"user": pairs["user_id"], "recipe_id": pairs["recipe_id"]}, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps_per_execution": 0}, "`steps_per_execution` must be"),
        ({"steps_per_execution": "auto"}, "`steps_per_execution` must be"),
        ({"loss_weights": [1], "weighted_metrics": []}, "there are no arguments 'loss_weights', 'weighted_metrics'"),
        ({"loss": rl.losses.InBatchSoftmax(reduction="none")}, "must give one number for a batch"),
    ],
)
def test_compile_refuses_what_it_would_not_heed(make_model, options, message):
    with pytest.raises(ArgumentError, match=message):
        make_model(**options)


@pytest.mark.parametrize("weights", [list, pd.Series, np.asarray])
def test_weights_of_rows_may_be_a_list_a_column_or_an_array(make_model, pairs, weights):
    values = np.arange(23) % 3 + 0.5
    given, model = weights(values), make_model()
    rows = rows_of(USERS, pairs["user_id"]), rows_of(RECIPES, pairs["recipe_id"])
    candidate_table, query_table = (table.astype(np.float64) for table in model.get_weights())

    def epoch(batch_size, learning_rate):
        return sgd_epoch(query_table, candidate_table, *rows, values, batch_size, learning_rate)

    history = model.fit(
        pairs, sample_weight=given, batch_size=7, shuffle=False, verbose=0, validation_data=(pairs, None, given)
    ).history
    found = model.evaluate(pairs, sample_weight=given, batch_size=23, verbose=0, return_dict=True)

    assert history["loss"] == pytest.approx([epoch(7, learning_rate=0.1)], rel=1e-5)
    assert history["val_loss"] == pytest.approx([epoch(7, learning_rate=0.0)], rel=1e-4)
    assert found["loss"] == pytest.approx(epoch(23, learning_rate=0.0), rel=1e-4)
    scores = query_table[rows[0]] @ candidate_table[1:].T
    hits = [ranking(row)[0] == true_row for row, true_row in zip(scores, rows[1] - 1, strict=True)]
    assert found["factorized_top_k/top_1_categorical_accuracy"] == pytest.approx(np.average(hits, weights=values))


def test_fit_says_what_it_does_not_take(make_model, pairs):
    with pytest.raises(ArgumentError, match="there are no classes.*sample_weight"):
        make_model().fit(pairs, class_weight={0: 1.0}, verbose=0)
    with pytest.raises(ArgumentTypeError, match=r"must not be a path.*data\.batches"):
        make_model().fit("interactions.parquet", verbose=0)
    with pytest.raises(ArgumentTypeError, match=r"must not be a path.*pandas\.read_csv\('interactions\.csv'\)"):
        make_model().fit("interactions.csv", verbose=0)


def fitted_by_seed(frame, seed, with_batches=False, num_rows=None, **options):
    recipes = {"recipe_id": range(10), "name": [f"soup {recipe % 3}" for recipe in range(10)]}
    model = rl.RetrievalModel.from_data(frame, recipes, embedding_dim=2, seed=seed)
    model.compile()
    x = model.batches(frame, 16, seed=seed, by="query") if with_batches else frame.iloc[:num_rows]
    model.fit(x, verbose=0, **(options if with_batches else {"batch_size": 16, **options}))
    return model.get_weights()


def test_the_seed_of_from_data_orders_the_rows_of_a_frame():
    frame = pd.DataFrame({"user_id": np.arange(60) % 7, "recipe_id": np.arange(60) * 3 % 10})
    first = fitted_by_seed(frame, 5, epochs=2)
    for other in (fitted_by_seed(frame, 5, epochs=2), fitted_by_seed(frame, 5, with_batches=True, epochs=2)):
        for one, two in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, two)
    kept = fitted_by_seed(frame, 5, epochs=2, shuffle=False)
    assert any((one != two).any() for one, two in zip(first, kept, strict=True))
    # What is given beside the frame keeps its meaning.
    weights = np.arange(60) % 2
    split = fitted_by_seed(frame, 5, sample_weight=weights, validation_split=0.5)
    half = fitted_by_seed(frame, 5, num_rows=30, sample_weight=weights[:30])
    alike = fitted_by_seed(frame, 5, num_rows=30)
    for one, two in zip(split, half, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any((one != two).any() for one, two in zip(half, alike, strict=True))


def test_the_global_seed_of_keras_orders_the_rows_where_there_is_no_other():
    frame = pd.DataFrame({"user_id": np.arange(60) % 7, "recipe_id": np.arange(60) * 3 % 10})
    found = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(seed)
        found.append(fitted_by_seed(frame, None))
    assert all((one == two).all() for one, two in zip(found[0], found[1], strict=True))
    assert any((one != two).any() for one, two in zip(found[0], found[2], strict=True))
