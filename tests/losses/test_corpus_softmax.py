"""CorpusSoftmax: value and gradient of the oracle, pairs of one query, sizes of logits, arguments, files."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.losses import CorpusSoftmax
from tests.losses import oracle
from tests.losses.softmax_cases import tiles_of

QUERIES = np.array([[1.0, 0.5], [-0.5, 1.0]], np.float32)
CORPUS = np.array([[0.5, 1.0], [1.0, -1.0], [0.25, 2.0]], np.float32)


def found_of(layer, queries, corpus, in_graph=False, **arguments):
    def run(queries, corpus):
        with tf.GradientTape() as tape:
            tape.watch([queries, corpus])
            loss = layer(queries, corpus, **arguments)
        return loss, *(tf.convert_to_tensor(each) for each in tape.gradient(loss, [queries, corpus]))

    if in_graph:
        run = tf.function(run, input_signature=[tf.TensorSpec([None, queries.shape[1]])] * 2)
    return run(tf.constant(queries), tf.constant(corpus))


@st.composite
def pairs(draw):
    num_queries, num_candidates, dim = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    num_pairs = draw(st.integers(num_queries, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return {
        "queries": random.normal(size=(num_queries, dim)).astype(np.float32),
        "corpus": random.normal(size=(num_candidates, dim)).astype(np.float32),
        "columns": random.integers(0, num_candidates, num_pairs),
        "rows": random.permutation(np.arange(num_pairs) % num_queries),
        "weights": random.uniform(0, 2, num_pairs).astype(np.float32),
    }


@settings(deadline=None, max_examples=60)
@given(
    drawn=pairs(),
    # Small and large: logits are compared with a bound, or with the highest of their row.
    temperature=st.sampled_from([1e-3, 0.02, 0.3, 1.0, 8.0]),
    normalizer_weight=st.floats(0.5, 2),
    reduction=st.sampled_from(["sum", "mean", "none"]),
    is_weighted=st.booleans(),
    tile_rows=st.integers(1, 5),
    in_graph=st.sampled_from([False, False, False, True]),
)
def test_value_and_gradient_equal_the_oracle(
    drawn, temperature, normalizer_weight, reduction, is_weighted, tile_rows, in_graph
):
    queries, corpus, columns, rows = (drawn[name] for name in ("queries", "corpus", "columns", "rows"))
    weights = drawn["weights"] if is_weighted else None
    losses, *gradients = oracle.corpus_softmax(queries, corpus, columns, rows, temperature, normalizer_weight, weights)
    layer = CorpusSoftmax(temperature, normalizer_weight, reduction)
    with tiles_of(tile_rows):
        arguments = {"positive_columns": columns, "query_rows": rows, "sample_weight": weights}
        found = found_of(layer, queries, corpus, in_graph, **arguments)
    scale = 1 / len(columns) if reduction == "mean" else 1.0
    expected = losses if reduction == "none" else losses.sum() * scale
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-4 / temperature)
    for ours, theirs in zip(found[1:], gradients, strict=True):
        np.testing.assert_allclose(ours, theirs * scale, rtol=1e-4, atol=1e-4 / temperature)


@settings(deadline=None, max_examples=40)
@given(
    drawn=pairs(),
    k=st.integers(1, 8),
    width=st.sampled_from([0.1, 1.0]),
    is_weighted=st.booleans(),
    tile_rows=st.integers(1, 5),
    in_graph=st.sampled_from([False, False, False, True]),
)
def test_pairs_near_the_first_k_count_more(drawn, k, width, is_weighted, tile_rows, in_graph):
    queries, corpus, columns, rows = (drawn[name] for name in ("queries", "corpus", "columns", "rows"))
    given_weights = drawn["weights"] if is_weighted else None
    weights = oracle.top_k_weights(queries, corpus, columns, rows, k, width)
    weights = weights if given_weights is None else weights * given_weights
    losses, *gradients = oracle.corpus_softmax(queries, corpus, columns, rows, 0.5, 1.2, weights)
    layer = CorpusSoftmax(0.5, 1.2, top_k=k, top_k_temperature=width)
    arguments = {"positive_columns": columns, "query_rows": rows, "sample_weight": given_weights}
    with tiles_of(tile_rows):
        found = found_of(layer, queries, corpus, in_graph, training=True, **arguments)
        plain = layer(queries, corpus, training=False, **arguments)
    np.testing.assert_allclose(found[0], losses.sum(), rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(found[1:], gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    expected, *_ = oracle.corpus_softmax(queries, corpus, columns, rows, 0.5, 1.2, given_weights)
    np.testing.assert_allclose(plain, expected.sum(), rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=60)
@given(
    drawn=pairs(),
    temperature=st.sampled_from([0.02, 1.0]),
    k=st.none() | st.integers(1, 12),
    with_rows=st.booleans(),
    tile_rows=st.integers(1, 5),
    in_graph=st.sampled_from([False, False, False, True]),
)
def test_a_candidate_with_a_weight_counts_as_often(drawn, temperature, k, with_rows, tile_rows, in_graph):
    queries, corpus, columns, rows = (drawn[name] for name in ("queries", "corpus", "columns", "rows"))
    if not with_rows:
        queries, rows = queries[rows], np.arange(len(rows))
    counts = np.random.default_rng(len(columns)).integers(0, 4, len(corpus))
    counts[columns] = np.maximum(counts[columns], 1)
    repeated = np.repeat(np.arange(len(corpus)), counts)
    first = np.searchsorted(repeated, columns)
    of_pairs = None if k is None else oracle.top_k_weights(queries, corpus, columns, rows, k, 0.5, counts)
    of_repeated = queries, corpus[repeated], first, rows
    losses, by_queries, by_repeated = oracle.corpus_softmax(*of_repeated, temperature, 1.2, of_pairs)
    by_corpus = np.zeros(corpus.shape)
    np.add.at(by_corpus, repeated, by_repeated)
    with np.errstate(divide="ignore"):
        log_weights = np.log(counts.astype(np.float32))
    arguments = {"positive_columns": columns, "query_rows": rows if with_rows else None, "training": True}
    layer = CorpusSoftmax(temperature, 1.2, top_k=k, top_k_temperature=0.5)
    with tiles_of(tile_rows):
        found = found_of(layer, queries, corpus, in_graph, candidate_log_weights=log_weights, **arguments)
    for ours, theirs in zip(found, (losses.sum(), by_queries, by_corpus), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 / temperature)


@settings(deadline=None, max_examples=20)
@given(drawn=pairs())
def test_queries_given_once_have_the_loss_of_queries_repeated(drawn):
    rows, columns = drawn["rows"], drawn["columns"]
    layer = CorpusSoftmax(0.5)
    once = layer(drawn["queries"], drawn["corpus"], positive_columns=columns, query_rows=rows)
    repeated = layer(drawn["queries"][rows], drawn["corpus"], positive_columns=columns)
    np.testing.assert_allclose(once, repeated, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6])
def test_is_finite_for_logits_of_any_size(scale):
    found = found_of(CorpusSoftmax(), QUERIES * np.float32(scale), CORPUS, positive_columns=[0, 1])
    assert all(np.isfinite(each).all() for each in found)
    losses, *_ = oracle.corpus_softmax(QUERIES * scale, CORPUS, [0, 1], [0, 1])
    np.testing.assert_allclose(found[0], losses.sum(), rtol=1e-5)


def test_a_corpus_of_one_and_a_query_that_had_all_of_it():
    assert float(CorpusSoftmax()(QUERIES, CORPUS[:1], positive_columns=[0, 0])) == pytest.approx(0, abs=1e-6)
    loss, _, by_corpus = found_of(
        CorpusSoftmax(), QUERIES[:1], CORPUS, positive_columns=[0, 1, 2], query_rows=[0, 0, 0]
    )
    assert float(loss) >= 3 * np.log(3) - 1e-6  # equal scores would be best
    assert np.isfinite(by_corpus).all()


def test_is_not_finite_where_embeddings_are_not():
    assert np.isnan(CorpusSoftmax()(QUERIES, np.full_like(CORPUS, np.nan), positive_columns=[0, 1]))


def test_a_second_derivative_is_refused():
    queries = tf.constant(QUERIES)
    with tf.GradientTape() as outer, tf.GradientTape() as inner:
        outer.watch(queries)
        inner.watch(queries)
        loss = CorpusSoftmax()(queries, CORPUS, positive_columns=[0, 1])
        gradient = inner.gradient(loss, queries)
    with pytest.raises(LookupError, match="only first derivatives"):
        outer.gradient(gradient, queries)


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_the_gradient_by_a_weight_is_the_loss_of_its_pair(reduction):
    weights = tf.constant([0.5, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        loss = CorpusSoftmax(reduction=reduction)(QUERIES, CORPUS, positive_columns=[0, 1], sample_weight=weights)
    expected, *_ = oracle.corpus_softmax(QUERIES, CORPUS, [0, 1], [0, 1])
    np.testing.assert_allclose(tape.gradient(loss, weights), expected, rtol=1e-5)


def test_no_tensor_grows_with_queries_times_candidates():
    layer, num_queries, num_candidates = CorpusSoftmax(), 4096, 8 * 1024

    @tf.function
    def step(queries, corpus, columns):
        with tf.GradientTape() as tape:
            tape.watch([queries, corpus])
            loss = layer(queries, corpus, positive_columns=columns)
        return tape.gradient(loss, [queries, corpus])

    embeddings = [tf.TensorSpec([num_queries, 4]), tf.TensorSpec([num_candidates, 4])]
    with tiles_of(64):
        graph = step.get_concrete_function(*embeddings, tf.TensorSpec([num_queries], tf.int32)).graph
    inner = [graph, *(each.graph for each in graph._functions.values() if hasattr(each, "graph"))]
    sizes = [
        output.shape.num_elements() or 0
        for each in inner
        for operation in each.get_operations()
        for output in operation.outputs
        if output.shape.rank is not None
    ]
    assert num_candidates * 4 <= max(sizes) < num_queries * num_candidates / 8


def test_compiles_with_xla():
    for layer in (CorpusSoftmax(0.5), CorpusSoftmax(0.5, top_k=2)):
        call = lambda q, c, layer=layer: layer(q, c, positive_columns=[0, 1], training=True)  # noqa: E731
        compiled = tf.function(call, jit_compile=True)
        np.testing.assert_allclose(compiled(QUERIES, CORPUS), call(QUERIES, CORPUS), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"temperature": 0}, "temperature"),
        ({"normalizer_weight": -1}, "normalizer_weight"),
        ({"normalizer_weight": float("nan")}, "normalizer_weight"),
        ({"reduction": "max"}, "`reduction` must be one of"),
        ({"num_sampled": 0}, "num_sampled"),
        ({"num_sampled": 1.5}, "num_sampled"),
        ({"seed": -1}, "seed"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 20, "top_k_temperature": 0.0}, "top_k_temperature"),
    ],
)
def test_refuses_arguments(arguments, problem):
    with pytest.raises(ArgumentError, match=problem):
        CorpusSoftmax(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ({"positive_columns": [0]}, ArgumentError, r"`positive_columns` must have the shape \(num_pairs,\) = \(2,\)"),
        ({"positive_columns": [[0, 1]]}, ArgumentError, "`positive_columns` must have the shape"),
        ({"positive_columns": [0.0, 1.0]}, ArgumentTypeError, "`positive_columns` must be integers"),
        ({"positive_columns": [0, 1], "query_rows": [0.5, 1]}, ArgumentTypeError, "`query_rows` must be integers"),
        (
            {"positive_columns": [0, 1], "candidate_log_weights": [0]},
            ArgumentError,
            "`candidate_log_weights` must have",
        ),
        (
            {"positive_columns": [0, 1], "sample_weight": [[1], [1]]},
            ArgumentError,
            "`sample_weight` must have the shape",
        ),
    ],
)
def test_refuses_calls(arguments, error, problem):
    with pytest.raises(error, match=problem):
        CorpusSoftmax()(QUERIES, CORPUS, **arguments)


def test_refuses_embeddings_of_two_sizes():
    with pytest.raises(ArgumentError, match="the same embedding_dim"):
        CorpusSoftmax()(QUERIES, CORPUS[:, :1], positive_columns=[0, 1])


def test_is_read_from_its_config():
    layer = CorpusSoftmax(0.1, 1.2, "mean", num_sampled=7, seed=3, top_k=20, top_k_temperature=0.5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
