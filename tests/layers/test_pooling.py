"""Bags of rows become one vector, for every kind of indices; the oracle is a loop in NumPy."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.layers import EmbeddingTable
from reciperec_layers.layers.pooling import pool_bags

NUM_ROWS, DIM = 5, 3
COMBINERS = ["mean", "sum", "sqrtn"]
KINDS = ["dense", "ragged", "sparse"]
TABLES = {
    combiner: EmbeddingTable(NUM_ROWS, DIM, keras.initializers.RandomNormal(seed=1), combiner=combiner)
    for combiner in COMBINERS
}
VALUES = TABLES["sum"].embeddings.numpy()

lengths_of_bags = st.lists(st.integers(0, 4), min_size=1, max_size=4)


def to_kind(kind: str, flat: Any, lengths: list[int], backwards: bool = False) -> Any:
    """The values of bags, one after the other, as the tensor that holds them."""
    if kind == "dense":
        return tf.reshape(flat, (len(lengths), lengths[0]))
    if kind == "ragged":
        return tf.RaggedTensor.from_row_lengths(flat, lengths)
    places = np.array([(bag, 2 * place) for bag, length in enumerate(lengths) for place in range(length)], np.int64)
    order = np.arange(len(places))[:: -1 if backwards else 1]
    return tf.SparseTensor(places.reshape(-1, 2)[order], tf.gather(flat, order), [len(lengths), 9])


def oracle(combiner: str, rows: np.ndarray, weights: np.ndarray, upstream: np.ndarray) -> tuple[np.ndarray, ...]:
    """One bag: its vector, and the gradients of its rows and weights, by the formulas written out."""
    divisor = {"sum": 1.0, "mean": weights.sum(), "sqrtn": np.sqrt((weights**2).sum())}[combiner]
    if divisor == 0:
        return np.zeros(DIM), np.zeros_like(rows), np.zeros_like(weights)
    pooled = weights @ rows / divisor
    of_divisor = {"sum": np.zeros_like(weights), "mean": np.ones_like(weights), "sqrtn": weights / divisor}[combiner]
    of_weights = (rows @ upstream - of_divisor * (pooled @ upstream)) / divisor
    return pooled, np.outer(weights, upstream) / divisor, of_weights


@settings(max_examples=80)
@given(
    st.sampled_from(COMBINERS),
    st.sampled_from(KINDS),
    lengths_of_bags,
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_values_and_gradients(combiner: str, kind: str, lengths: list[int], weighted: bool, backwards: bool, seed: int):
    generator = np.random.default_rng(seed)
    if kind == "dense":
        lengths = [lengths[0]] * len(lengths)
    total = sum(lengths)
    chosen = generator.integers(0, NUM_ROWS, total)
    # Exact in binary, so that weights that cancel out have a sum of zero.
    weights = generator.choice([-1.0, 0.0, 0.5, 1.0, 2.0], total) if weighted else np.ones(total)
    upstream = generator.normal(size=(len(lengths), DIM))
    table, flat = TABLES[combiner], tf.constant(weights, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(flat)
        factors = to_kind(kind, flat, lengths, backwards) if weighted else None
        pooled = table(to_kind(kind, chosen, lengths, backwards), weights=factors)
        loss = tf.reduce_sum(pooled * tf.constant(upstream, tf.float32))
    of_table, of_weights = tape.gradient(loss, [table.trainable_weights[0], flat])

    expected, dense = np.zeros((len(lengths), DIM)), np.zeros((NUM_ROWS, DIM))
    expected_of_weights = np.zeros(total)
    ends = np.cumsum(lengths)
    for bag, (start, end) in enumerate(zip(ends - lengths, ends, strict=True)):
        rows = VALUES[chosen[start:end]].astype(float)
        vector, of_rows, of_factors = oracle(combiner, rows, weights[start:end], upstream[bag])
        expected[bag], expected_of_weights[start:end] = vector, of_factors
        np.add.at(dense, chosen[start:end], of_rows)

    assert pooled.shape == (len(lengths), DIM)
    np.testing.assert_allclose(pooled.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert sorted(of_table.indices.numpy().tolist()) == sorted(set(chosen.tolist()))
    found = np.zeros_like(dense)
    found[of_table.indices.numpy()] = of_table.values.numpy()
    np.testing.assert_allclose(found, dense, rtol=1e-5, atol=1e-6)
    if weighted:
        np.testing.assert_allclose(tf.convert_to_tensor(of_weights).numpy(), expected_of_weights, rtol=1e-5, atol=1e-6)


@settings(max_examples=20)
@given(st.sampled_from(COMBINERS), lengths_of_bags, st.booleans(), st.integers(0, 99))
def test_equals_tensorflow_on_bags_that_hold_something(combiner: str, lengths: list[int], weighted: bool, seed: int):
    generator, lengths = np.random.default_rng(seed), [length + 1 for length in lengths]
    ids = to_kind("sparse", generator.integers(0, NUM_ROWS, sum(lengths)), lengths)
    weights = to_kind("sparse", generator.uniform(0.1, 1, sum(lengths)).astype(np.float32), lengths)
    weights = weights if weighted else None
    theirs = tf.nn.embedding_lookup_sparse(tf.constant(VALUES), ids, weights, combiner=combiner)
    np.testing.assert_allclose(TABLES[combiner](ids, weights=weights).numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("combiner", COMBINERS)
def test_a_bag_without_weight_has_finite_gradients_under_xla(combiner: str):
    def run(weights: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            pooled = pool_bags(lambda chosen: tf.gather(VALUES, chosen), tf.constant([[0, 1]]), weights, combiner)
        return pooled, tape.gradient(pooled, weights)

    pooled, gradient = tf.function(run, jit_compile=True)(tf.zeros((1, 2)))
    assert pooled.numpy().tolist() == [[0.0] * DIM]
    expected = VALUES[[0, 1]].sum(1) if combiner == "sum" else np.zeros(2)
    np.testing.assert_allclose(gradient.numpy(), [expected], rtol=1e-5)


def test_the_last_axis_of_higher_ranks_is_pooled():
    table = TABLES["mean"]
    nested = tf.ragged.constant([[[0, 4], []], [], [[1]]], dtype=tf.int64)
    pooled = table(nested)
    expected = [[VALUES[[0, 4]].mean(0), np.zeros(DIM)], [], [VALUES[1]]]
    assert pooled.row_lengths().numpy().tolist() == [2, 0, 1]
    np.testing.assert_allclose(pooled.flat_values.numpy(), np.concatenate([np.stack(e) for e in expected if e]), 1e-5)
    weights = tf.cast(nested, tf.float32)
    expected = [VALUES[4], np.zeros(DIM), VALUES[1]]
    np.testing.assert_allclose(table(nested, weights=weights).flat_values.numpy(), expected, rtol=1e-5)

    dense_inside = tf.RaggedTensor.from_row_lengths(tf.constant([[0, 1], [2, 2], [3, 4]]), [2, 1])
    pooled = table(dense_inside)
    assert pooled.shape.as_list() == [2, None, DIM]
    np.testing.assert_allclose(pooled.flat_values.numpy(), VALUES[[[0, 1], [2, 2], [3, 4]]].mean(1), rtol=1e-5)

    cube = np.arange(24).reshape(2, 3, 4) % NUM_ROWS
    np.testing.assert_allclose(table(tf.constant(cube)).numpy(), VALUES[cube].mean(2), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_rounds_the_result_and_no_more(policy: str, kind: str):
    chosen, weights = np.arange(800) % NUM_ROWS, np.linspace(1, 1.01, 800, dtype=np.float32)
    half = EmbeddingTable(NUM_ROWS, DIM, combiner="sum", dtype=policy)
    rows = tf.cast(half.embeddings.value, tf.float64).numpy()[chosen]
    with tf.GradientTape() as tape:
        pooled = half(to_kind(kind, chosen, [800]), weights=to_kind(kind, weights, [800]))
        loss = tf.reduce_sum(tf.cast(pooled, tf.float32))
    expected = (weights[:, np.newaxis].astype(float) * rows).sum(0)
    assert pooled.dtype == half.compute_dtype
    ulp = {"float16": 2.0**-11, "bfloat16": 2.0**-8}[half.compute_dtype]
    np.testing.assert_allclose(tf.cast(pooled, tf.float32).numpy()[0], expected, rtol=ulp, atol=1e-6)
    gradient = tf.cast(tape.gradient(loss, half.trainable_weights)[0].values, tf.float32).numpy()
    exact = np.array([weights[chosen == row].sum() for row in range(NUM_ROWS)])[:, np.newaxis]
    tolerance = ulp if policy == "bfloat16" else 1e-5
    np.testing.assert_allclose(gradient, np.broadcast_to(exact, gradient.shape), rtol=tolerance)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_functional_model_trains_and_loads(kind: str, weighted: bool, tmp_path: Any):
    lengths = [2, 2, 2, 2] if kind == "dense" else [3, 0, 1, 2]
    chosen, total = np.arange(sum(lengths)) % NUM_ROWS, sum(lengths)
    ids = to_kind(kind, chosen, lengths)
    factors = to_kind(kind, np.linspace(0.5, 2, total, dtype=np.float32), lengths)
    declared = {} if kind == "dense" else {kind: True}
    width = (None,) if kind != "sparse" else (9,)
    inputs = [keras.Input(width, dtype=dtype, **declared) for dtype in ("int64", "float32")]
    bags = EmbeddingTable(NUM_ROWS, DIM, combiner="sqrtn")(inputs[0], weights=inputs[1] if weighted else None)
    assert bags.shape == (None, DIM)
    assert not bags.ragged
    assert not bags.sparse
    model = keras.Model(inputs if weighted else inputs[0], keras.layers.Dense(1)(bags))
    features = (ids, factors) if weighted else ids
    batches = tf.data.Dataset.from_tensor_slices((features, tf.ones((4, 1)))).batch(2)
    model.compile(keras.optimizers.Adagrad(0.1), "mse")
    losses = model.fit(batches, epochs=3, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(batches, verbose=0), model.predict(batches, verbose=0))


def test_configs():
    config = json.loads(json.dumps(TABLES["mean"].get_config()))
    assert EmbeddingTable.from_config(config).combiner == "mean"
    del config["combiner"]  # as before there was one
    assert EmbeddingTable.from_config(config).combiner is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("combiner", COMBINERS)
@pytest.mark.parametrize("distributed", [False, True])
def test_no_operation_has_the_size_of_the_table(kind: str, combiner: str, distributed: bool):
    num_rows = 1013
    ids = to_kind(kind, np.array([1, 1, 4, 2]), [2, 2])
    weights = to_kind(kind, np.ones(4, np.float32), [2, 2])
    strategy = tf.distribute.MirroredStrategy(["CPU:0"]) if distributed else tf.distribute.get_strategy()
    with strategy.scope():
        table = EmbeddingTable(num_rows, DIM, combiner=combiner, regularizer="l2")

    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(table(ids, weights=weights)) + sum(table.losses)
        return tape.gradient(loss, table.trainable_weights)[0].values

    pending = [tf.function(lambda: strategy.run(gradient)).get_concrete_function().graph]
    names = []
    while pending:
        graph = pending.pop()
        pending += [function.graph for function in graph._functions.values()]
        outputs = [output for operation in graph.get_operations() for output in operation.outputs]
        names += [each.name for each in outputs if each.shape.rank and num_rows in each.shape.as_list()]
    assert names == []


def test_two_replicas_read_rows_of_their_own_component(run_python: Any):
    run_python(f"""
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from reciperec_layers.layers import EmbeddingTable
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    table = EmbeddingTable({NUM_ROWS}, {DIM}, combiner="sum")
    in_scope = table(tf.constant([[1, 1, 4]]))

def step():
    with tf.GradientTape() as tape:
        pooled = table(tf.constant([[1, 1, 4]]))
        loss = tf.reduce_sum(pooled)
    gradient = tape.gradient(loss, table.trainable_weights)[0]
    return pooled, gradient.indices, gradient.values

run = tf.function(lambda: strategy.run(step))
expected = table.embeddings.numpy()[[1, 1, 4]].sum(0, keepdims=True)
np.testing.assert_allclose(in_scope, expected, rtol=1e-5)
np.testing.assert_allclose(table(tf.constant([[1, 1, 4]])), expected, rtol=1e-5)
for pooled, rows, values in zip(*map(strategy.experimental_local_results, run()), strict=True):
    np.testing.assert_allclose(pooled, expected, rtol=1e-5)
    assert (rows.numpy().tolist(), values[:, 0].numpy().tolist()) == ([1, 4], [2.0, 1.0])
reads = [each.type for each in run.get_concrete_function().graph.get_operations() if "Gather" in each.type]
assert reads.count("ResourceGather") == 2, reads
operations = run.get_concrete_function().graph.get_operations()
assert not [each for each in operations if each.type == "ReadVariableOp" and each.outputs[0].consumers()]
""")


RAGGED = tf.ragged.constant([[0, 2], [1]], dtype=tf.int64)
SPARSE = to_kind("sparse", np.array([0, 2, 1]), [2, 1])
DENSE = tf.constant([[0, 2], [1, 1]])
ONES = {"dense": tf.ones((2, 2)), "ragged": tf.ragged.constant([[1.0, 1.0], [1.0]])}
PLAIN, SUM = EmbeddingTable(NUM_ROWS, DIM), TABLES["sum"]


@pytest.mark.parametrize("ids", [DENSE, RAGGED, SPARSE], ids=KINDS)
def test_an_index_is_never_out_of_the_table(ids: Any):
    outside = ids.with_values(ids.values + NUM_ROWS) if hasattr(ids, "values") else ids - 1
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"is not in \[0, {NUM_ROWS}\)"):
        SUM(outside)


OTHER_SPLITS = tf.ragged.constant([[1.0], [1.0, 1.0]])
OTHER_PLACES = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [1.0, 1.0, 1.0], [2, 9])
STRUCTURE = r"`weights` must have the shape, row splits or sparse indices"


@pytest.mark.parametrize(
    ("ids", "weights", "is_known_early"),
    [
        (DENSE, tf.ones((2, 1)), False),
        (DENSE, tf.ones(2), True),
        (DENSE, ONES["ragged"], True),
        (RAGGED, ONES["dense"], True),
        (RAGGED, OTHER_SPLITS, False),
        (RAGGED, tf.ragged.constant([[1.0, 1.0], [1.0], []]), True),
        (SPARSE, OTHER_PLACES, False),
        (SPARSE, ONES["ragged"], True),
        (SPARSE, tf.sparse.from_dense([[1.0]]), True),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("in_graph", [False, True])
def test_weights_of_another_structure(ids: Any, weights: Any, is_known_early: bool, in_graph: bool):
    def call(ids: Any, weights: Any) -> Any:
        return SUM(ids, weights=weights)

    if in_graph:
        loose = [tf.type_spec_from_value(each) for each in (ids, weights)]
        loose = [tf.TensorSpec([None] * len(each.shape), each.dtype) if isinstance(each, tf.TensorSpec) else each
                 for each in loose]  # fmt: skip
        call = tf.function(call, input_signature=loose, autograph=False)
    # What is not known before the graph runs is TensorFlow's error, with our message.
    error = tf.errors.InvalidArgumentError if in_graph and not is_known_early else ArgumentError
    with pytest.raises(error, match=f"EmbeddingTable: {STRUCTURE}"):
        call(ids, weights)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: EmbeddingTable(2, 2, combiner="max"), ArgumentError, r"one of 'mean', 'sum', 'sqrtn', or None.*'max'"),
        (lambda: PLAIN(SPARSE), ArgumentError, 'sparse indices need a combiner.*Set for example combiner="mean"'),
        (lambda: PLAIN(DENSE, weights=ONES["dense"]), ArgumentError, "`weights` need a combiner"),
        (lambda: PLAIN(keras.Input((3,), sparse=True, dtype="int64")), ArgumentError, "sparse indices need a combiner"),
        (lambda: SUM(tf.constant([1])), ArgumentError, r"need a batch axis.*Reshape them to \(batch, n\)"),
        (lambda: SUM(tf.sparse.expand_dims(SPARSE, 0)), ArgumentError, "sparse indices must have rank 2"),
        (lambda: SUM(tf.cast(SPARSE, tf.float32)), ArgumentTypeError, "indices must be integers"),
        (lambda: SUM(DENSE, weights=tf.constant([["a", "b"]] * 2)), ArgumentTypeError, "`weights` must be numbers"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=f"^EmbeddingTable: .*{message}"):
        call()
