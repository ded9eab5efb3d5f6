import subprocess
import sys
import textwrap

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, IdError, VocabularyMismatchError
from reciperec_layers.losses import InBatchSoftmax, SamplingCorrection
from reciperec_layers.vocabulary import Vocabulary
from tests.losses import oracle

small_ids = st.lists(st.integers(-3, 3), min_size=1, max_size=8)


@settings(deadline=None, max_examples=50)
@given(interactions=small_ids, candidate_ids=small_ids, as_text=st.booleans())
def test_given_counts_equal_the_oracle(interactions, candidate_ids, as_text):
    if as_text:
        interactions, candidate_ids = [f"r_{each}" for each in interactions], [f"r_{each}" for each in candidate_ids]
    correction = SamplingCorrection(candidate_counts=interactions)
    for training in (True, False):
        log_q = correction(np.array(candidate_ids), training=training)
        assert log_q.dtype == tf.float32
        np.testing.assert_allclose(log_q, oracle.log_q_of_counts(candidate_ids, interactions), rtol=1e-6)


@pytest.mark.parametrize(
    "interactions",
    [
        ["a", "b", "b", "b"],
        np.array(["a", "b", "b", "b"]),
        pd.Series(["a", "b", "b", "b"]),
        pd.Series(["a", "b", "b", "b"], dtype="category"),
        Vocabulary(["a", "b"], counts=[1, 3]),
    ],
)
def test_takes_counts_in_many_forms(interactions):
    log_q = SamplingCorrection(candidate_counts=interactions)(tf.constant(["b", "a", "new"]))
    np.testing.assert_allclose(np.exp(log_q), [0.75, 0.25, 0.25], rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(st.tuples(small_ids, st.sampled_from([True, False, None])), min_size=1, max_size=5))
def test_running_counts_equal_the_oracle(steps):
    correction = SamplingCorrection(num_buckets=2**16)
    seen = []
    for candidate_ids, training in steps:
        if training:
            seen += candidate_ids  # before use in the same step
        log_q = correction(np.array(candidate_ids), training=training)
        np.testing.assert_allclose(log_q, oracle.log_q_of_counts(candidate_ids, seen), rtol=1e-6)


def test_candidates_of_one_bucket_share_a_count():
    correction = SamplingCorrection(num_buckets=1)
    np.testing.assert_array_equal(correction(tf.constant(["a", "b", "c"]), training=True), [0, 0, 0])
    assert len({float(value) for value in SamplingCorrection()(tf.range(1000), training=True)}) <= 2


def test_running_counts_count_in_a_compiled_fit_and_not_in_evaluate():
    model = TwoTables(InBatchSoftmax(sampling_correction="counts"))
    ids = np.array([7, 7, 7, 9])
    model.compile("sgd")
    model.fit(ids, ids, batch_size=2, epochs=3, verbose=0)
    model.evaluate(ids, ids, verbose=0)
    correction = model.loss_layer.correction
    np.testing.assert_allclose(np.exp(correction(np.array([7, 9, 5]))), [9 / 12, 3 / 12, 1 / 12], rtol=1e-6)


def test_explicit_probabilities_win_and_count_nothing():
    layer = InBatchSoftmax(sampling_correction="counts")
    embeddings = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    q = tf.constant([0.5, 0.0])
    loss = layer(embeddings, embeddings, candidate_sampling_probability=q, training=True)
    expected, *_ = oracle.in_batch_softmax(embeddings, embeddings, log_q=np.log([0.5, 1e-6]))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    layer(embeddings, embeddings, tf.constant([7, 9]), candidate_sampling_probability=q, training=True)
    np.testing.assert_array_equal(layer.correction(tf.constant([7, 9])), [0, 0])


@pytest.mark.parametrize("counts", [None, [7, 7, 9]])
def test_the_state_is_in_no_weights(counts):
    layer = InBatchSoftmax(sampling_correction="counts", candidate_counts=counts)
    layer(np.ones((1, 2)), np.ones((1, 2)), np.array([7]), training=True)
    assert layer.weights == []
    assert TwoTables(layer).get_weights() == TwoTables(InBatchSoftmax()).get_weights() == []


def test_the_config_names_the_counts_and_does_not_hold_them():
    counts = np.repeat(np.arange(1000), 2)
    stored = keras.saving.serialize_keras_object(SamplingCorrection(candidate_counts=counts))
    assert len(str(stored)) < 1000
    again = keras.saving.deserialize_keras_object(stored)
    assert again.candidate_counts.counts.tolist() == [2] * 1000
    running = SamplingCorrection(num_buckets=8, name="q")
    assert SamplingCorrection.from_config(running.get_config()).get_config() == running.get_config()


FRESH_PROCESS = """
    import sys
    import keras, numpy as np
    from reciperec_layers.losses import InBatchSoftmax

    ids = np.array([int(each) for each in sys.argv[2:]])
    model = keras.models.load_model(sys.argv[1])
    loss = next(layer for layer in model.layers if isinstance(layer, InBatchSoftmax))
    log_q = loss.correction(ids)
    print(" ".join(float(each).hex() for each in log_q))
"""


@pytest.mark.saving
@pytest.mark.parametrize("counts", [None, [7, 7, 9]], ids=["running", "given"])
def test_a_saved_model_keeps_the_counts_in_a_fresh_process(tmp_path, counts):
    queries, candidates, ids = keras.Input((2,)), keras.Input((2,)), keras.Input((), dtype="int64")
    layer = InBatchSoftmax(sampling_correction="counts", candidate_counts=counts, reduction="none")
    model = keras.Model([queries, candidates, ids], layer(queries, candidates, candidate_ids=ids))
    model([np.ones((3, 2)), np.ones((3, 2)), np.array([7, 7, 9])], training=True)
    path = tmp_path / "model.keras"
    model.save(path)
    asked = [7, 9, 5]
    command = [sys.executable, "-c", textwrap.dedent(FRESH_PROCESS), str(path), *map(str, asked)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    expected = layer.correction(np.array(asked))
    np.testing.assert_allclose(expected, np.log([2 / 3, 1 / 3, 1 / 3]), rtol=1e-6)
    np.testing.assert_array_equal([float.fromhex(each) for each in output], expected)


@pytest.mark.saving
def test_weights_files_carry_running_counts(tmp_path):
    path = tmp_path / "w.weights.h5"
    trained, fresh = (keras.Sequential([keras.Input((), dtype="int64"), SamplingCorrection()]) for _ in range(2))
    trained(np.array([7, 7, 9]), training=True)
    trained.save_weights(path)
    fresh.load_weights(path)
    np.testing.assert_array_equal(fresh(np.array([7, 9])), trained(np.array([7, 9])))
    fresh(np.array([9]), training=True)
    np.testing.assert_allclose(np.exp(fresh(np.array([7, 9]))), [0.5, 0.5], rtol=1e-6)


@pytest.mark.saving
@pytest.mark.parametrize("counts", [None, [7, 7, 9]], ids=["running", "given"])
def test_weights_files_with_and_without_counts_load_into_each_other(tmp_path, counts):
    path = tmp_path / "w.weights.h5"
    plain, counting = TwoTables(InBatchSoftmax()), TwoTables(InBatchSoftmax(1.0, "counts", counts))
    counting.loss_layer.correction(np.array([7, 7, 9]), training=True)
    plain.save_weights(path)
    counting.load_weights(path)
    np.testing.assert_allclose(np.exp(counting.loss_layer.correction(np.array([7]))), [2 / 3], rtol=1e-6)
    counting.save_weights(path)
    plain.load_weights(path)


def test_running_counts_of_another_number_of_buckets_are_refused():
    store = {}
    SamplingCorrection(num_buckets=8).save_own_variables(store)
    with pytest.raises(VocabularyMismatchError, match=r"have another number of buckets.*num_buckets=9, in_file=8"):
        SamplingCorrection(num_buckets=9).load_own_variables(store)


@pytest.mark.parametrize("bad", [0, -1, 2.0, True, None])
def test_refuses_numbers_of_buckets(bad):
    with pytest.raises(ArgumentError, match=f"^SamplingCorrection: `num_buckets` must be .* num_buckets={bad}"):
        SamplingCorrection(num_buckets=bad)


def test_refuses_a_vocabulary_without_counts():
    with pytest.raises(ArgumentError, match=r"^SamplingCorrection: `candidate_counts` is a vocabulary without counts"):
        SamplingCorrection(candidate_counts=Vocabulary([7, 9]))


@pytest.mark.parametrize("bad", [[1.5], [None, 7], [7, "a"]])
def test_refuses_counts_of_what_is_not_an_id(bad):
    with pytest.raises(IdError, match=r"^SamplingCorrection: `candidate_counts`"):
        SamplingCorrection(candidate_counts=bad)


def test_refuses_to_count_nothing():
    with pytest.raises(ArgumentError, match="no ids are left"):
        SamplingCorrection(candidate_counts=[])


def test_refuses_what_is_not_an_id():
    with pytest.raises(ArgumentTypeError, match=r"^SamplingCorrection: `candidate_ids` must be integers or strings"):
        SamplingCorrection()(np.array([1.0]))
    with pytest.raises(IdError):
        SamplingCorrection(candidate_counts=["a"])(np.array([1]))


class TwoTables(keras.Model):
    """The least model with a loss: embeddings are made from ids without weights."""

    def __init__(self, loss_layer):
        super().__init__()
        self.loss_layer = loss_layer
        self.built = True

    def train_step(self, data):
        return self._step(data, training=True)

    def test_step(self, data):
        return self._step(data, training=False)

    def _step(self, data, training):
        query_ids, candidate_ids = data
        embeddings = (tf.cast(ids[:, None], tf.float32) for ids in (query_ids, candidate_ids))
        return {"loss": self.loss_layer(*embeddings, candidate_ids=candidate_ids, training=training)}
