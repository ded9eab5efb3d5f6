"""Top-k layers: against sorting in NumPy, and what TensorFlow alone loads."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers import tfrs
from reciperec_layers.errors import ArgumentError, NotIndexedError
from reciperec_layers.indexes import BruteForceIndex, InvertedFileIndex

BruteForce, ScaNN, Streaming = (
    getattr(tfrs.layers.factorized_top_k, name) for name in ("BruteForce", "ScaNN", "Streaming")
)
RANDOM = np.random.default_rng(11)
EMBEDDINGS = RANDOM.normal(size=(50, 4)).astype(np.float32)
QUERIES = RANDOM.normal(size=(6, 4)).astype(np.float32)
NAMES = np.array([f"film {row}" for row in range(50)])
IDENTIFIERS = {
    "none": None,
    "text": NAMES,
    "int64": np.arange(100, 150),
    "int32": np.arange(100, 150, dtype=np.int32),
    "float64": np.arange(50) / 8,
}


def scann(**options):
    return ScaNN(num_leaves=1, num_leaves_to_search=1, **options)


LAYERS = {"BruteForce": BruteForce, "ScaNN": scann, "Streaming": Streaming}
pytestmark = pytest.mark.filterwarnings("ignore:ScaNN")


def indexed(kind, identifiers=None, **options):
    parts = EMBEDDINGS if identifiers is None else (identifiers, EMBEDDINGS)
    return LAYERS[kind](**options).index_from_dataset(tf.data.Dataset.from_tensor_slices(parts).batch(7))


def best(k, excluded=None):
    """Scores and rows by sorting, -inf and -1 where too few are left."""
    scores = QUERIES @ EMBEDDINGS.T
    if excluded is not None:
        for row, columns in enumerate(excluded):
            scores[row, columns] = -np.inf
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(scores, rows, axis=1)
    return found, np.where(np.isinf(found), -1, rows)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", IDENTIFIERS)
def test_scores_and_identifiers(kind, name):
    identifiers = IDENTIFIERS[name]
    layer = indexed(kind, identifiers, k=5)
    scores, found = layer(QUERIES)
    expected, rows = best(5)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert found.dtype == (tf.int32 if identifiers is None else tf.convert_to_tensor(identifiers).dtype)
    texts = found.numpy().astype(str) if name == "text" else found.numpy()
    np.testing.assert_array_equal(texts, rows if identifiers is None else identifiers[rows])
    assert layer(QUERIES, k=3)[0].shape == (6, 3)
    assert layer(QUERIES, k=80)[0].shape == (6, 50)  # there are no more
    assert layer.is_exact() == (kind != "ScaNN")


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_exclusions_leave_the_best_of_the_others(data):
    kind = data.draw(st.sampled_from(list(LAYERS)))
    k = data.draw(st.integers(1, 50))
    num_excluded = data.draw(st.integers(0, 50))
    excluded = np.stack([RANDOM.choice(50, num_excluded, replace=False) for _ in range(6)]).astype(int)
    scores, found = indexed(kind, NAMES).query_with_exclusions(QUERIES, NAMES[excluded], k=k)
    expected, rows = best(k, excluded)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    names = np.where(rows < 0, "", NAMES[rows])
    np.testing.assert_array_equal(found.numpy().astype(str), names)


@pytest.mark.parametrize("kind", ["BruteForce", "ScaNN"])
def test_many_queries_go_through_in_chunks(kind, monkeypatch):
    candidates = RANDOM.normal(size=(50, 4)).astype(np.float32)
    expected = np.argsort(-QUERIES @ candidates.T, axis=1)[:, :3]
    index = {"BruteForce": BruteForceIndex, "ScaNN": InvertedFileIndex}[kind]
    for queries_at_once in (1, 4, 5, 6):
        monkeypatch.setattr(index, "queries_at_once", lambda self, k, num_excluded, n=queries_at_once: n)
        layer = LAYERS[kind](k=3).index(candidates)
        scores, found = layer(QUERIES)
        assert (found.numpy() == expected).all()
        np.testing.assert_allclose(scores, np.take_along_axis(QUERIES @ candidates.T, expected, axis=1), rtol=1e-5)
        assert [each.shape.as_list() for each in layer(QUERIES[:0])] == [[0, 3]] * 2


def test_a_query_model_and_queries_of_all_kinds():
    lookup = keras.layers.StringLookup(vocabulary=["ann", "bob"], mask_token=None)
    table = keras.layers.Embedding(3, 4)
    model = keras.Sequential([lookup, table])
    layer = BruteForce(model, k=2).index(EMBEDDINGS, NAMES)
    expected = table(tf.constant([1, 2])).numpy() @ EMBEDDINGS.T
    for queries in (np.array(["ann", "bob"]), np.array(["ann", "bob"], object), tf.constant(["ann", "bob"])):
        np.testing.assert_allclose(layer(queries)[0], -np.sort(-expected, axis=1)[:, :2], rtol=1e-5)
    assert layer(["ann"])[0].shape == (1, 2)
    by_dict = BruteForce(lambda columns: model(columns["user"]), k=2).index(EMBEDDINGS)
    np.testing.assert_allclose(by_dict({"user": np.array(["ann", "bob"])})[0], layer(["ann", "bob"])[0])


def test_candidates_are_replaced():
    layer = BruteForce(k=1).index(EMBEDDINGS, NAMES)
    layer(QUERIES)
    assert layer.index(10 * QUERIES)(QUERIES)[1].dtype == tf.int32
    assert layer(QUERIES)[0].shape == (6, 1)
    model = keras.layers.Dense(4)
    streaming = Streaming(k=1).index_from_dataset(tf.data.Dataset.from_tensor_slices(EMBEDDINGS).batch(9).map(model))
    before = streaming(QUERIES)[0].numpy()
    model.kernel.assign(3 * model.kernel)
    np.testing.assert_allclose(streaming(QUERIES)[0], 3 * before, rtol=1e-5)


LOADED = """
import json, os, sys
import numpy as np, tensorflow as tf
queries, found = np.load(os.environ["QUERIES"]), {}
texts = lambda names: np.asarray(names).astype(str).tolist()
for kind in ("BruteForce", "ScaNN", "Streaming"):
    loaded = tf.saved_model.load(os.path.join(os.environ["SAVED"], kind))
    scores, names = loaded(queries)
    few, _ = loaded(queries[:2])
    _, others = loaded.query_with_exclusions(queries, np.asarray(names)[:, :1])
    found[kind] = [np.asarray(scores).tolist(), texts(names), texts(others), list(few.shape)]
assert "reciperec_layers" not in sys.modules
print(json.dumps(found))
"""


def test_tensorflow_alone_loads_a_saved_layer(tmp_path, run_python):
    expected = {}
    for kind in LAYERS:
        layer = indexed(kind, NAMES, k=3)
        scores, names = layer(QUERIES)
        _, others = layer.query_with_exclusions(QUERIES, names[:, :1])
        if kind == "BruteForce":
            layer.save(tmp_path / kind)
        else:
            tf.saved_model.save(layer, str(tmp_path / kind))
        expected[kind] = scores.numpy(), *(each.numpy().astype(str).tolist() for each in (names, others)), [2, 3]
    np.save(tmp_path / "queries.npy", QUERIES)
    found = json.loads(run_python(LOADED, SAVED=str(tmp_path), QUERIES=str(tmp_path / "queries.npy")))
    for kind, (scores, *others) in found.items():
        np.testing.assert_allclose(scores, expected[kind][0], rtol=1e-5)
        assert others == list(expected[kind][1:])


@pytest.mark.parametrize("name", ["none", "int32", "int64", "text", "float64"])
def test_a_loaded_layer_takes_the_exclusions_that_the_layer_took(name, tmp_path):
    identifiers = IDENTIFIERS[name]
    layer = BruteForce(k=3).index(EMBEDDINGS, identifiers)
    excluded = (np.arange(50, dtype=np.int32) if identifiers is None else identifiers)[best(2)[1]]
    scores, found = layer.query_with_exclusions(QUERIES, excluded)
    np.testing.assert_allclose(scores, best(5)[0][:, 2:], rtol=1e-5)
    tf.saved_model.save(layer, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_array_equal(loaded.query_with_exclusions(QUERIES, excluded)[1], found)


def test_a_layer_that_was_never_called_is_saved_where_queries_are_embeddings(tmp_path):
    tf.saved_model.save(BruteForce(k=2).index(EMBEDDINGS), str(tmp_path / "saved"))
    np.testing.assert_allclose(tf.saved_model.load(str(tmp_path / "saved"))(QUERIES)[0], best(2)[0], rtol=1e-5)
    unknown = BruteForce(keras.layers.Dense(4)).index(EMBEDDINGS)
    with pytest.raises(Exception, match="what queries look like is not known yet"):
        tf.saved_model.save(unknown, str(tmp_path / "other"))


@pytest.mark.parametrize("kind", LAYERS)
def test_a_call_before_indexing_says_so(kind):
    for call in (
        lambda layer: layer(QUERIES),
        lambda layer: layer.query_with_exclusions(QUERIES, [[1]] * 6),
    ):
        with pytest.raises(NotIndexedError, match="`index` method must be called first"):
            call(LAYERS[kind]())


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: BruteForce().index(EMBEDDINGS[0]), "candidates must have two axes"),
        (lambda: BruteForce().index(EMBEDDINGS, NAMES[:3]), "one identifier for each of 50 candidates"),
        (lambda: BruteForce(k=0), "`k` must be a positive integer"),
        (lambda: ScaNN(distance_measure="squared_l2"), "there is no such distance"),
        (lambda: ScaNN(num_leaves=0), "`num_leaves` must be a positive integer"),
        (lambda: BruteForce().index_from_dataset([EMBEDDINGS]), "must be a tf.data.Dataset"),
        (
            lambda: BruteForce().index_from_dataset(tf.data.Dataset.from_tensor_slices(EMBEDDINGS[:0]).batch(1)),
            "no cand",
        ),
        (lambda: tfrs.metrics.FactorizedTopK(EMBEDDINGS), "must be a dataset of embeddings or a top-k layer"),
        (lambda: tfrs.metrics.FactorizedTopK(BruteForce().index(EMBEDDINGS), ks=()), "`ks` must be a list of numbers"),
        (
            lambda: tfrs.metrics.FactorizedTopK(scann().index(EMBEDDINGS)).update_state(QUERIES, QUERIES),
            "ScaNN does not return exact results",
        ),
    ],
)
def test_what_is_refused(act, text):
    with pytest.raises(ArgumentError, match=text):
        act()


def test_streaming_takes_datasets_alone():
    with pytest.raises(NotImplementedError, match="candidates must come as a dataset"):
        Streaming().index(EMBEDDINGS)


def test_ids_of_another_type_are_an_error():
    metric = tfrs.metrics.FactorizedTopK(BruteForce().index(EMBEDDINGS, NAMES), ks=(1,))
    with pytest.raises(TypeError, match="identifiers of the candidates are of another type"):
        metric.update_state(QUERIES, QUERIES, true_candidate_ids=np.arange(6))


def test_identifiers_that_repeat_count_where_they_are_best():
    embeddings, identifiers = np.array([[1.0], [3.0], [2.0]], np.float32), ["pie", "soup", "pie"]
    metric = tfrs.metrics.FactorizedTopK(BruteForce(k=3).index(embeddings, identifiers), ks=(1, 2))
    metric.update_state([[1.0]], [[1.0]], true_candidate_ids=["pie"])
    assert [float(result) for result in metric.result()] == [0, 1]
