"""What a model leaves behind when it is dropped: nothing, so that a loop over settings does not grow."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pandas as pd
import pytest
from tensorflow.python.framework import ops
from tensorflow.python.framework.func_graph import FuncGraph

import reciperec_layers as rl


def live_graphs():
    gc.collect()
    return weakref.WeakSet(thing for thing in gc.get_objects() if isinstance(thing, FuncGraph))


def live(make_model, pairs, options):
    """Makes a model that trains, evaluates and recommends, and drops it."""
    loss = rl.InBatchSoftmax(remove_accidental_hits=True)
    model = make_model(optimizer=rl.optimizers.Adagrad(0.1), loss=loss, **options)
    batches = rl.data.batches(pairs, 5, seed=1, drop_remainder=True)
    model.fit(batches, epochs=2, validation_data=batches, verbose=0)
    model.evaluate(pairs, exclude=rl.data.seen(pd.DataFrame(pairs), "user_id", "recipe_id"), verbose=0)
    model.predict(pairs, verbose=0)
    model.recommend({"user_id": [11]}, k=2)
    model.similar(["pie"], k=2)
    return weakref.ref(model), weakref.ref(model.query_tower.embedding_table.embeddings)


@pytest.mark.parametrize(
    "options",
    [{"corpus_metrics_in_training": True}, {"steps_per_execution": 2}, {"run_eagerly": True}],
    ids=["single steps", "several steps", "eager"],
)
def test_a_model_that_is_dropped_leaves_nothing(make_model, pairs, options):
    live(make_model, pairs, options)  # what TensorFlow and Keras make once stays
    keras.backend.clear_session()
    before, names = live_graphs(), set(ops.gradient_registry.list())
    dropped = live(make_model, pairs, options)
    keras.backend.clear_session()
    left = [graph for graph in live_graphs() if graph not in before]
    assert left == []
    assert set(ops.gradient_registry.list()) == names
    assert [each() for each in dropped] == [None, None]


def test_a_model_that_is_compiled_again_forgets_the_loss_and_the_metrics_before(make_model, pairs):
    model, metrics = make_model(compiled=False), [rl.metrics.TopKAccuracy(1), rl.metrics.Coverage(2)]
    losses = [rl.InBatchSoftmax(sampling_correction="counts", temperature=scale) for scale in (1.0, 0.5, 0.5, 0.1)]
    for loss in losses:
        model.compile("sgd", loss=loss, metrics=metrics if loss is losses[-1] else None)
    model.compile("sgd", loss=losses[-1], metrics=metrics)
    assert [layer for layer in model.layers if isinstance(layer, rl.losses.RetrievalLoss)] == [losses[-1]]
    assert model._metrics == metrics
    assert model.in_batch_loss is losses[-1]
    model.fit(pairs, verbose=0)
    assert np.isfinite(model.evaluate(pairs, verbose=0, return_dict=True)["loss"])


@pytest.mark.saving
def test_a_model_that_was_compiled_often_is_saved_with_its_last_loss(make_model, pairs, tmp_path):
    model = make_model()
    for temperature in (0.5, 0.25):
        model.compile("sgd", loss=rl.InBatchSoftmax(sampling_correction="counts", temperature=temperature))
        model.fit(pairs, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.in_batch_loss.temperature == 0.25
    assert [layer for layer in loaded.layers if isinstance(layer, rl.losses.RetrievalLoss)] == [loaded.in_batch_loss]
    counts = loaded.in_batch_loss.correction._counts.numpy()
    assert counts.sum() == 23  # of the last loss alone
    np.testing.assert_array_equal(counts, model.in_batch_loss.correction._counts.numpy())


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_a_model_does_not_keep_the_data_that_it_was_trained_with(make_model, pairs, steps_per_execution):
    model = make_model(steps_per_execution=steps_per_execution)
    batches = rl.data.batches(pairs, 5, seed=1)
    iterators = []
    run = model.make_train_function()

    def recorded(iterator):
        iterators.append(weakref.ref(iterator))
        return run(iterator)

    model.train_function = recorded
    model.fit(batches, epochs=2, validation_data=batches, verbose=0)
    model.evaluate(batches, verbose=0)
    dropped = weakref.ref(batches)
    del batches
    gc.collect()
    assert len(iterators) > 1
    assert [each() for each in (*iterators, dropped)] == [None] * (len(iterators) + 1)
