import warnings

import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers.losses import InBatchSoftmax

# TFRS needs legacy Keras, which `tf.keras` becomes when this is set at its first use. Test modules are imported
# before any test runs, so the first use is here; other processes that tests start should not see it.
with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
    patch.setenv("TF_USE_LEGACY_KERAS", "1")
    warnings.simplefilter("ignore")
    import tensorflow_recommenders as tfrs

NUM_QUERIES, NUM_EXTRA, DIM = 6, 3, 4
RANDOM = np.random.default_rng(7)
IDS = np.array([1, 2, 1, 3, 2, 4, 1, 5, 3])
SAMPLE_WEIGHT = RANDOM.uniform(0, 2, NUM_QUERIES).astype(np.float32)
Q = np.array([0.5, 0.25, 0.1, 1e-9, 0.7, 0.9, 1.0, 0.01, 0.3], np.float32)
# TFRS lets a mask take out a row's positive; here it never does.
MASK = (RANDOM.uniform(size=(NUM_QUERIES, NUM_QUERIES + NUM_EXTRA)) < 0.7) | np.eye(
    NUM_QUERIES, NUM_QUERIES + NUM_EXTRA, dtype=bool
)


@pytest.mark.parametrize("num_extra", [0, NUM_EXTRA])
@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({}, {}),
        ({"temperature": 0.2}, {}),
        ({}, {"sample_weight": SAMPLE_WEIGHT}),
        ({}, {"candidate_sampling_probability": Q}),
        ({"remove_accidental_hits": True}, {}),
        ({}, {"score_mask": MASK}),
        ({"num_hard_negatives": 2}, {}),
        ({"num_hard_negatives": 100}, {}),
        (
            {"temperature": 0.5, "remove_accidental_hits": True, "num_hard_negatives": 3},
            {"sample_weight": SAMPLE_WEIGHT, "candidate_sampling_probability": Q, "score_mask": MASK},
        ),
    ],
)
def test_value_and_gradient_equal_tfrs(options, arguments, num_extra):
    num_candidates = NUM_QUERIES + num_extra
    random = np.random.default_rng(42)
    queries = tf.constant(random.normal(size=(NUM_QUERIES, DIM)).astype(np.float32))
    candidates = tf.constant(random.normal(size=(num_candidates, DIM)).astype(np.float32))
    arguments = {**arguments, "candidate_ids": IDS}
    for name in arguments:
        if name != "sample_weight":
            arguments[name] = arguments[name][..., :num_candidates]

    ours, theirs = (
        value_and_gradients(layer, queries, candidates, arguments)
        for layer in (InBatchSoftmax(**options), tfrs.tasks.Retrieval(**options))
    )
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-5)


def value_and_gradients(layer, queries, candidates, arguments):
    with tf.GradientTape() as tape:
        tape.watch([queries, candidates])
        loss = layer(queries, candidates, **arguments)
    return loss, *tape.gradient(loss, [queries, candidates])
