"""The tower runs over the candidates once per evaluation and once after each step, and what it gives is of now."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers import tfrs
from reciperec_layers.errors import ArgumentError
from reciperec_layers.tfrs import held_candidates
from reciperec_layers.tfrs.held_candidates import HeldCandidates

IDS = np.arange(7, 27)


class Counted(keras.layers.Layer):
    """A table of embeddings that counts how often it is read."""

    def __init__(self):
        super().__init__()
        self.table = self.add_weight(shape=(30, 3), initializer="random_normal", name="table")
        self.num_runs = tf.Variable(0, trainable=False)
        self.built = True

    def call(self, ids):
        self.num_runs.assign_add(1)
        return tf.gather(self.table.value, ids)

    def of(self, ids):
        return self.table.numpy()[np.asarray(ids)]


def ids(batch_size=6):
    return tf.data.Dataset.from_tensor_slices(IDS).batch(batch_size)


FORMS = {
    "map": lambda tower: ids().map(tower),
    "map and prefetch": lambda tower: ids().map(tower).prefetch(2),
    "parallel map": lambda tower: ids().map(tower, num_parallel_calls=2),
    "two maps": lambda tower: ids().map(tower).map(lambda rows: 2 * rows),
    "ids beside": lambda tower: ids().map(lambda batch: (batch, tower(batch))),
    "zip": lambda tower: tf.data.Dataset.zip((ids(), ids().map(tower))),
    "a dict before": lambda tower: ids().map(lambda batch: {"id": batch}).map(lambda row: tower(row["id"])),
    "after a map": lambda tower: ids(1).unbatch().batch(4).map(tower),
}


@pytest.mark.parametrize("form", FORMS)
def test_embeddings_and_identifiers(form):
    tower = Counted()
    held = HeldCandidates(FORMS[form](tower), "Streaming")
    assert held.can_hold
    scale = 2 if form == "two maps" else 1
    np.testing.assert_allclose(held.columns().numpy().T, scale * tower.of(IDS), rtol=1e-6)
    expected = IDS if form in ("ids beside", "zip") else np.arange(20)
    assert held.identifiers.numpy().tolist() == expected.tolist()
    tower.table.assign(tower.table + 1.0)
    np.testing.assert_allclose(held.columns().numpy().T, scale * tower.of(IDS), rtol=1e-6)


def test_in_parts(monkeypatch):
    monkeypatch.setattr(held_candidates, "_ROWS_AT_ONCE", 8)
    tower = Counted()
    held = HeldCandidates(FORMS["ids beside"](tower), "Streaming")
    np.testing.assert_allclose(held.columns().numpy().T, tower.of(IDS), rtol=1e-6)

    @tf.function
    def columns():
        return held.columns()

    tower.table.assign(tower.table * 3.0)
    np.testing.assert_allclose(columns().numpy().T, tower.of(IDS), rtol=1e-6)


@pytest.mark.parametrize(
    "form",
    [
        lambda tower: ids().map(tower).unbatch().batch(3),
        lambda tower: ids().map(lambda batch: tower(batch) - tf.reduce_mean(tower(batch), axis=0)),
        lambda tower: ids(4).filter(lambda batch: tower(batch)[0, 0] < 9).map(tower),
    ],
    ids=["batched again", "not row by row", "filtered by weights"],
)
def test_other_datasets_are_gone_through_in_each_call(form):
    tower = Counted()
    dataset = form(tower)
    layer = tfrs.layers.factorized_top_k.Streaming(k=4).index_from_dataset(dataset)
    assert layer.candidates() is None
    queries = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    for _ in range(2):
        expected = np.sort(queries @ np.concatenate(list(dataset)).T, axis=1)[:, ::-1][:, :4]
        np.testing.assert_allclose(layer(queries)[0], expected, rtol=1e-5, atol=1e-6)
        metric = tfrs.metrics.FactorizedTopK(dataset, ks=(1, 4))
        metric.update_state(queries, np.full((5, 3), 100.0), sample_weight=None)
        tower.table.assign(tower.table * -2.0)


class Pairs(tfrs.Model):
    """Queries are ids, too."""

    def __init__(self, query_tower, tower):
        super().__init__()
        self.query_tower, self.tower = query_tower, tower
        self.task = tfrs.tasks.Retrieval(metrics=tfrs.metrics.FactorizedTopK(ids().map(tower), ks=(1, 5)))

    def compute_loss(self, inputs, training=False):
        queries = self.query_tower(inputs["query"])
        return self.task(queries, tf.gather(self.tower.table.value, inputs["item"]), compute_metrics=True)


@pytest.fixture
def pairs():
    model = Pairs(keras.layers.Embedding(10, 3), Counted())
    model.compile(keras.optimizers.Adagrad(0.5))
    random = np.random.default_rng(2)
    rows = {"query": random.integers(0, 10, 64), "item": random.choice(IDS, 64)}
    return model, tf.data.Dataset.from_tensor_slices(rows).batch(8)


def hits(model, rows, k):
    found = []
    for batch in rows:
        queries, items = model.query_tower(batch["query"]).numpy(), batch["item"].numpy()
        scores = queries.astype(np.float64) @ model.tower.of(IDS).T.astype(np.float64)
        true = scores[np.arange(len(items)), items - 7]
        found.append((scores > true[:, np.newaxis]).sum(axis=1) < k)
    return np.mean(np.concatenate(found))


def test_once_per_evaluation_and_once_after_each_step(pairs):
    model, rows = pairs
    runs = []

    def counted(action):
        before = int(model.tower.num_runs.numpy())
        result = action()
        runs.append(int(model.tower.num_runs.numpy()) - before)
        return result

    found = model.evaluate(rows, return_dict=True, verbose=0)
    assert found["factorized_top_k/top_5_categorical_accuracy"] == pytest.approx(hits(model, rows, 5))
    counted(lambda: model.evaluate(rows, verbose=0))
    counted(lambda: model.fit(rows, epochs=2, verbose=0))
    found = counted(lambda: model.evaluate(rows, return_dict=True, verbose=0))
    counted(lambda: model.evaluate(rows, verbose=0))
    assert found["factorized_top_k/top_5_categorical_accuracy"] == pytest.approx(hits(model, rows, 5))
    # Nothing has changed since the first; 16 steps, the first of which finds the embeddings as they were.
    assert runs == [0, 15, 1, 0]
    model.tower.table.assign(-model.tower.table)
    found = model.evaluate(rows, return_dict=True, verbose=0)
    assert found["factorized_top_k/top_1_categorical_accuracy"] == pytest.approx(hits(model, rows, 1))


def test_several_steps_an_execution(pairs):
    model, rows = pairs
    once = model.evaluate(rows, return_dict=True, verbose=0)
    model.compile(keras.optimizers.Adagrad(0.5), steps_per_execution=3)
    assert model.evaluate(rows, return_dict=True, verbose=0) == pytest.approx(once, rel=1e-6)


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        ([[1.0]], "must be a tf.data.Dataset"),
        (tf.data.Dataset.range(3), "must yield batches of candidate embeddings"),
        (tf.data.Dataset.from_tensor_slices({"a": [[1.0]]}).batch(1), "must yield batches of candidate embeddings"),
        (tf.data.Dataset.from_tensor_slices(([1], [2], [[1.0]])).batch(1), "must yield batches of candidate"),
        (tf.data.Dataset.from_tensor_slices([[1.0]]).batch(1).repeat(), "has no end"),
    ],
)
def test_what_is_refused(dataset, text):
    with pytest.raises(ArgumentError, match=text):
        HeldCandidates(dataset, "Streaming")
