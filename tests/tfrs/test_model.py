"""Models in the style of TFRS: lazy weights, files, errors."""

from __future__ import annotations

import json
import os
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers import tfrs
from reciperec_layers.errors import ArgumentError, ModelFileError, OutputExistsError

ROWS = {"user": np.array(["ann", "bob", "ann", "eve"] * 5), "film": np.arange(20) % 6}
DATA = tf.data.Dataset.from_tensor_slices(ROWS).batch(5)


def tower(vocabulary, lookup=keras.layers.StringLookup, units=4):
    """Its weights are made by the first batch."""
    ids = lookup(vocabulary=vocabulary, mask_token=None)
    return keras.Sequential([ids, keras.layers.Embedding(len(vocabulary) + 1, 8), keras.layers.Dense(units)])


class TwoTowers(tfrs.Model):
    def __init__(self, units=4):
        super().__init__()
        self.user_model, self.film_model = tower(["ann", "bob"]), tower(np.arange(6), keras.layers.IntegerLookup, units)
        films = tf.data.Dataset.range(6).batch(4).map(self.film_model)
        self.task = tfrs.tasks.Retrieval(metrics=tfrs.metrics.FactorizedTopK(films, ks=(1, 3)))

    def compute_loss(self, features, training=False):
        return self.task(self.user_model(features["user"]), self.film_model(features["film"]))


class Lazy(TwoTowers):
    """Without candidates, which would make the weights of a tower when the dataset is mapped."""

    def __init__(self):
        tfrs.Model.__init__(self)
        self.user_model, self.film_model = tower(["ann", "bob"]), tower(np.arange(6), keras.layers.IntegerLookup)
        self.task = tfrs.tasks.Retrieval()


def compiled(model):
    model.compile(keras.optimizers.Adagrad(0.1))
    return model


@pytest.mark.parametrize(
    ("make", "name"), [(TwoTowers, "film.weights.h5"), (Lazy, "film.h5"), (Lazy, "film.ckpt"), (TwoTowers, "film")]
)
def test_weights_under_any_name(make, name, tmp_path):
    model = compiled(make())
    model.fit(DATA, verbose=0)
    model.save_weights(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    expected = model.evaluate(DATA, return_dict=True, verbose=0)
    other = compiled(make())
    other.load_weights(tmp_path / name)  # it has no weights yet
    assert other.evaluate(DATA, return_dict=True, verbose=0) == pytest.approx(expected, rel=1e-6)
    other.fit(DATA, verbose=0)
    other.load_weights(tmp_path / name)  # now it has
    assert other.evaluate(DATA, return_dict=True, verbose=0) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(OutputExistsError):
        model.save_weights(tmp_path / name, overwrite=False)


def test_nothing_is_changed_by_weights_of_other_towers(tmp_path):
    model = compiled(Lazy())
    model.fit(DATA, verbose=0)
    before = model.get_weights()
    (tmp_path / "note.h5").write_text("no weights")
    with pytest.raises(ModelFileError, match="the weights cannot be loaded"):
        model.load_weights(tmp_path / "note.h5")
    with pytest.raises(ModelFileError, match="there is no such file"):
        model.load_weights(tmp_path / "missing.h5")
    (tmp_path / "old.index").write_text("")
    with pytest.raises(ModelFileError, match="a checkpoint of TensorFlow, as Keras 2 wrote them"):
        model.load_weights(tmp_path / "old")
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ModelFileError, match="Use an intact file of a model with the same towers"):
        model.load_weights(tmp_path / "other.weights.h5")
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_weights_are_read_from_a_folder_that_takes_no_files(tmp_path, monkeypatch):
    model = compiled(Lazy())
    model.fit(DATA, verbose=0)
    model.save_weights(tmp_path / "film.h5")
    before = model.get_weights()
    model.fit(DATA, verbose=0)
    touched = []
    monkeypatch.setattr(os, "link", lambda *paths: touched.append(paths))
    monkeypatch.setattr("reciperec_layers.saving.work_folders._make", touched.append)
    model.load_weights(tmp_path / "film.h5")
    assert touched == []
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_what_an_optimizer_has_learned_comes_back_where_a_file_is_refused(tmp_path):
    model = compiled(Lazy())
    model.fit(DATA, verbose=0)
    before = [variable.numpy() for variable in model.optimizer.variables]

    def half_loaded(*args, **kwargs):
        for variable in model.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        raise ValueError("damaged")

    model.save_weights(tmp_path / "film.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "load_weights", half_loaded)
        with pytest.raises(ModelFileError, match="damaged"):
            model.load_weights(tmp_path / "film.h5")
    for variable, old in zip(model.optimizer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)


def test_a_model_without_weights_is_not_saved(tmp_path):
    with pytest.raises(ArgumentError, match="has no weights yet"):
        compiled(Lazy()).save_weights(tmp_path / "film.h5")


SAVED = """
import json, sys
import numpy as np, tensorflow as tf, keras
import reciperec_layers.tfrs as tfrs

@keras.saving.register_keras_serializable("films")
class Films(tfrs.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        lookup = keras.layers.StringLookup(vocabulary=["ann", "bob"], mask_token=None)
        self.user_model = keras.Sequential([lookup, keras.layers.Embedding(3, 8), tfrs.layers.blocks.MLP([6, 4])])
        self.rating_model = keras.Sequential([tfrs.layers.dcn.Cross(), keras.layers.Dense(1)])
        self.task = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError())

    def call(self, features):
        return self.rating_model(self.user_model(features["user"]))

    def compute_loss(self, features, training=False):
        return self.task(labels=features["rating"], predictions=self(features))

rows = {"user": np.array(["ann", "bob", "eve"]), "rating": np.array([[1.0], [2.0], [3.0]], "float32")}
act, path = sys.argv[1:]
if act == "save":
    model = Films()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(tf.data.Dataset.from_tensor_slices(rows).batch(2), epochs=3, verbose=0)
    model.save(path)
else:
    model = keras.models.load_model(path)
print(json.dumps(model({"user": tf.constant(rows["user"])}).numpy().ravel().tolist()))
"""


def test_a_registered_model_is_saved_whole(tmp_path, preloaded):
    script = tmp_path / "films.py"
    script.write_text(SAVED)
    saved, loaded = (
        subprocess.run(
            [*preloaded, str(script), act, "films.keras"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        for act in ("save", "load")
    )
    np.testing.assert_allclose(json.loads(loaded.stdout), json.loads(saved.stdout), rtol=1e-6)


def test_the_variant_without_the_base_class():
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.user_model, self.film_model = tower(["ann", "bob"]), tower(np.arange(6), keras.layers.IntegerLookup)
            films = tf.data.Dataset.range(6).batch(4).map(self.film_model)
            self.task = tfrs.tasks.Retrieval(metrics=tfrs.metrics.FactorizedTopK(films, ks=(1, 3)))

        def call(self, features):
            return self.user_model(features["user"])

        def train_step(self, features):
            with tf.GradientTape() as tape:
                loss = self.task(self.user_model(features["user"]), self.film_model(features["film"]))
                total_loss = loss + sum(self.losses)
            gradients = tape.gradient(total_loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return self.logs(loss, total_loss)

        def test_step(self, features):
            loss = self.task(self.user_model(features["user"]), self.film_model(features["film"]))
            return self.logs(loss, loss + sum(self.losses))

        def logs(self, loss, total_loss):
            metrics = {metric.name: metric.result() for metric in self.metrics}
            return {**metrics, "loss": loss, "regularization_loss": total_loss - loss, "total_loss": total_loss}

    model = compiled(Plain())
    history = model.fit(DATA, epochs=3, verbose=0, shuffle=False).history
    assert history["loss"][-1] < history["loss"][0]
    found = model.evaluate(DATA, return_dict=True, verbose=0)
    names = [f"factorized_top_k/top_{k}_categorical_accuracy" for k in (1, 3)]
    assert sorted(found) == sorted([*names, "loss", "regularization_loss", "total_loss"])
    assert 0 < found[names[1]] <= 1


def test_rows_that_repeat_in_a_batch_are_summed():
    class Table(tfrs.Model):
        def __init__(self):
            super().__init__()
            self.table = keras.layers.Embedding(3, 1, embeddings_initializer="zeros")
            self.table.build()

        def compute_loss(self, ids, training=False):
            return tf.reduce_sum(2 * self.table(ids))

    model = Table()
    model.compile(keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.1, epsilon=0))
    model.train_on_batch(np.array([1, 1, 1]))
    expected = -0.1 * 6 / np.sqrt(0.1 + 6**2)
    np.testing.assert_allclose(model.table.embeddings.numpy().ravel(), [0, expected, 0], rtol=1e-5)


def test_regularization_and_its_names():
    class Regularized(tfrs.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1, kernel_initializer="ones", kernel_regularizer=keras.regularizers.L2(0.5))

        def compute_loss(self, inputs, training=False):
            return tf.reduce_sum(self.dense(inputs))

    model = Regularized()
    model.compile(keras.optimizers.SGD(0.0))
    found = model.evaluate(tf.data.Dataset.from_tensor_slices(np.ones((4, 2))).batch(2), return_dict=True, verbose=0)
    assert found == pytest.approx({"loss": 4.0, "regularization_loss": 1.0, "total_loss": 5.0})


def test_what_a_model_must_say():
    class Silent(tfrs.Model):
        pass

    class Forgetful(tfrs.Model):
        def compute_loss(self, inputs, training=False):
            tf.reduce_sum(inputs["film"])

    with pytest.raises(NotImplementedError, match="`compute_loss` is not implemented"):
        compiled(Silent()).fit(DATA, verbose=0)
    with pytest.raises(ArgumentError, match="`compute_loss` returned None"):
        compiled(Forgetful()).fit(DATA, verbose=0)


def test_arrays_with_labels_are_given_as_a_tuple():
    class Ratings(tfrs.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)
            self.task = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError())

        def compute_loss(self, inputs, training=False):
            features, labels = inputs
            return self.task(labels, self.dense(features))

    model = compiled(Ratings())
    model.fit(np.ones((8, 2)), np.ones((8, 1)), epochs=2, batch_size=4, verbose=0)
    assert set(model.evaluate(np.ones((8, 2)), np.ones((8, 1)), return_dict=True, verbose=0)) >= {"loss", "total_loss"}


def test_one_metric_may_be_assigned():
    model = compiled(TwoTowers())
    films = tfrs.layers.factorized_top_k.BruteForce().index(np.eye(6, 4, dtype=np.float32))
    model.task.factorized_metrics = tfrs.metrics.FactorizedTopK(films, ks=(2,), name="new")
    assert "new/top_2_categorical_accuracy" in model.evaluate(DATA, return_dict=True, verbose=0)
    with pytest.raises(ArgumentError, match="must be metrics of all candidates"):
        tfrs.tasks.Retrieval(metrics=keras.metrics.Mean())
    with pytest.raises(ArgumentError, match="candidate ids must be supplied"):
        tfrs.tasks.Retrieval(remove_accidental_hits=True)(tf.eye(2), tf.eye(2))


def test_a_metric_that_is_replaced_is_gone():
    model = compiled(TwoTowers())
    name = "factorized_top_k/top_1_categorical_accuracy"
    model.evaluate(DATA, verbose=0)
    films = tfrs.layers.factorized_top_k.BruteForce().index(model.film_model(tf.range(6)))
    before = model.task.factorized_metrics
    model.task.factorized_metrics = [tfrs.metrics.FactorizedTopK(films, ks=(1,))]
    model.compile()
    found = model.evaluate(DATA, return_dict=True, verbose=0)
    scores = (model.user_model(ROWS["user"]) @ tf.transpose(model.film_model(tf.range(6)))).numpy()
    expected = np.mean((scores > scores[np.arange(20), ROWS["film"], np.newaxis] + 1e-6).sum(axis=1) < 1)
    assert found[name] == pytest.approx(expected)
    assert [metric.name for metric in model.metrics] == [name]
    model.task.factorized_metrics = before
    assert len(model.metrics) == 2


def test_extra_negatives_together_with_ids():
    films = tf.data.Dataset.from_tensor_slices((np.arange(5), np.eye(5, 4, dtype=np.float32))).batch(2)
    task = tfrs.tasks.Retrieval(metrics=tfrs.metrics.FactorizedTopK(films, ks=(1,)))
    candidates = np.eye(5, 4, dtype=np.float32)
    task(tf.eye(2, 4), candidates, candidate_ids=np.arange(5))
    assert float(task.metrics[0].result()) == 1


@pytest.mark.parametrize(
    ("make", "is_replaced"),
    [
        (lambda: keras.optimizers.Adagrad(0.2, epsilon=1e-4), True),
        (lambda: keras.optimizers.SGD(0.2), True),
        (lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.2, 2, 0.5)), True),
        (lambda: keras.optimizers.Adagrad(0.2, clipnorm=0.1), True),
        (lambda: keras.optimizers.SGD(0.2, momentum=0.5), False),
        (lambda: keras.optimizers.Adagrad(0.2, weight_decay=0.1), False),
        (lambda: keras.optimizers.Adam(0.2), False),
    ],
)
def test_optimizers_of_keras_do_what_they_do_with_whole_tables(make, is_replaced):
    class Table(tfrs.Model):
        def __init__(self):
            super().__init__()
            self.table = keras.layers.Embedding(4, 2, embeddings_initializer="ones")
            self.table.build()

        def compute_loss(self, ids, training=False):
            return tf.reduce_sum(self.table(ids) ** 2)

    model, optimizer = Table(), make()
    model.compile(optimizer)
    assert (model.optimizer is not optimizer) == is_replaced
    dense, other = keras.Variable(np.ones((4, 2), np.float32)), make()
    for ids in ([1, 1, 3], [0, 1, 1]):
        model.train_on_batch(np.array(ids))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(tf.convert_to_tensor(dense), ids) ** 2)
        gradient = tape.gradient(loss, dense.value)
        other.apply([tf.convert_to_tensor(gradient)], [dense])
    np.testing.assert_allclose(model.table.embeddings, dense, rtol=1e-5)
    if is_replaced and not callable(optimizer._learning_rate):
        optimizer.learning_rate = 0.5
        assert float(model.optimizer.learning_rate) == 0.5


class Rating(tfrs.Model):
    """As the tutorial on ranking has it: labels are popped, and the model calls itself."""

    def __init__(self):
        super().__init__()
        self.user_model, self.film_model = tower(["ann", "bob"]), tower(["0", "1", "2"])
        self.dense = keras.layers.Dense(1)
        self.task = tfrs.tasks.Ranking(keras.losses.MeanSquaredError(), [keras.metrics.RootMeanSquaredError()])

    def call(self, features):
        vectors = [self.user_model(features["user"]), self.film_model(features["film"])]
        return self.dense(tf.concat(vectors, axis=1))

    def compute_loss(self, features, training=False):
        labels = features.pop("rating")
        return self.task(labels=labels, predictions=self(features))


RATINGS = {"user": ROWS["user"], "film": ROWS["film"].astype(str), "rating": np.ones(20, np.float32)}


@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 2}, {"run_eagerly": True}])
def test_labels_may_be_popped(options):
    model = Rating()
    model.compile("adagrad", **options)
    rows = tf.data.Dataset.from_tensor_slices(RATINGS).batch(5)
    model.fit(rows, verbose=0)
    found = model.evaluate(rows, return_dict=True, verbose=0)["root_mean_squared_error"]
    predictions = model({name: RATINGS[name] for name in ("user", "film")}).numpy()
    assert found == pytest.approx(np.sqrt(np.mean((predictions - 1) ** 2)), rel=1e-5)


@pytest.mark.parametrize("way", ["tf.saved_model.save", "export"])
def test_a_saved_folder_can_be_called(way, tmp_path):
    model = compiled(Rating())
    model.fit(tf.data.Dataset.from_tensor_slices(RATINGS).batch(5), verbose=0)
    features = {"user": np.array(["ann", "zoe", "bob"]), "film": np.array(["2", "7", "0"])}
    expected = model(features).numpy()
    if way == "export":
        model.export(tmp_path / "folder", verbose=False)
    else:
        tf.saved_model.save(model, str(tmp_path / "folder"))
    loaded = tf.saved_model.load(str(tmp_path / "folder"))
    found = loaded(features) if way != "export" else loaded.serve(features)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    (of_signature,) = loaded.signatures["serving_default"](**{k: tf.constant(v) for k, v in features.items()}).values()
    np.testing.assert_allclose(of_signature, expected, rtol=1e-6)


def test_evaluate_lists_metrics_before_losses_as_there():
    model = compiled(TwoTowers())
    model.fit(DATA, verbose=0)
    accuracies = [f"factorized_top_k/top_{k}_categorical_accuracy" for k in (1, 3)]
    assert [metric.name for metric in model.metrics] == accuracies
    found, by_name = model.evaluate(DATA, verbose=0), model.evaluate(DATA, return_dict=True, verbose=0)
    assert found == [by_name[name] for name in (*accuracies, "loss", "regularization_loss", "total_loss")]


@pytest.mark.parametrize(
    ("projection_dim", "names"), [(None, {"_dense": (3, 3)}), (2, {"_dense_u": (3, 2), "_dense_v": (2, 3)})]
)
def test_the_weights_of_a_cross_layer_have_the_names_of_the_tutorial(projection_dim, names):
    cross = tfrs.layers.dcn.Cross(projection_dim)
    cross(tf.ones((1, 3)))
    assert {name: tuple(getattr(cross, name).kernel.shape) for name in names} == names
