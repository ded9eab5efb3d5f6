import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.losses import InBatchSoftmax
from tests.losses import oracle
from tests.losses.softmax_cases import (
    CALLS,
    CANDIDATES,
    QUERIES,
    batches,
    expected_of,
    found_of,
    tiles_of,
    value_and_gradients,
)


@settings(deadline=None, max_examples=60)
@given(**CALLS)
def test_value_and_gradient_equal_the_oracle(batch, options, passed, tile_rows, in_graph):
    arguments = {name: batch[name] for name in passed}
    expected = expected_of(options, batch["queries"], batch["candidates"], batch["candidate_ids"], arguments)
    with tiles_of(tile_rows):
        found = found_of(options, batch["queries"], batch["candidates"], batch["candidate_ids"], arguments, in_graph)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(batch=batches(), temperature=st.floats(0.01, 8))
def test_a_masked_candidate_has_no_gradient_and_no_effect(batch, temperature):
    num_queries, num_candidates = batch["score_mask"].shape
    mask = np.ones((num_queries, num_candidates + 1), bool)
    mask[:, -1] = False
    layer = InBatchSoftmax(temperature)
    outsider = np.full((1, batch["queries"].shape[1]), 1e3, np.float32)
    candidates = np.concatenate([batch["candidates"], outsider])
    loss, query_gradients, candidate_gradients = value_and_gradients(
        layer, batch["queries"], candidates, score_mask=mask
    )
    without = value_and_gradients(layer, batch["queries"], batch["candidates"])
    assert not np.any(candidate_gradients[-1])
    np.testing.assert_allclose(loss, without[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(query_gradients, without[1], rtol=1e-4, atol=1e-4)


def test_an_accidental_hit_has_no_gradient_and_the_positive_is_not_a_hit_of_itself():
    layer = InBatchSoftmax(remove_accidental_hits=True, reduction="none")
    candidates = CANDIDATES * 100
    losses, _, gradients = value_and_gradients(layer, QUERIES, candidates, candidate_ids=["a", "a", "a"])
    np.testing.assert_array_equal(losses, [0, 0])
    np.testing.assert_array_equal(gradients, np.zeros_like(candidates))


@pytest.mark.parametrize("taken_out_by", ["mask", "hit"])
def test_what_is_taken_out_is_below_every_finite_logit(taken_out_by):
    layer = InBatchSoftmax(remove_accidental_hits=taken_out_by == "hit")
    arguments = {
        "mask": {"score_mask": np.array([[True, False]])},
        "hit": {"candidate_ids": np.array([7, 7])},
    }[taken_out_by]
    queries, candidates = np.array([[1e19]], np.float32), np.array([[-1e19], [1e19]], np.float32)
    for values in value_and_gradients(layer, queries, candidates, **arguments):
        np.testing.assert_array_equal(values, np.zeros_like(values))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("num_hard_negatives", [None, 2])
def test_without_negatives_the_loss_is_zero_and_the_gradient_finite(jit_compile, num_hard_negatives):
    layer = InBatchSoftmax(num_hard_negatives=num_hard_negatives)
    mask = np.zeros((2, 3), bool)  # also where it says that the positives are out
    run = tf.function(lambda: value_and_gradients(layer, QUERIES, CANDIDATES, score_mask=mask), jit_compile=jit_compile)
    for values in run():
        np.testing.assert_array_equal(values, np.zeros_like(values))


def test_a_single_row_has_no_loss():
    assert InBatchSoftmax(num_hard_negatives=3)(QUERIES[:1], CANDIDATES[:1]) == 0


@pytest.mark.parametrize("num_hard_negatives", [None, 1])
def test_huge_logits_stay_finite(num_hard_negatives):
    layer = InBatchSoftmax(temperature=1e-3, num_hard_negatives=num_hard_negatives)
    for sign in (1, -1):
        for values in value_and_gradients(layer, sign * 1e15 * QUERIES, 1e15 * CANDIDATES):
            assert np.all(np.isfinite(values))


def test_a_perfect_row_keeps_its_small_loss():
    loss = InBatchSoftmax()(np.array([[1000.0]], np.float32), np.array([[1.0], [0.99]], np.float32))
    np.testing.assert_allclose(loss, math.log1p(math.exp(-10)), rtol=1e-2)


def test_as_many_hard_negatives_as_there_are_change_nothing():
    all_kept = InBatchSoftmax(num_hard_negatives=2)(QUERIES, CANDIDATES)
    np.testing.assert_allclose(all_kept, InBatchSoftmax()(QUERIES, CANDIDATES), rtol=1e-6)
    np.testing.assert_array_equal(InBatchSoftmax(num_hard_negatives=9)(QUERIES, CANDIDATES), all_kept)


def test_temperature_sharpens():
    cold, warm = (InBatchSoftmax(temperature)(QUERIES, QUERIES) for temperature in (0.1, 10.0))
    assert cold < warm


def test_the_sum_is_the_default_and_the_mean_counts_rows_not_weights():
    arguments = {"sample_weight": np.array([3.0, 0.0])}
    losses = InBatchSoftmax(reduction="none")(QUERIES, CANDIDATES, **arguments)
    assert losses.shape == (2,)
    assert losses[1] == 0
    np.testing.assert_allclose(InBatchSoftmax()(QUERIES, CANDIDATES, **arguments), sum(losses), rtol=1e-6)
    mean = InBatchSoftmax(reduction="mean")(QUERIES, CANDIDATES, **arguments)
    np.testing.assert_allclose(mean, sum(losses) / 2, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_computes_in_float32_under_every_policy(dtype):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = InBatchSoftmax()
    finally:
        keras.config.set_dtype_policy(before)
    queries, candidates = tf.cast(QUERIES * 300, dtype), tf.cast(CANDIDATES * 300, dtype)
    loss, *gradients = value_and_gradients(layer, queries, candidates)
    expected, *_ = oracle.in_batch_softmax(tf.cast(queries, "float64"), tf.cast(candidates, "float64"))
    assert loss.dtype == tf.float32
    assert [gradient.dtype for gradient in gradients] == [dtype, dtype]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)  # 90,000: above what float16 holds


def test_ids_may_be_text_arrays_and_tensors():
    layer = InBatchSoftmax(remove_accidental_hits=True)
    expected = layer(QUERIES, CANDIDATES, candidate_ids=np.array([7, 9, 7]))
    for ids in (np.array(["a", "b", "a"]), np.array(["a", "b", "a"], object), tf.constant(["é", "", "é"])):
        assert layer(QUERIES, CANDIDATES, candidate_ids=ids) == expected


def test_composes_in_a_functional_model():
    queries, candidates = keras.Input((2,)), keras.Input((2,))
    ids = keras.Input((), dtype="int64")
    loss = InBatchSoftmax(remove_accidental_hits=True, reduction="none")(queries, candidates, candidate_ids=ids)
    assert loss.shape == (None,)
    assert InBatchSoftmax()(queries, candidates).shape == ()
    model = keras.Model([queries, candidates, ids], loss)
    found = model([QUERIES, CANDIDATES[:2], np.array([7, 9])])
    np.testing.assert_allclose(found, oracle.in_batch_softmax(QUERIES, CANDIDATES[:2], reduction="none")[0], rtol=1e-5)


def test_config_round_trip():
    layer = InBatchSoftmax(0.5, "counts", [7, 7, 9], True, 3, "mean", name="loss")
    config = layer.get_config()
    again = InBatchSoftmax.from_config(config)
    assert again.get_config() == config
    assert config["candidate_counts"].counts.tolist() == [2, 1]
    as_stored = InBatchSoftmax.from_config(keras.saving.serialize_keras_object(layer)["config"])
    arguments = {"candidate_ids": np.array([7, 9, 5])}
    assert again(QUERIES, CANDIDATES, **arguments) == layer(QUERIES, CANDIDATES, **arguments)
    assert as_stored(QUERIES, CANDIDATES, **arguments) == layer(QUERIES, CANDIDATES, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(({"temperature": bad}, "`temperature` must be a finite number > 0") for bad in (0, -1.0, math.nan, math.inf)),
        *(({"temperature": bad}, "`temperature` must be a finite number > 0") for bad in (True, "0.1", None)),
        *(
            ({"sampling_correction": bad}, '`sampling_correction` must be None or "counts"')
            for bad in ("count", "", 1, np.ones(2))
        ),
        ({"candidate_counts": [7]}, "`candidate_counts` are not used without a sampling correction"),
        *(
            ({"num_hard_negatives": bad}, "`num_hard_negatives` must be a positive integer or None")
            for bad in (0, -1, 1.0, True)
        ),
        *(({"reduction": bad}, "`reduction` must be one of ('mean', 'none', 'sum')") for bad in ("avg", None, ["sum"])),
    ],
)
def test_refuses_arguments(arguments, message):
    with pytest.raises(ArgumentError) as caught:
        InBatchSoftmax(**arguments)
    text = str(caught.value)
    assert text.startswith(f"InBatchSoftmax: {message}. Received: {next(iter(arguments))}=")
    assert "\n" not in text


def test_accepts_the_least_arguments():
    InBatchSoftmax(temperature=1e-6, num_hard_negatives=1)
    InBatchSoftmax(temperature=np.float32(1), num_hard_negatives=np.int64(1))


DIMS = "embeddings must have the shapes (num_queries, embedding_dim) and (num_candidates, embedding_dim)"
ROWS = "there must be at least one query and a candidate for each"
WRONG_CALLS = [
    ({}, {"candidate_embeddings": CANDIDATES[:1]}, ROWS, ArgumentError),
    ({}, {"query_embeddings": QUERIES[:0]}, ROWS, ArgumentError),
    ({}, {"query_embeddings": QUERIES[:, :1]}, DIMS, ArgumentError),
    ({}, {"query_embeddings": QUERIES[0]}, DIMS, ArgumentError),
    ({}, {"candidate_embeddings": CANDIDATES[None]}, DIMS, ArgumentError),
    ({}, {"query_embeddings": QUERIES.astype(int)}, "`query_embeddings` must be floats", ArgumentTypeError),
    ({}, {"candidate_embeddings": CANDIDATES.astype(int)}, "`candidate_embeddings` must be floats", ArgumentTypeError),
    ({"remove_accidental_hits": True}, {}, "`remove_accidental_hits` needs `candidate_ids`", ArgumentError),
    ({"sampling_correction": "counts"}, {}, '`sampling_correction="counts"` needs `candidate_ids`', ArgumentError),
    ({}, {"candidate_ids": np.array([7, 9])}, "`candidate_ids` must have the shape (num_candidates,)", ArgumentError),
    ({}, {"candidate_ids": np.ones(3)}, "`candidate_ids` must be integers or strings", ArgumentTypeError),
    ({}, {"sample_weight": np.ones((2, 1))}, "`sample_weight` must have the shape (num_queries,)", ArgumentError),
    ({}, {"sample_weight": np.ones(3)}, "`sample_weight` must have the shape (num_queries,)", ArgumentError),
    ({}, {"sample_weight": np.ones(2, bool)}, "`sample_weight` must be float32", ArgumentTypeError),
    (
        {},
        {"candidate_sampling_probability": np.ones(2)},
        "`candidate_sampling_probability` must have the shape (num_candidates,)",
        ArgumentError,
    ),
    (
        {},
        {"score_mask": np.ones((2, 2), bool)},
        "`score_mask` must have the shape (num_queries, num_candidates)",
        ArgumentError,
    ),
    (
        {},
        {"score_mask": np.ones(3, bool)},
        "`score_mask` must have the shape (num_queries, num_candidates)",
        ArgumentError,
    ),
    ({}, {"score_mask": np.ones((2, 3))}, "`score_mask` must be bool", ArgumentTypeError),
]


@pytest.mark.parametrize(("options", "arguments", "message", "error"), WRONG_CALLS)
def test_refuses_calls(options, arguments, message, error):
    layer = InBatchSoftmax(**options)
    with pytest.raises(error) as caught:
        layer(**{"query_embeddings": QUERIES, "candidate_embeddings": CANDIDATES, **arguments})
    text = str(caught.value)
    assert text.startswith(f"InBatchSoftmax: {message}")
    assert "Received: " in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"candidate_embeddings": CANDIDATES[:1]}, ROWS),
        ({"query_embeddings": QUERIES[:0]}, ROWS),
        ({"sample_weight": np.ones(3, np.float32)}, "`sample_weight` must have the shape"),
        ({"score_mask": np.ones((1, 3), bool)}, "`score_mask` must have the shape"),
    ],
)
def test_a_graph_refuses_lengths_that_it_learns_when_it_runs(arguments, message):
    layer = InBatchSoftmax()
    batch = {"query_embeddings": QUERIES, "candidate_embeddings": CANDIDATES, **arguments}
    batch = {name: tf.constant(values) for name, values in batch.items()}
    signature = {name: tf.TensorSpec([None, None][: tensor.ndim], tensor.dtype) for name, tensor in batch.items()}
    for name in ("query_embeddings", "candidate_embeddings"):
        signature[name] = tf.TensorSpec([None, 2])
    run = tf.function(lambda batch: layer(**batch), input_signature=[signature])
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"InBatchSoftmax: {message}"):
        run(batch)
