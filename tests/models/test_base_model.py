"""What every model of the package has from BaseModel, seen at one that is no retrieval model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, DivergedError, OutputExistsError
from reciperec_layers.models import BaseModel

ROWS = {"minutes": [10.0, 30.0, 50.0, 70.0], "rating": [1.0, 2.0, 3.0, 4.0]}


@rl.serializable
class TwoMeans(BaseModel):
    """Two losses, whose minima are the means of two columns."""

    def __init__(self, penalty=0.0, **kwargs):
        super().__init__(**kwargs)
        self.penalty = penalty
        regularizer = keras.regularizers.L2(penalty) if penalty else None
        self.means = self.add_weight(shape=(2,), initializer="zeros", regularizer=regularizer, name="means")
        self.built = True

    def call(self, inputs):
        return inputs["minutes"] - self.means[0]

    def compute_losses(self, batch, training):
        def loss(column, mean):
            values = batch.features[column] - mean
            weights = tf.ones_like(values) if batch.sample_weight is None else tf.cast(batch.sample_weight, tf.float32)
            return tf.reduce_sum(weights * values**2) / tf.reduce_sum(weights)

        return {"minutes_loss": loss("minutes", self.means[0]), "rating_loss": loss("rating", self.means[1])}

    def get_config(self):
        return {**super().get_config(), "penalty": self.penalty}


def make(penalty=0.0, **options):
    model = TwoMeans(penalty)
    model.compile(keras.optimizers.SGD(0.5), **options)
    return model


@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 2}, {"run_eagerly": True}], ids=str)
def test_it_learns_from_all_its_losses(options):
    model = make(**options)
    history = model.fit(ROWS, batch_size=4, epochs=2, verbose=0).history
    np.testing.assert_allclose(model.get_weights()[0], [40, 2.5], rtol=1e-6)
    assert list(history) == ["minutes_loss", "rating_loss", "regularization_loss", "total_loss"]
    np.testing.assert_allclose(history["minutes_loss"], [np.mean(np.square(ROWS["minutes"])), 500])
    np.testing.assert_allclose(history["rating_loss"], [7.5, 1.25])
    np.testing.assert_allclose(history["total_loss"], [2100 + 7.5, 501.25])


def test_reported_losses_are_means_over_the_rows():
    model = make()
    model.means.assign([40.0, 2.5])
    for batch_size in (1, 3, 4):
        results = model.evaluate(ROWS, batch_size=batch_size, return_dict=True, verbose=0)
        assert results == pytest.approx(
            {"minutes_loss": 500, "rating_loss": 1.25, "regularization_loss": 0, "total_loss": 501.25}
        )
    assert [metric.name for metric in model.metrics] == list(results)


def test_sample_weights_and_regularization():
    model = make(penalty=0.25)
    model.means.assign([10.0, 4.0])
    results = model.evaluate(ROWS, sample_weight=[1, 0, 0, 1], batch_size=4, return_dict=True, verbose=0)
    expected = {"minutes_loss": 1800, "rating_loss": 4.5, "regularization_loss": 0.25 * 116, "total_loss": 1833.5}
    assert results == pytest.approx(expected)


def test_it_trains_under_a_strategy():
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = make()
    history = model.fit(ROWS, batch_size=4, epochs=2, verbose=0).history
    np.testing.assert_allclose(history["total_loss"], [2107.5, 501.25], rtol=1e-6)


def test_it_is_saved_whole_and_trained_further(tmp_path):
    model = make(penalty=0.1, steps_per_execution=2)
    model.fit(ROWS, batch_size=2, verbose=0)
    model.save(tmp_path / "means.keras")
    with pytest.raises(OutputExistsError):
        model.save(tmp_path / "means.keras", overwrite=False)
    loaded = keras.models.load_model(tmp_path / "means.keras")
    assert loaded.steps_per_execution == 2
    assert int(loaded.optimizer.iterations.numpy()) == 2
    for again in (model, loaded):
        again.fit(ROWS, batch_size=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_errors_name_the_class_that_raised_them():
    model = make()
    with pytest.raises(ArgumentError, match=r"^TwoMeans.compile: .*Accepted: optimizer, auto_scale_loss"):
        model.compile("sgd", lr=0.1)
    with pytest.raises(ArgumentError, match=r"^TwoMeans.fit: there are no classes"):
        model.fit(ROWS, class_weight={0: 1.0}, verbose=0)
    with pytest.raises(ArgumentTypeError, match=r"^TwoMeans.evaluate: `x` must not be a path"):
        model.evaluate("rows.csv")
    with pytest.raises(ArgumentTypeError, match=r"^TwoMeans: the dataset gives single rows"):
        model.fit(tf.data.Dataset.from_tensor_slices(ROWS), verbose=0)
    with pytest.raises(DivergedError, match=r"^TwoMeans.fit: the loss is not finite at step 1 of epoch 1"):
        model.fit({**ROWS, "minutes": [np.nan] * 4}, verbose=0)


def test_errors_of_a_subclass_of_retrieval_model_name_it():
    class ShopModel(rl.RetrievalModel):
        pass

    model = ShopModel(rl.IdTower([7], 2, feature="user_id"), rl.IdTower([9], 2, feature="recipe_id"))
    with pytest.raises(rl.errors.StateError, match=r"^ShopModel.recommend: the model has no candidates"):
        model.recommend({"user_id": [7]})
    with pytest.raises(ArgumentError, match=r"^ShopModel: both towers must have the same embedding_dim"):
        ShopModel(rl.IdTower([7], 2, feature="user_id"), rl.IdTower([9], 3, feature="recipe_id"))
