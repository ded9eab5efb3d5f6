"""Steps of our own between batches: the same as Keras's, whatever the number of batches and of steps at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.training.grouped_batches import GroupedBatches, in_groups
from reciperec_layers.training.step_functions import over_batches, takes_own_steps


class Batches(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append((batch, float(logs["loss"])))


def patch_everywhere(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], by: Callable[..., Any]) -> None:
    """Patches a function in all modules of the package that import it, wherever it is used now."""
    for name, module in list(sys.modules.items()):
        if name.startswith("reciperec_layers.") and getattr(module, function.__name__, None) is function:
            monkeypatch.setattr(module, function.__name__, by)


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")  # Keras's, where it is not told how much
@pytest.mark.parametrize("steps_per_execution", [1, 2, 7])
@pytest.mark.parametrize("source", ["known", "unknown", "arrays", "steps_per_epoch"])
def test_fit_and_evaluate_do_as_keras_does(make_model, pairs, monkeypatch, steps_per_execution, source):
    """Five batches, of which the last is smaller."""

    steps = []

    def recorded(step, steps_per_execution):
        steps.append(step.__name__)
        return over_batches(step, steps_per_execution)

    patch_everywhere(monkeypatch, over_batches, recorded)

    def run():
        model = make_model(steps_per_execution=steps_per_execution)
        data = rl.data.batches(pairs, 5, seed=1)
        options = {}
        if source == "unknown":
            data = data.filter(lambda batch: True)
        elif source == "arrays":
            data, options = pairs, {"batch_size": 5, "shuffle": False}
        elif source == "steps_per_epoch":
            data, options = data.repeat(), {"steps_per_epoch": 3}
        batches = Batches()
        history = model.fit(data, epochs=3, verbose=0, callbacks=[batches], **options).history
        results = model.evaluate(pairs, batch_size=5, return_dict=True, verbose=0)
        return [*map(np.asarray, history.values()), *results.values(), batches.ends, *model.get_weights()]

    own = run()
    assert steps == ["train_step", "test_step"]
    patch_everywhere(monkeypatch, takes_own_steps, lambda model: False)
    keras_own = run()
    assert steps == ["train_step", "test_step"]  # no others: these were Keras's
    for ours, theirs in zip(own, keras_own, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_batch_that_was_held_is_not_lost_and_another_iterator_starts_at_its_begin():
    run = over_batches(lambda batch: {"batch": batch}, 2)
    first, second = (iter(tf.data.Dataset.range(start, start + 5)) for start in (0, 10))
    seen = [int(run(iterator)["batch"]) for iterator in (first, first, second, second, second)]
    assert seen == [1, 3, 11, 13, 14]
    with pytest.raises(StopIteration):
        run(second)


@pytest.mark.parametrize(("steps_per_execution", "end"), [(1, tf.errors.OutOfRangeError), (3, StopIteration)])
def test_the_end_of_the_batches_is_what_keras_waits_for(steps_per_execution, end):
    run = over_batches(lambda batch: {"batch": batch}, steps_per_execution)
    with pytest.raises(end):
        run(iter(tf.data.Dataset.range(0)))


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_single_batches(make_model, pairs, steps_per_execution):
    model = make_model(optimizer=keras.optimizers.SGD(1e-3), steps_per_execution=steps_per_execution)
    batch = {"user_id": tf.constant(pairs["user_id"]), "recipe_id": tf.constant(pairs["recipe_id"])}
    before = model.test_on_batch(batch, return_dict=True)["loss"]
    model.train_on_batch(batch)
    assert model.test_on_batch(batch, return_dict=True)["loss"] < before


def test_eager_models_and_those_of_a_strategy_are_keras_own(make_model):
    assert takes_own_steps(make_model())
    assert not takes_own_steps(make_model(run_eagerly=True))
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        model = make_model()
        assert not takes_own_steps(model)
    assert not takes_own_steps(model)


def test_batches_of_one_size_come_in_groups(make_model, pairs):
    batches = rl.data.batches(pairs, 5, seed=1, drop_remainder=True)
    grouped = in_groups(batches, 2)
    assert isinstance(grouped, GroupedBatches)
    assert int(grouped.cardinality()) == int(batches.cardinality()) == 4
    model = make_model(steps_per_execution=2)
    seen = Batches()
    model.fit(batches, epochs=2, verbose=0, callbacks=[seen])
    assert [batch for batch, _ in seen.ends] == [1, 3] * 2


@pytest.mark.parametrize("size", [2, 3, 7])
def test_groups_train_as_single_batches_do(make_model, pairs, size):
    """Six batches: of 2 and 3 a whole number of groups, of 7 less than one."""
    columns = {name: np.asarray(column)[:18].reshape(6, 3) for name, column in pairs.items()}
    batches = tf.data.Dataset.from_tensor_slices((columns, np.zeros((6, 3)), np.arange(18.0).reshape(6, 3)))

    def run(steps_per_execution):
        model = make_model(steps_per_execution=steps_per_execution)
        history = model.fit(batches, epochs=2, verbose=0, validation_data=batches).history
        return [*history.values(), *model.evaluate(batches, verbose=0, return_dict=True).values(), *model.get_weights()]

    assert isinstance(in_groups(batches, size), GroupedBatches)
    for grouped, single in zip(run(size), run(1), strict=True):
        np.testing.assert_allclose(grouped, single, rtol=1e-6)


@pytest.mark.parametrize(
    "batches",
    [
        tf.data.Dataset.range(7).batch(2),
        tf.data.Dataset.from_tensors(tf.ragged.constant([[1], [2, 3]])),
        tf.data.Dataset.from_tensors(tf.zeros([2**22])),
    ],
    ids=["a remainder", "ragged", "large"],
)
def test_what_has_no_groups_stays_what_it_is(batches):
    assert in_groups(batches, 2) is batches


@pytest.mark.parametrize("loss", ["default", "in batch", "sampled"])
def test_a_step_is_traced_once(loss):
    """What a step needs is made before: a function that makes variables while it is traced is traced once more."""
    traced = []

    class Traced(rl.RetrievalModel):
        def compute_losses(self, batch, training):
            traced.append(training)
            return super().compute_losses(batch, training)

    rows = {"user_id": np.arange(60) % 9, "recipe_id": np.arange(60) % 7, "hour": np.arange(60) % 24}
    recipes = {
        "recipe_id": np.arange(7),
        "minutes": np.arange(7) * 10.0,
        "name": [f"stew {word}" for word in "abcdefg"],
    }
    model = Traced.from_data(rows, recipes, seed=1)
    losses = {"in batch": rl.losses.InBatchSoftmax(), "sampled": rl.losses.CorpusSoftmax(num_sampled=3)}
    model.compile(loss=losses.get(loss))
    model.fit(rows, epochs=2, verbose=0)
    assert traced == [True]
    model.evaluate(rows, verbose=0)
    assert traced == [True, False]
